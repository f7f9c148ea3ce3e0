"""Works through a plan: gives what can be done to an executor, shows how it gets on, and returns the trainings."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.executors.executor import Executor, Progress, executor_for
from benchmarks.executors.progress import Bar, Reporter
from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import Setup
from benchmarks.jobs.work import Item, Training, attacks_to_do, trainings_of
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Record


def execute(setup: Setup, plan: Plan, reporter: Reporter, executor: Executor | None = None) -> list[TrainingRecord]:
    """Finish every cell and return the trainings in the plan's order; what is stored is not redone.

    Attacks wait until nothing is left to train, so that they disturb no clock; without timing, for their model alone.

    Args:
        executor: who does it; the one that the run's options ask for when left out.
    """
    trainings = trainings_of(setup, plan)
    trained: dict[str, TrainingRecord] = {}
    waiting: dict[str, Item] = {}
    for item in trainings:
        record = setup.store.training(item.key)
        if record is None:
            waiting[item.key] = item
        else:
            trained[item.key] = record
            waiting |= _attacks(setup, plan, record)
    if waiting:
        with executor or executor_for(setup, trainings) as working, reporter.progress() as add_task:
            reporter.say(working.describe())
            under_way: dict[str, Item] = {}
            bars: dict[str, Bar] = {}
            while waiting or under_way:
                for item in [each for each in waiting.values() if _is_ready(setup, each, waiting, under_way)]:
                    under_way[item.key] = waiting.pop(item.key)
                    working.submit(item)
                for event in working.events():
                    item = under_way[event.key]
                    if item.key not in bars:
                        bars[item.key] = add_task(f"{item.label}, {item.unit}", item.length)
                    if isinstance(event, Progress):
                        bars[item.key].advance(event.amount)
                        continue
                    bars.pop(item.key).end()
                    del under_way[item.key]
                    if isinstance(item, Training):
                        record = trained[item.key] = _stored(setup.store.training(item.key))
                        waiting |= _attacks(setup, plan, record)
                        reporter.say(f"{item.label}: {_training_line(record)}")
                    else:
                        reporter.say(f"{item.label} in {_stored(setup.store.attack(item.key)).seconds:.1f} s")
    return [trained[planned.key] for planned in plan.cells]


def _attacks(setup: Setup, plan: Plan, record: TrainingRecord) -> dict[str, Item]:
    terms = [planned.cell.terms for planned in plan.cells if planned.key == record.key]
    return {item.key: item for item in attacks_to_do(setup, terms, record)}


def _is_ready(setup: Setup, item: Item, waiting: Mapping[str, Item], under_way: Mapping[str, Item]) -> bool:
    """Whether what an item needs is stored, and, for an attack, no clock is left that it could disturb."""
    left = {**waiting, **under_way}
    if isinstance(item, Training) or setup.options.untimed:
        return item.needs not in left
    return not any(isinstance(each, Training) for each in left.values())


def _stored(record: Record | None) -> Record:
    assert record is not None
    return record


def _training_line(record: TrainingRecord) -> str:
    if record.status != "finished":
        return f"{record.status}: {record.error}"
    clean = 100 * record.clean_correct.count("1") / len(record.clean_correct)
    return f"trained in {record.seconds['gpu']:.1f} s ({record.clock} clock), Clean {clean:.1f} %"
