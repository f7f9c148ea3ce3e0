"""Jobs on the demo task, and studies of a few defenses."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.experiments.experiment import FIRST_SEED, USUAL, AttackProtocol, Experiment, Variant, methods
from benchmarks.experiments.options import Options
from benchmarks.jobs.attack import OnProgress, attack, silent
from benchmarks.jobs.context import Context, RunSpec
from benchmarks.jobs.job import TrainJob
from benchmarks.jobs.resolve import Study, attack_job, resolve, train_job
from benchmarks.results.records import AttackRecord


def context_of(options: Options) -> Context:
    """What the jobs of a run are done with."""
    return RunSpec(options).load()


def study_of(options: Options, *defenses: str, runs: int = 1, **settings: str) -> Study:
    """Some defenses side by side, with some of their settings changed."""
    experiment = Experiment("some", "Some", "some methods", "methods", methods(defenses, settings))
    return resolve(replace(options, runs=runs), experiment)


def job_of(context: Context, defense: str = "fine_tune", seed: int = FIRST_SEED, **settings: str) -> TrainJob:
    """One training, with some of the defense's settings changed."""
    (task,) = context.tasks
    return train_job(context, task, Variant("", "", defense, settings).defense_for(context.preset, task, seed), seed)


def attack_on(
    context: Context,
    training: TrainJob,
    recipe: Recipe = TEXTBUGGER,
    on_progress: OnProgress = silent,
    protocol: AttackProtocol = USUAL,
) -> AttackRecord:
    """Attacks a trained model."""
    return attack(context, attack_job(context, training, recipe, protocol), on_progress)
