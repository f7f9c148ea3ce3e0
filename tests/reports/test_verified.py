"""Tables held to the outcomes they were made of."""

from __future__ import annotations

import json

import pytest
from made_up import attack, outcome, training

from benchmarks.results.seals import seal
from benchmarks.results.store import Store, content_key
from reports.frame import AttackResult
from reports.table1 import table1
from reports.tables import write_table
from reports.verified import verified


@pytest.fixture
def store(tmp_path) -> Store:
    """A diverged training, an attack in its name, and their table."""
    store = Store(tmp_path)
    trained = training(status="diverged", weights_sha256=None, clean_correct="")
    store.put_training(trained)
    record = attack(trained, identity={"model": "x"}, key=content_key({"model": "x"}))
    for number, status in enumerate(("failed", "successful", "failed", "successful")):
        store.append_outcome(record.key, outcome(number, status))
    store.put_attack(record)
    results = [AttackResult(record, store.outcomes(record.key))]
    write_table(table1([trained], results, {"textfooler": "TextFooler"}, ()), tmp_path, "table1")
    return store


def test_a_sound_folder_passes(store) -> None:
    table = verified(store.root)
    assert not table.incomplete and not table.rows
    assert table.caption == ("1 trainings and 1 attacks were read; no complaints.",)


def edit(store: Store, resealed: bool) -> None:
    path = store.root / "table1.json"
    content = json.loads(path.read_text())
    assert content["rows"][0]["textfooler_aua_percent"] == 50.0
    content["rows"][0]["textfooler_aua_percent"] = 60.0
    path.write_text(json.dumps(content))
    if resealed:
        seal(store.root, [path])


def test_an_edited_percentage_is_found_by_its_hash(store) -> None:
    edit(store, resealed=False)
    (by_hash, by_number) = verified(store.root).rows
    assert by_hash[0] == "table1.json" and "was changed after it was written" in by_hash[1]
    assert by_number == ("table1.json", "row 1, textfooler_aua_percent is 60.0, its records give 50.0")


def test_and_by_the_outcomes_where_the_hash_was_edited_too(store) -> None:
    edit(store, resealed=True)
    ((place, what),) = verified(store.root).rows
    assert place == "table1.json"
    assert what == "row 1, textfooler_aua_percent is 60.0, its records give 50.0"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "it is no JSON"),
        ('{"sources": 3, "rows": []}', "cannot be made again"),
        ('{"sources": {"trainings": ["x"], "attacks": []}, "rows": []}', "cannot be made again"),
        (
            '{"sources": {"trainings": [], "attacks": []}, "title": "", "caption": [], "rows": [{"task": "x"}]}',
            "it has 1 rows, its records give 0",
        ),
        ('{"sources": {"kind": "soup"}, "title": "", "caption": [], "rows": []}', "cannot be made again"),
    ],
)
def test_a_table_without_its_records_is_named(store, content: str, complaint: str) -> None:
    (store.root / "other.json").write_text(content)
    ((place, what),) = verified(store.root).rows
    assert place == "other.json" and complaint in what


def test_other_json_is_no_table(store) -> None:
    (store.root / "other.json").write_text("[1, 2]")
    assert not verified(store.root).incomplete
