"""Parts of speech from the dictionary and from NLTK."""

from __future__ import annotations

from pathlib import Path

import nltk
import pytest

from benchmarks.attacks.part_of_speech import OPEN_CLASSES, DictionaryTagger, PerceptronTagger, may_replace

NOUN, VERB, ADJ = frozenset({"NOUN"}), frozenset({"VERB"}), frozenset({"ADJ"})


def test_nouns_and_verbs_count_as_one() -> None:
    assert may_replace(NOUN, NOUN) and may_replace(NOUN, VERB) and may_replace(VERB, NOUN)
    assert not may_replace(NOUN, ADJ) and not may_replace(ADJ, VERB)
    assert may_replace(NOUN | ADJ, ADJ)


def test_the_dictionary_knows_every_class_of_a_word() -> None:
    tagger = DictionaryTagger()
    assert tagger.tags([], "quickly", []) == {"ADV"}
    assert {"NOUN", "VERB"} <= tagger.tags([], "run", [])
    assert tagger.tags(["x"], "Run", ["y"]) == tagger.tags([], "run", [])


def test_an_unknown_word_may_be_anything() -> None:
    assert DictionaryTagger().tags([], "zxqv", []) == OPEN_CLASSES


def test_an_empty_folder_holds_no_tagger(tmp_path: Path) -> None:
    assert not PerceptronTagger.is_in(tmp_path)


def test_the_perceptron_agrees_with_nltk(shared_resources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared_resources / "nltk_data"
    assert PerceptronTagger.is_in(folder)
    monkeypatch.setattr(nltk.data, "path", [str(folder)])
    tagger = PerceptronTagger(folder)
    words = ["The", "good", "film", "runs", ",", "but", "she", "can", "run", "a", "good", "race", "quickly"]
    expected = dict(reversed(nltk.pos_tag(words, tagset="universal", lang="eng")))  # first occurrences win
    for place, word in enumerate(words):
        assert tagger.tags(words[:place], word, words[place + 1 :]) == {expected[word]}
    assert len(tagger.identity()["sha256"]) == 64
