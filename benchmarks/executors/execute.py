"""Do every job of a study: hand jobs that are ready to an executor and show the progress."""

from __future__ import annotations

from benchmarks.executors.executor import Executor, Progress
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.progress import Bar, Reporter
from benchmarks.jobs.job import AttackJob, Job
from benchmarks.jobs.plan import look_up
from benchmarks.jobs.resolve import Study
from benchmarks.results.records import AttackRecord, TrainingRecord


def executor_for(study: Study) -> Executor:
    """The executor that the run's options ask for."""
    if study.context.options.executor == "ray":
        from benchmarks.executors.ray import RayExecutor

        return RayExecutor(study.context, study.jobs)
    return LocalExecutor(study.context)


def execute(study: Study, reporter: Reporter, executor: Executor | None = None) -> None:
    """Do every job of a study that is not stored.

    Attacks wait until all trainings are done, so that they disturb no timing; without timing, only for their model.
    Attacks on training texts come before the trainings that need them.

    Args:
        executor: the executor; by default the one in the run's options.
    """
    store, timed = study.store, not study.context.options.untimed
    waiting = {job.key: job for job in look_up(store, study.jobs).left}
    if not waiting:
        return
    number = {job.key: f"[{place}/{len(study.trainings)}] " for place, job in enumerate(study.trainings, start=1)}
    under_way: dict[str, Job] = {}
    bars: dict[str, Bar] = {}
    with executor or executor_for(study) as working, reporter.progress() as add_task:
        reporter.say(working.describe())
        while waiting or under_way:
            left = {**waiting, **under_way}
            for job in [each for each in waiting.values() if _is_ready(each, left, timed)]:
                under_way[job.key] = waiting.pop(job.key)
                working.submit(job)
            for event in working.events():
                job = under_way[event.key]
                label = number.get(job.key, "") + job.label
                if job.key not in bars:
                    length = len(job.remaining(store)) if isinstance(job, AttackJob) else None
                    bars[job.key] = add_task(f"{label}, {job.unit}", length)
                if isinstance(event, Progress):
                    bars[job.key].advance(event.amount, queries=event.queries)
                    continue
                bars.pop(job.key).end()
                del under_way[job.key]
                record = job.record(store)
                assert record is not None
                reporter.say(f"{label}{_ending(record)}")
                if isinstance(record, TrainingRecord) and record.status != "finished":
                    on_it = [each.key for each in study.attacks if each.training == record.key]
                    waiting = {key: each for key, each in waiting.items() if key not in on_it}


def _is_ready(job: Job, left: dict[str, Job], timed: bool) -> bool:
    """Whether a job can start: what it needs is stored, and an attack would disturb no timed training."""
    if timed and not job.for_training:
        return not any(each.for_training for each in left.values())
    return job.needs not in [each.folder for each in left.values()]


def _ending(record: TrainingRecord | AttackRecord) -> str:
    if isinstance(record, AttackRecord):
        return f" in {record.seconds:.1f} s"
    if record.status != "finished":
        return f": {record.status}: {record.error}"
    clean = 100 * record.clean_correct.count("1") / len(record.clean_correct)
    return f": trained in {record.seconds['gpu']:.1f} s ({record.clock} clock), Clean {clean:.1f} %"
