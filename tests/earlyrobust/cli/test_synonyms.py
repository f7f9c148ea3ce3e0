"""The list of synonyms is built, shown and taken by an attack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import command, small_texts
from tiny_wordnet import write_tiny_wordnet

from benchmarks.attacks.packed_synonyms import packaged_synonyms, read_packed


def test_a_list_is_built_from_what_prepare_fetched_and_shown(served_assets, tmp_path: Path, capsys) -> None:
    folder = served_assets.folder
    assert command("prepare", "--assets", str(folder), "--only", "wordnet", capsys=capsys)[0] == 0
    out = tmp_path / "list.xz"
    code, output, errors = command(
        "build-synonyms", "--wordnet", str(folder / "wordnet"), "--out", str(out), capsys=capsys
    )
    assert code == 0, errors
    assert f"{out}: " in output and "pairs of neighbours" in output
    assert read_packed(out).neighbours("films", 5) == ["movies"]
    listed = tmp_path / "l.json"
    shown = ["show", "synonyms", "films", "--synonyms", str(out), "--wordnet", str(folder / "wordnet")]
    assert command(*shown, "--json", str(listed), capsys=capsys)[0] == 0
    (row,) = json.loads(listed.read_text())["rows"]
    assert (row["word"], row["neighbour"], row["shared_sense"]) == ("films", "movies", "noun 1")
    assert row["meaning"] == "the meaning of film" and 0.5 <= float(row["cosine"]) <= 1


def test_the_packaged_list_is_shown_with_cosines_and_senses(capsys) -> None:
    code, output, _ = command("show", "synonyms", "Good", "slow", "performance", capsys=capsys)
    assert code == 0
    assert "excellent" in output and "sluggish" in output and "noun" in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "synonyms"], "one or more, as in 'earlyrobust show synonyms good slow'"),
        (["show", "synonyms", "zxqv"], "single English words that the list holds, got 'zxqv'"),
        (["show", "textfooler", "good"], "a word goes with 'show synonyms'"),
        (["show", "pgd", "--wordnet", "x"], "--wordnet goes with 'show synonyms'"),
        (["show", "synonyms", "good", "--synonyms", "none.json"], "cannot be read"),
        (["build-synonyms", "--wordnet", "none", "--out", "x"], "lacks data.noun"),
    ],
)
def test_what_cannot_be_shown_or_built_is_refused(arguments: list[str], sentence: str, capsys) -> None:
    code, _, errors = command(*arguments, capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert sentence in errors


def test_a_list_is_not_built_from_other_files(tmp_path: Path, capsys) -> None:
    folder = write_tiny_wordnet(tmp_path / "wordnet")
    (folder / "data.verb").write_text("nothing\n")
    code, _, errors = command("build-synonyms", "--wordnet", str(folder), "--out", str(tmp_path / "x"), capsys=capsys)
    assert code == 2 and "do not have the format of WordNet's" in errors and not (tmp_path / "x").exists()


def test_the_page_is_written_from_attacks_that_are_not_redone(tiny_backbone, tmp_path: Path, capsys) -> None:
    listed, page = tmp_path / "real.json", tmp_path / "synonyms.md"
    listed.write_text(json.dumps({word: ["fine", "great", "film"] for word in packaged_synonyms().table.words[::2000]}))
    arguments = [
        *("synonym-quality", str(page), "--wordnet", str(write_tiny_wordnet(tmp_path / "wordnet"))),
        *("--listed", str(listed), "--pairs", "5", *small_texts(tiny_backbone, tmp_path / "results")),
    ]
    code, output, errors = command(*arguments, capsys=capsys)
    assert code == 0, errors
    assert "training the victim" in output and "attack with packaged 8" in output
    written = page.read_text("utf-8")
    assert "## Under attack" in written and "(a) MiniLM's input word vectors" in written
    assert "## 5 pairs drawn at random" in written and "NLTK's tagger\n\n" not in written
    again, output, _ = command(*arguments, capsys=capsys)
    assert again == 0 and "training the victim" not in output and page.read_text("utf-8") == written
