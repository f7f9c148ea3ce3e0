"""What `verify` found in a folder of results, with every number of its tables derived anew from the outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.results.store import Store, canonical
from benchmarks.results.verify import Finding, verify
from reports.external import ExternalResult
from reports.frame import AttackResult
from reports.table1 import table1
from reports.tables import Column, Table

COLUMNS = (Column("Place", "place", False), Column("What is wrong", "what", False))
AUA = "_aua_percent"


def verified(folder: Path) -> Table:
    """A row per thing that is wrong; `incomplete` where there is one.

    Raises:
        ValueError: where the folder is no store.
    """
    store = Store(folder, writable=False)
    findings = verify(store)
    if not findings:  # tables of damaged records are not worth a word of their own
        findings = [finding for path in sorted(folder.glob("*.json")) for finding in _wrong_numbers(store, path)]
    counts = f"{len(store.keys('trainings'))} trainings and {len(store.keys('attacks'))} attacks were read"
    caption = (f"{counts}; {len(findings) or 'no'} complaint{'' if len(findings) == 1 else 's'}.",)
    rows = tuple((finding.place, finding.what) for finding in findings)
    return Table(f"Verification of {folder}", COLUMNS, rows, caption, incomplete=bool(findings))


def _wrong_numbers(store: Store, path: Path) -> Iterator[Finding]:
    """Numbers of a written table that the records it names do not give."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        yield Finding(path.name, f"it is no JSON: {error}")
        return
    if not isinstance(content, dict) or "sources" not in content:
        return
    try:
        derived = _derived(store, content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        yield Finding(path.name, f"it cannot be made again of the records it names: {error!r}")
        return
    yield from _unlike(path.name, content["rows"], derived)


def _derived(store: Store, content: dict[str, Any]) -> list[dict[str, Any]]:
    """The table's rows, from its records alone.

    Raises:
        KeyError: for a record that is not there.
    """
    trained, results = [], []
    for key in content["sources"]["trainings"]:
        trained.append(_there(store.training(key), key))
    for key in content["sources"]["attacks"]:
        results.append(AttackResult(_there(store.attack(key), key), store.outcomes(key)))
    externals = []
    for key in content["sources"].get("evaluations", ()):  # tables from before victims came from outside name none
        record = _there(store.evaluation(key), key)
        found = [AttackResult(each, store.outcomes(each.key)) for each in store.attacks() if each.training_key == key]
        externals.append(ExternalResult(record, {each.record.recipe: each for each in found}))
    recipes = [name.removesuffix(AUA) for name in content["rows"][0] if name.endswith(AUA)]
    return table1(trained, results, {key: key for key in recipes}, (), externals=externals).records()


def _there(record: Any, key: str) -> Any:
    if record is None:
        raise KeyError(key)
    return record


def _unlike(name: str, written: list[dict[str, Any]], derived: list[dict[str, Any]]) -> Iterator[Finding]:
    if len(written) != len(derived):
        yield Finding(name, f"it has {len(written)} rows, its records give {len(derived)}")
        return
    for number, (row, anew) in enumerate(zip(written, derived, strict=True), start=1):
        for column, value in anew.items():
            if canonical(row.get(column)) != canonical(value):
                yield Finding(name, f"row {number}, {column} is {row.get(column)!r}, its records give {value!r}")
