"""Stop-word lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.attacks import stop_words
from benchmarks.attacks.stop_words import StopWords, nltk_stop_words, textfooler_stop_words


def test_textfoolers_list_is_read_without_importing_textattack() -> None:
    code = (
        "import sys; from benchmarks.attacks.stop_words import textfooler_stop_words as t;"
        "w = t(); assert {'the', 'about'} <= w.words and 'good' not in w.words; assert 'textattack' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(stop_words.__file__).parents[2])


def test_without_textattack_the_list_is_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_words, "find_spec", lambda name: None)
    found = textfooler_stop_words()
    assert found.origin == "scikit-learn's list" and "the" in found.words


def test_a_recipe_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no list of stop words"):
        stop_words._list_in("stopwords = None", tmp_path / "recipe.py")


def test_nltks_list_is_read_from_its_folder(tmp_path: Path) -> None:
    assert nltk_stop_words(tmp_path) is None
    path = tmp_path / "corpora" / "stopwords" / "english"
    path.parent.mkdir(parents=True)
    path.write_text("i\nme\n")
    assert nltk_stop_words(tmp_path) == StopWords(frozenset({"i", "me"}), "NLTK's list")


def test_identity_is_the_words_not_their_origin() -> None:
    assert StopWords(frozenset("ab"), "x").identity() == StopWords(frozenset("ba"), "y").identity()
    assert StopWords(frozenset("ab"), "x").identity() != StopWords(frozenset("abc"), "x").identity()
