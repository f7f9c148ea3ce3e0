"""Results are published where they are finished and real; rows are kept, replaced or logged by one rule."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up_victims import WITH_WEIGHTS, Made

from benchmarks.results.store import Store
from reports import board as publishing
from reports.board import Again, merge, publish
from reports.board_files import logged, manifest, read_claims, read_rows

SMALL_STORE = Path(__file__).resolve().parents[1] / "data" / "small_store"
SIZES: dict[str, Any] = {"texts": 40, "clean": 30, "aua": 20} | WITH_WEIGHTS


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """A folder with finished runs of FreeLB, and of fine-tuning with these changes."""

    def make(name: str = "results", **changes: Any) -> Path:
        made = Made().add("freelb", **SIZES)
        return made.add("fine_tune", **(SIZES | {"aua": 5} | changes)).store(tmp_path / name, weights=True)

    return make


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return tmp_path / "board"


def log(board: Path) -> list[tuple[str, str]]:
    entries = [json.loads(line) for line in (board / "log.jsonl").read_text().splitlines()]
    return [(entry["row"].partition("-")[0], entry["what"]) for entry in entries]


def test_finished_methods_become_rows_with_what_they_rest_on(results, board: Path) -> None:
    folder = results()
    found = publish(folder, board, "somebody")
    assert (len(found.changes), found.unchanged, found.left_out) == (2, 0, ())
    plain, freelb = read_rows(board)
    assert (plain.title, freelb.title, freelb.by, freelb.badge) == ("Fine-tune", "FreeLB", "somebody", "reported")
    assert sorted(freelb.trainings) == [42, 43, 44] and freelb.trainings[42].machine == "x, 2 threads"
    assert (board / "manifest.sha256").read_text() == manifest([plain, freelb])
    assert sum(path.endswith("outcomes.jsonl") for path in freelb.files) == 3
    for path in freelb.files:
        assert (folder / path).is_file(), "the manifest's paths are those of the folder of results"
    assert log(board) == [("sst2/fine_tune", "new"), ("sst2/freelb", "new")]
    assert read_claims(board)["C3"]["verdict"] == "not measured" and len(read_claims(board)) == 14


def test_what_is_there_already_is_left_alone(results, board: Path) -> None:
    publish(results(), board, "somebody")
    before = {path: path.read_bytes() for path in board.rglob("*.json*")}
    found = publish(board.parent / "results", board, "somebody")
    assert (found.changes, found.unchanged) == ((), 2)
    assert {path: path.read_bytes() for path in board.rglob("*.json*")} == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seeds": (42, 43)}, "the training of seed 44 is unfinished"),
        ({"status": "diverged", "clean_correct": "", "weights_sha256": None, "recipes": ()}, None),
        ({"recipes": ()}, None),
        ({"weights_sha256": "1" * 64}, "'earlyrobust verify' says of trainings/"),
    ],
)
def test_an_unfinished_method_is_left_out_and_named_if_an_attack_on_it_was_meant(
    results, board: Path, changes, reason: str | None
) -> None:
    found = publish(results(**changes), board)
    assert [row.defense for row in read_rows(board)] == ["freelb"]
    assert [each.partition(": ")[2].startswith(reason) for each in found.left_out] == [True] * (reason is not None)


def test_an_attack_that_is_open_on_one_seed_leaves_its_method_out(results, board: Path) -> None:
    folder = results()
    store = Store(folder, writable=False)
    (record, *_) = [each for each in store.attacks() if each.defense == "fine_tune" and each.seed == 43]
    (folder / "attacks" / record.key / "record.json").unlink()
    found = publish(folder, board)
    assert found.left_out == ("SST-2, Fine-tune, seeds 42, 43, 44: Textfooler is unfinished on seed 43",)


def test_a_number_of_runs_can_be_asked_for(results, board: Path) -> None:
    folder = results(seeds=(42, 43))
    assert publish(folder, board, runs=2).left_out == ()
    found = publish(folder, board, runs=3)
    assert found.left_out == ("SST-2, Fine-tune, seeds 42, 43: the training of seed 44 is unfinished",)
    with pytest.raises(ValueError, match=r"can be published: .*the training of seed 45, 46 is unfinished"):
        publish(folder, board, runs=5)


def test_a_folder_without_a_finished_attack_has_nothing_to_publish(board: Path, tmp_path: Path) -> None:
    folder = Made().add("freelb", **(SIZES | {"recipes": ()})).store(tmp_path / "results", weights=True)
    with pytest.raises(ValueError, match="can be published: it holds no training with a finished attack"):
        publish(folder, board)


def test_generated_texts_are_no_results(results, board: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds runs on generated texts alone, which are no results"):
        publish(_with_tables_only(tmp_path), board)
    assert not board.exists()
    folder = results()
    Made().add("pgd", task="demo", **SIZES).store(folder, weights=True)
    assert publish(folder, board).left_out == ("Demo: generated texts are no results",)


def _with_tables_only(tmp_path: Path) -> Path:
    """The small committed run; its weights are not committed, which `verify` says of each training."""
    return Path(shutil.copytree(SMALL_STORE, tmp_path / "small_store"))


def test_a_changed_table_is_refused(board: Path, tmp_path: Path) -> None:
    folder = _with_tables_only(tmp_path)
    path = folder / "table1.md"
    path.write_text(path.read_text("utf-8").replace("1", "2", 1), "utf-8")
    with pytest.raises(ValueError, match=r"does not pass 'earlyrobust verify': table1\.md"):
        publish(folder, board)


def test_more_runs_replace_a_row_and_fewer_are_logged(results, board: Path) -> None:
    few, many = results("few", seeds=(42, 43)), results("many")
    publish(few, board, runs=2)
    assert [change.partition(":")[0] for change in publish(many, board).changes] == ["SST-2, Fine-tune"]
    rows = read_rows(board)
    assert len(rows[0].trainings) == 3 and (board / "manifest.sha256").read_text() == manifest(rows)
    publish(few, board, runs=2)
    publish(results("other", seeds=(42,), aua=9), board, runs=1)
    assert len(read_rows(board)[0].trainings) == 3
    assert [what for row, what in log(board) if row == "sst2/fine_tune"] == ["new", "replaced", "logged"]
    assert len(logged(board)) == 4


def test_a_link_can_be_given_later(results, board: Path) -> None:
    publish(results(), board, "first")
    assert publish(board.parent / "results", board, "first", link="https://example.org/r.tar.gz").unchanged == 0
    assert {row.link for row in read_rows(board)} == {"https://example.org/r.tar.gz"}
    assert publish(board.parent / "results", board, "first").unchanged == 2


def test_badges_are_given_by_others(results, board: Path) -> None:
    folder = results()
    publish(folder, board, "first")
    publish(folder, board, "first")
    assert {row.badge for row in read_rows(board)} == {"reported"}
    publish(folder, board, "second")
    assert {row.badge for row in read_rows(board)} == {"derived again"}
    assert {row.by for row in read_rows(board)} == {"first"}
    old = read_rows(board)[0]
    publish(results("later", started_at="2026-02-02T00:00:00+00:00"), board, "third")
    trained = read_rows(board)[0]
    assert (trained.badge, trained.by) == ("trained again", "third")
    marked, what = merge(old, trained, True, set())
    assert (marked.badge, what) == ("trained again", "replaced")
    publish(results("unlike", started_at="2026-03-03T00:00:00+00:00", aua=39), board, "fourth")
    assert read_rows(board)[0].badge == "reported", "another measurement, which nobody repeated"


def test_texts_attacked_again_must_give_the_same_verdicts(results, board: Path, monkeypatch) -> None:
    flipped: list[str] = []

    def attacked(store: Store, record, ids, resources):
        outcomes = [outcome for outcome in store.outcomes(record.key) if outcome.example_id in ids]
        return [_flip(outcome) if record.defense in flipped else outcome for outcome in outcomes]

    def _flip(outcome):
        status = "successful" if outcome.status == "failed" else "failed"
        return type(outcome)(**(vars(outcome) | {"status": status}))

    monkeypatch.setattr(publishing, "attack_again", attacked)
    monkeypatch.setattr(Again, "resources", lambda self, identity: None)
    folder = results()
    publish(folder, board, "first", again=Again(50))
    assert {row.badge for row in read_rows(board)} == {"reported"}, "who measured it gives no badge"
    flipped.append("fine_tune")
    found = publish(folder, board, "second", again=Again(50))
    assert [row.badge for row in read_rows(board)] == ["reported", "attacked again"]
    assert "50 of 50 texts attacked again gave another verdict: test-" in found.left_out[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"runs": 0}, "--runs must be 1 or more, got 0"),
        ({"by": " "}, "--by must be a name"),
        ({"link": "file:///etc"}, "--link must be an address that begins with https://"),
        ({"again": Again(0)}, "--attack-again must be 1 or more, got 0"),
    ],
)
def test_a_mistake_is_named_before_anything_is_written(results, board: Path, changes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        publish(results(), board, **changes)
    assert not board.exists()
