"""The records that a written table names as its sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.frame import AttackResult

Found = TypeVar("Found")


def trainings_of(store: Store, sources: Mapping[str, Any]) -> list[TrainingRecord]:
    """The trainings.

    Raises:
        KeyError: for one that is not there.
    """
    return [there(store.training(key), key) for key in sources["trainings"]]


def results_of(store: Store, sources: Mapping[str, Any]) -> list[AttackResult]:
    """The attacks with their outcomes.

    Raises:
        KeyError: for one that is not there.
    """
    return [AttackResult(there(store.planned_attack(key), key), store.outcomes(key)) for key in sources["attacks"]]


def there(record: Found | None, key: str) -> Found:
    """The record.

    Raises:
        KeyError: with its key, where it is not there.
    """
    if record is None:
        raise KeyError(key)
    return record
