"""From options and an experiment to jobs that know their keys. Nobody computes an identity after this."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from baselines.defense import Defense
from baselines.needs import AdversarialTexts, BalancedBatches, Substitutes, SynonymSets
from baselines.primitives.encoders import embedding_width
from baselines.validation import MachineError, require
from benchmarks.attacks.engine import require_words
from benchmarks.attacks.recipe import Recipe
from benchmarks.data.substitutes import identity as substitutes_identity
from benchmarks.data.synonym_sets import identity as sets_identity
from benchmarks.experiments.defenses import source_of
from benchmarks.experiments.experiment import USUAL, AttackProtocol, Experiment, Variant, seeds
from benchmarks.experiments.options import Options
from benchmarks.jobs.adversarial_texts import base_defense, drawn_texts, training_recipe
from benchmarks.jobs.context import SCHEMA, Context, RunSpec
from benchmarks.jobs.job import AttackJob, Job, TrainJob
from benchmarks.jobs.provenance import Provenance, provenance_of
from benchmarks.results.store import Store, differences
from benchmarks.victims.inspection import check_inputs

USUAL_THREADS = 1  # of the published results, which were made before threads were kept and have their keys


@dataclass(frozen=True)
class Row:
    """The jobs of one variant on one task.

    Attributes:
        task: the task's name.
        variant: the variant.
        trainings: its trainings, by seed, ascending.
        attacks: the attacks on their models.
    """

    task: str
    variant: Variant
    trainings: tuple[TrainJob, ...]
    attacks: tuple[AttackJob, ...]


@dataclass(frozen=True)
class Study:
    """The jobs of an experiment, and everything they need.

    Attributes:
        experiment: the experiment.
        context: what its jobs are done with.
        rows: its jobs by task and variant, for the report.
        trainings: each training once, in the order of work: in complete blocks, a block being one seed of a task in a
            shuffled order; one that needs adversarial texts comes after the training of the attacked model.
        texts: each attack that makes such texts, once.
        attacks: each attack on a trained model once.
    """

    experiment: Experiment
    context: Context
    rows: tuple[Row, ...]
    trainings: tuple[TrainJob, ...]
    texts: tuple[AttackJob, ...]
    attacks: tuple[AttackJob, ...]

    @property
    def store(self) -> Store:
        """Where records are."""
        return self.context.store

    @property
    def provenance(self) -> Provenance:
        """What the captions of its tables say of data, preset and machine."""
        return provenance_of(self.context)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, trainings first."""
        return (*self.trainings, *self.texts, *self.attacks)


def resolve(options: Options, experiment: Experiment, only: Sequence[int] | None = None) -> Study:
    """Check all input, load what a run needs, and list its jobs.

    Args:
        only: the seeds to run, in place of those that the options or the preset ask for.
    Raises:
        UserError: with one sentence, for any mistake of the user.
    """
    context = RunSpec(options, experiment).load()
    variants = experiment.chosen(options, context.preset)
    rows: dict[tuple[str, str], Row] = {}
    trainings: dict[str, TrainJob] = {}
    for task in context.tasks:
        for seed in seeds(context.preset, options.runs) if only is None else only:
            block: dict[str, TrainJob] = {}
            for variant in variants:
                job = train_job(context, task, variant.defense_for(context.preset, task, seed), seed)
                block[job.key] = job
                row = rows.get((task, variant.key)) or Row(task, variant, (), ())
                attacks = tuple(attack_job(context, job, recipe, variant.protocol) for recipe in context.recipes)
                rows[task, variant.key] = replace(
                    row, trainings=(*row.trainings, job), attacks=(*row.attacks, *attacks)
                )
            for job in _shuffled(list(block.values()), f"{task} {seed}"):
                if job.base is not None:
                    trainings.setdefault(job.base.key, job.base)
                trainings.setdefault(job.key, job)
    texts = {job.texts.key: job.texts for job in trainings.values() if job.texts is not None}
    attacks = {job.key: job for row in rows.values() for job in row.attacks}
    return Study(
        experiment,
        context,
        tuple(rows.values()),
        tuple(trainings.values()),
        tuple(texts.values()),
        tuple(attacks.values()),
    )


def _shuffled(block: list[TrainJob], seed: str) -> list[TrainJob]:
    random.Random(seed).shuffle(block)
    return block


def train_job(context: Context, task: str, defense: Defense, seed: int) -> TrainJob:
    """One training as a job.

    Raises:
        UserError: for adversarial texts by a recipe that is unknown, or cannot run here; for a batch without room for a
            text of every class, if the defense needs that.
    """
    loaded, options = context.tasks[task], context.options
    found: dict[str, Any] = {}
    source, base, texts = source_of(type(defense)), None, None
    if defense.need(BalancedBatches):
        classes = len(loaded.dataset.label_names)
        allowed = f"{classes} or more for {defense.title}, a text of every class"
        require(loaded.batch_size >= classes, "--batch-size", allowed, loaded.batch_size)
    if defense.need(Substitutes):
        found["substitutes"] = substitutes_identity(loaded.resources.identity()["synonyms"])
    if defense.need(SynonymSets):
        found["synonym_sets"] = sets_identity(loaded.resources.identity()["synonyms"])
    if wanted := defense.need(AdversarialTexts):
        base = train_job(context, task, base_defense(defense), seed)
        texts = _texts_job(context, base, wanted)
        found["adversarial_texts"] = texts.identity
    identity = found | {
        "schema": SCHEMA,
        "task": task,
        "data": loaded.dataset.fingerprint,
        "backbone": context.backbone.identity(),
        "defense": defense.key,
        "defense_source": source.get("sha256"),
        "settings": defense.identity(),
        "seed": seed,
        "batch_size": loaded.batch_size,
        "max_length": loaded.max_length,
        "precision": options.precision,
        "device": context.device,
        **({"capture": True} if options.capture else {}),
        **_threads_identity(context),
        **_embedding_identity(context),
        **({"revision": revision} if (revision := defense.revision()) else {}),
    }
    return TrainJob(task, defense, seed, identity, source, base, texts)


def _threads_identity(context: Context) -> dict[str, int]:
    """The threads of a training on a CPU, between which its sums are split; `USUAL_THREADS` are left out."""
    threads = context.machine["threads"]
    return {} if context.device == "cuda" or threads == USUAL_THREADS else {"threads": threads}


def _embedding_identity(context: Context) -> dict[str, int]:
    """The width of word embeddings narrower than the layers, to which the radii of perturbations are scaled."""
    config = context.backbone.config
    width = embedding_width(config)
    return {} if width == config.hidden_size else {"embedding_width": width}


def _texts_job(context: Context, base: TrainJob, wanted: AdversarialTexts) -> AttackJob:
    """The attack on the training texts that a defense's adversarial texts are made from."""
    task, recipe = context.tasks[base.task], training_recipe(wanted)
    task.resources.check(recipe)
    identity = {
        "base": base.key,
        "recipe": recipe.identity(),
        "resources": task.resources.identity(recipe),
        "share": wanted.share,
        "least_words": wanted.least_words,
        "seed": base.seed,
    }
    drawn = drawn_texts(task.dataset.train, wanted, base.seed)
    if drawn:
        require_words(drawn, context.options.max_words)
    ids = tuple(example.id for example in drawn)
    return replace(_attack_on(base, recipe, USUAL, ids, identity), added=wanted.added)


def attack_job(context: Context, training: TrainJob, recipe: Recipe, protocol: AttackProtocol = USUAL) -> AttackJob:
    """One attack on a training's model as a job.

    Raises:
        UserError: if no text is left to attack, or the backbone cannot read texts of the protocol's length.
    """
    task = context.tasks[training.task]
    if protocol.max_length is not None:
        name, columns, what = context.backbone.name, len(task.task.columns), "the length under attack"
        check_inputs(name, context.backbone.config, context.tokenizer, protocol.max_length, columns, what)
    attacked = task.attacked_under(protocol)
    if protocol != USUAL:
        require_words(attacked, context.options.max_words)
    ids = tuple(example.id for example in attacked)
    return _attack_on(
        training,
        recipe,
        protocol,
        ids,
        _attack_identity(context, training.key, training.task, recipe, protocol, training.defense.is_guarded),
    )


def _attack_identity(
    context: Context, training: str, task: str, recipe: Recipe, protocol: AttackProtocol, is_guarded: bool
) -> dict[str, Any]:
    """All that decides the outcomes of an attack on the model of a training; its key covers the guard's settings."""
    of_guard = {"guard": protocol.of_guard()} if is_guarded else {}
    return {"training": training} | of_guard | context.tasks[task].attack_identity(recipe, protocol)


def _attack_on(
    training: TrainJob, recipe: Recipe, protocol: AttackProtocol, ids: tuple[str, ...], identity: dict[str, Any]
) -> AttackJob:
    defense = training.defense
    return AttackJob(
        training.key, training.task, defense.key, defense.title, training.seed, recipe, protocol, ids, identity
    )


def require_unchanged(context: Context, job: Job) -> None:
    """Raise an error for a job that has another identity here than where it was planned.

    Raises:
        MachineError: naming what differs: data, backbone, code or resources.
    """
    if isinstance(job, TrainJob):
        now = train_job(context, job.task, job.defense, job.seed).identity
    elif job.for_training:  # the key of its base covers the data
        resources = context.tasks[job.task].resources.identity(job.recipe)
        now = job.identity | {"recipe": job.recipe.identity(), "resources": resources}
    else:
        now = _attack_identity(context, job.training, job.task, job.recipe, job.protocol, "guard" in job.identity)
    changed = next(differences(job.identity, now), None)
    if changed is not None:
        raise MachineError(f"{job.label}: the configuration changed after planning: {changed}")
