"""Which jobs are stored, which are left to do, and why a stored training does not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.jobs.job import AttackJob, Job, TrainJob
from benchmarks.results.records import AttackRecord, TrainingRecord
from benchmarks.results.store import Store, differences

SHOWN = 3


@dataclass(frozen=True)
class Plan:
    """Jobs with their records.

    Attributes:
        trainings, attacks: the jobs, each once.
        trained, attacked: their records by key.
        texts: the attacks on training texts that are not stored.
    """

    trainings: tuple[TrainJob, ...]
    attacks: tuple[AttackJob, ...]
    trained: dict[str, TrainingRecord]
    attacked: dict[str, AttackRecord]
    texts: tuple[AttackJob, ...] = ()

    @property
    def left(self) -> list[Job]:
        """The jobs still to do, trainings first.

        The model of a training that did not finish is not attacked. Training texts are attacked only if a training that
        needs them is left.
        """
        broken = {key for key, record in self.trained.items() if record.status != "finished"}
        trainings = [job for job in self.trainings if job.key not in self.trained]
        awaited = {job.needs for job in trainings}
        return [
            *trainings,
            *(job for job in self.texts if job.folder in awaited),
            *(job for job in self.attacks if job.key not in self.attacked and job.training not in broken),
        ]

    def lines(self) -> list[str]:
        """The plan in a line or two for the screen."""
        lines = [
            f"plan: {len(self.trainings)} trainings ({len(self.trained)} stored already), "
            f"{len(self.attacks)} attacks ({len(self.attacked)} stored already)"
        ]
        return lines if self.left else [*lines, "nothing left to run"]

    def stored_otherwise(self, store: Store) -> Iterator[str]:
        """A line for each method that is stored with other settings only.

        It names the fields in which the most similar stored training differs.
        """
        stored = list(store.trainings())
        told = {(job.task, job.defense.key) for job in self.trainings if job.key in self.trained}
        for job in self.trainings:
            alike = ("task", "defense", "seed")
            candidates = [
                list(differences(record.identity, job.identity))
                for record in stored
                if all(record.identity.get(name) == job.identity[name] for name in alike)
            ]
            if candidates and (job.task, job.defense.key) not in told:
                told.add((job.task, job.defense.key))
                nearest = min(candidates, key=len)
                more = f" and {len(nearest) - SHOWN} more" if len(nearest) > SHOWN else ""
                title = f"{job.task} {job.defense.title}"
                yield f"{title} is stored with other settings: {'; '.join(nearest[:SHOWN])}{more}"


def look_up(store: Store, jobs: Sequence[Job]) -> Plan:
    """Look the records of some jobs up."""
    trainings = tuple(job for job in jobs if isinstance(job, TrainJob))
    attacks = tuple(job for job in jobs if isinstance(job, AttackJob) and not job.for_training)
    texts = (job for job in jobs if isinstance(job, AttackJob) and job.for_training)
    trained = {job.key: record for job in trainings if (record := job.record(store)) is not None}
    attacked = {job.key: record for job in attacks if (record := job.record(store)) is not None}
    return Plan(trainings, attacks, trained, attacked, tuple(job for job in texts if job.record(store) is None))
