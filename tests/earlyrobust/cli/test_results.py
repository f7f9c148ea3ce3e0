"""Folders of results are reported on, compared and verified."""

from __future__ import annotations

import json

import pytest
from command import command, small
from made_up_victims import WITH_WEIGHTS, Made

from benchmarks.results.store import Store


def test_a_report_is_made_of_what_a_run_stored(tiny_backbone, tmp_path, capsys) -> None:
    assert command("run", *small(tiny_backbone, tmp_path), "--defense", "fine_tune", capsys=capsys)[0] == 0
    code, output, errors = command("report", "--out", str(tmp_path), "--examples", "1", capsys=capsys)
    assert code == 0, errors
    for name in ("attacks.md", "attacks.csv", "attacks.json", "index.html"):
        assert (tmp_path / name).is_file()
        assert name in output
    stored = {record.recipe_title for record in Store(tmp_path).attacks()}
    assert {row["attack"] for row in json.loads((tmp_path / "attacks.json").read_text())["rows"]} == stored
    assert "Demo: not judged on generated data." in output and "supported" not in output
    for name in ("claims", "claims_parts", "paper_numbers"):
        for suffix in ("html", "md", "csv", "json", "tex"):
            assert (tmp_path / f"{name}.{suffix}").is_file()
    assert len(json.loads((tmp_path / "claims.json").read_text())["rows"]) == 14


def test_a_report_on_nothing_ends_with_one_sentence_and_code_2(tmp_path, capsys) -> None:
    cases = ((tmp_path / "none", "there is no folder"), (tmp_path, "holds no finished training or attack"))
    for folder, sentence in cases:
        code, _, errors = command("report", "--out", str(folder), capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1) and sentence in errors
    code, _, errors = command("report", "--paper-numbers", str(tmp_path), capsys=capsys)
    assert code == 2 and "holds no CSV file of published numbers" in errors
    code, _, errors = command("report", "--examples", "-1", capsys=capsys)
    assert code == 2 and "--examples must be 0 or more, got -1" in errors
    assert not list(tmp_path.iterdir())


def test_a_folder_is_compared_with_itself_and_with_another(tmp_path, capsys) -> None:
    same, better = Made().add("freelb", texts=60, clean=50, aua=20), Made().add("freelb", texts=60, clean=50, aua=40)
    first, second = same.store(tmp_path / "a"), better.store(tmp_path / "b")
    written = tmp_path / "c.json"
    code, output, errors = command("compare", str(first), str(first), "--json", str(written), capsys=capsys)
    assert code == 0 and "0 differences outside their intervals" in output, errors
    code, output, _ = command("compare", str(first), str(second), "--json", str(written), capsys=capsys)
    assert code == 1 and "1 differences outside their intervals" in output
    (row,) = [row for row in json.loads(written.read_text())["rows"] if row["outside_interval"] == "yes"]
    assert (row["quantity"], row["difference"]) == ("Textfooler Aua %", pytest.approx(100 / 3))


def test_a_comparison_with_nothing_ends_with_one_sentence_and_code_2(tmp_path, capsys) -> None:
    first = Made().add("freelb", texts=4, clean=2, aua=2).store(tmp_path / "a")
    other = Made().add("pgd", texts=4, clean=2, aua=2).store(tmp_path / "b")
    for folder, sentence in ((other, "share no task"), (tmp_path / "none", "there is no folder")):
        code, _, errors = command("compare", str(first), str(folder), capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1) and sentence in errors


def test_verify_tells_a_sound_folder_from_a_damaged_one(tiny_backbone, tmp_path, capsys) -> None:
    assert command("run", *small(tiny_backbone, tmp_path), "--defense", "fine_tune", capsys=capsys)[0] == 0
    code, output, errors = command("verify", str(tmp_path), capsys=capsys)
    assert (code, errors) == (0, "") and "1 trainings and 3 attacks were read; no complaints." in output
    (path, *_) = sorted(tmp_path.glob("attacks/*/outcomes.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"label":', b'"lavel":', 1))
    code, output, _ = command("verify", str(tmp_path), "--json", str(tmp_path / "found.json"), capsys=capsys)
    assert code == 1 and "1 complaint." in output
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert row["place"] == f"attacks/{path.parent.name}" and "line 1 is damaged" in row["what"]
    code, _, errors = command("report", "--out", str(tmp_path), capsys=capsys)
    assert code == 1 and "the command that made it moves it away and redoes it" in errors
    code, output, _ = command("run", *small(tiny_backbone, tmp_path), "--defense", "fine_tune", capsys=capsys)
    assert code == 0 and list(tmp_path.glob("quarantine/attacks-*-1/outcomes.jsonl"))
    assert command("verify", str(tmp_path), capsys=capsys)[0] == 0


def test_verify_refuses_a_folder_without_results(tmp_path, capsys) -> None:
    code, _, errors = command("verify", str(tmp_path), capsys=capsys)
    assert code == 2 and "holds no results" in errors


def test_results_are_published_and_shown_in_the_documents_beside_the_board(tmp_path, capsys) -> None:
    made = Made().add("freelb", texts=40, clean=30, aua=20, **WITH_WEIGHTS)
    made.add("pgd", texts=40, clean=30, aua=10, seeds=(42,), **WITH_WEIGHTS)
    results, board = made.store(tmp_path / "results", weights=True), tmp_path / "board"
    (tmp_path / "README.md").write_text("<!-- earlyrobust board -->\n<!-- end of board -->\n")
    arguments = ["publish", str(results), "--to", str(board), "--by", "somebody"]
    code, output, errors = command(*arguments, capsys=capsys)
    assert code == 3, errors
    assert "left out: SST-2, PGD, seeds 42: the training of seed 43, 44 is unfinished" in output
    assert "SST-2, FreeLB: new (sst2/freelb-" in output and str(tmp_path / "README.md") in output
    assert "FreeLB" in (tmp_path / "README.md").read_text("utf-8")
    code, output, errors = command(*arguments, "--runs", "1", capsys=capsys)
    assert code == 0 and "rows that were there already: 1" in output, errors
    assert command("compare", str(board), str(results), capsys=capsys)[0] == 0
    assert command("verify", str(results), capsys=capsys)[0] == 0, "publishing leaves the folder as it is"


def test_publishing_nothing_ends_with_one_sentence_and_code_2(tmp_path, capsys) -> None:
    for folder, sentence in ((tmp_path / "none", "holds no results"), (tmp_path, "holds no results")):
        code, _, errors = command("publish", str(folder), "--to", str(tmp_path / "board"), capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1) and sentence in errors
    assert not list(tmp_path.iterdir())
