"""Made-up runs of experiments of every kind, for the tests of their reports."""

from __future__ import annotations

from dataclasses import replace

from made_up import attack, outcome, stage, training

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.options import Options
from benchmarks.jobs.job import TrainJob
from benchmarks.jobs.resolve import Study, resolve
from reports.experiments import report_on

CHOICES = {
    "table1": {"defenses": "fine_tune,early_robust"},
    "figure3": {"variants": "gamma=0.3,gamma=0.1"},
    "figure2": {},
    "figure5": {},
}


def store_training(study: Study, job: TrainJob) -> None:
    """A made-up training and made-up attacks, no two alike, where real ones would lie."""
    number = len(list(study.store.trainings()))
    boundaries = 20 if job.defense.key == "early_robust" and job.defense.search_to_cap else 6
    distances = [[abs(one - other) / (boundaries + number) for one in range(boundaries)] for other in range(boundaries)]
    search = {
        "mask_distances": {"heads": distances, "neurons": distances},
        "kept": {"heads": [4, 2], "neurons": [60, 30 - number]},
        "draw_epoch": 0.3 + number,
        "stop_epoch": 0.4 + number,
        "converged": True,
    }
    stages = [stage(name="search", epochs=0.3, trace=search)] if job.defense.key == "early_robust" else []
    record = training(
        job.defense.key,
        job.seed,
        10.0 + number,
        title=job.defense.title,
        key=job.key,
        identity=job.identity,
        task=job.task,
        stages=stages,
        clean_correct="1" * (10 + number) + "0" * 10,
    )
    study.store.put_training(record)
    for each in study.attacks:
        if each.training != job.key:
            continue
        made = attack(record, each.recipe.key, key=each.key, identity=each.identity, example_ids=each.example_ids)
        study.store.put_attack(made)
        for example in each.example_ids:
            status = "failed" if len(example) % 2 == number % 2 else "successful"
            study.store.append_outcome(each.key, replace(outcome(0, status), example_id=example))


def report(options: Options, key: str, **more):
    return report_on(resolve(replace(options, **CHOICES[key] | more), EXPERIMENTS[key]))


def drawn(axes) -> dict[str, list[list[float]]]:
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
