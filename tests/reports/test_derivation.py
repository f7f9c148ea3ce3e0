"""Tables made again from the records of a small committed run, byte for byte; what was edited in them is found.

`pytest tests/reports/test_derivation.py --renew-tables` writes them again, to be read before they are committed.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results.seals import seal
from benchmarks.results.store import Store
from reports.compare import compare
from reports.derivation import derive, parse
from reports.verified import verified

DATA = Path(__file__).resolve().parents[1] / "data"
STORE = DATA / "small_store"
NAMES = [path.stem for path in sorted(STORE.glob("*.json"))]
SUFFIXES = ("md", "csv", "tex", "json")
KINDS = {"methods", "variants", "curves", "distances", "layers", "settings", "attacks", "claims", "claims_parts"}


def content_of(name: str, folder: Path = STORE) -> dict[str, Any]:
    content = parse((folder / f"{name}.json").read_text("utf-8"))
    assert content is not None
    return content


@pytest.fixture
def expect(request: pytest.FixtureRequest):
    """Hold files to what they should be, or with --renew-tables makes them so."""

    def check(folder: Path, name: str, renderings: dict[str, str]) -> None:
        for suffix in SUFFIXES:
            path = folder / f"{name}.{suffix}"
            if request.config.getoption("--renew-tables"):
                path.write_bytes(renderings[suffix].encode())
                if folder == STORE:
                    seal(folder, [path])
            assert path.read_bytes() == renderings[suffix].encode(), f"{path.name} is not what its records give"

    return check


def test_every_kind_of_table_is_there() -> None:
    assert {content_of(name)["sources"]["kind"] for name in NAMES} == KINDS | {"paper_numbers"}


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_made_again_byte_for_byte(name: str, expect) -> None:
    expect(STORE, name, derive(Store(STORE, writable=False), content_of(name)))


def test_two_folders_compare_byte_for_byte(tmp_path: Path, monkeypatch, expect) -> None:
    """The store's first runs beside its second ones."""
    store = Store(STORE, writable=False)
    for kind, records in (("trainings", store.trainings()), ("attacks", store.attacks())):
        for record in records:
            folder = tmp_path / f"seed-{record.seed}" / kind / record.key
            shutil.copytree(STORE / kind / record.key, folder)
    monkeypatch.chdir(tmp_path)
    expect(DATA, "compare", compare(Path("seed-42"), Path("seed-43")).table.renderings())


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The store and its tables, to be edited."""
    return Path(shutil.copytree(STORE, tmp_path / "store"))


def complaints(folder: Path) -> dict[str, list[str]]:
    """What `verify` says of tables, by file; the store's weights are not committed, and missed."""
    found: dict[str, list[str]] = {}
    for place, what in verified(folder).rows:
        if not str(place).startswith("trainings/"):
            found.setdefault(str(place), []).append(str(what))
    return found


def test_an_edited_number_is_named_in_every_table_and_none_in_a_sound_one(copied: Path) -> None:
    assert complaints(copied) == {}
    expected = {}
    for name in NAMES:
        content = content_of(name, copied)
        numbers = [(row, key) for row in content["rows"] for key, value in row.items() if isinstance(value, float)]
        if numbers:
            row, key = numbers[0]
            row[key] += 1
            expected[f"{name}.json"] = f", {key} is {row[key]!r}, its records give"
        else:
            content["rows"].insert(0, {"task": "made up"})
            expected[f"{name}.json"] = f"it has {len(content['rows'])} rows, its records give"
        (copied / f"{name}.json").write_text(json.dumps(content), "utf-8")
    seal(copied, [copied / name for name in expected])
    found = complaints(copied)
    assert found.keys() == expected.keys()
    assert all(expected[name] in " ".join(found[name]) for name in expected)


def test_an_edited_number_beside_the_rows_is_named(copied: Path) -> None:
    content = content_of("attacks", copied)
    content["budget_curves"][0]["aua_percent"][0] = 12.5
    content["agreement"][0]["rows"][0][next(key for key in content["agreement"][0]["rows"][0] if "percent" in key)] = 1
    (copied / "attacks.json").write_text(json.dumps(content), "utf-8")
    _, first, second = complaints(copied)["attacks.json"]
    assert first.startswith("budget curve 1, aua_percent is") and second.startswith("agreement 1, row 1, ")


@pytest.mark.parametrize("suffix", ["md", "csv", "tex"])
def test_an_edited_number_is_named_in_every_file_of_a_table(copied: Path, suffix: str) -> None:
    path = copied / f"table1.{suffix}"
    with (copied / "table1.csv").open(newline="") as lines:
        clean = f"{float(next(csv.DictReader(lines))['clean_percent']):.1f}"
    text = path.read_text("utf-8")
    assert clean in text
    path.write_text(text.replace(clean, "99.9", 1), "utf-8")
    found = complaints(copied)
    assert set(found) == {path.name}
    by_hash, what = found[path.name]
    assert "was changed" in by_hash and "99.9" in what and "its records give" in what


def test_sources_that_name_no_table_are_refused() -> None:
    store = Store(STORE, writable=False)
    with pytest.raises(KeyError, match="soup"):
        derive(store, {"sources": {"kind": "soup"}, "rows": [], "title": "", "caption": []})
    with pytest.raises(KeyError, match="nothing"):
        absent = {"kind": "methods", "recipes": {}, "trainings": ["nothing"], "attacks": []}
        derive(store, {"sources": absent, "rows": [], "title": "", "caption": []})
    assert parse("[1]") is None and parse('{"rows": []}') is None
