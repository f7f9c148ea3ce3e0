"""Parts of speech from the dictionary and from NLTK."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.attacks.packed_synonyms import packaged_synonyms
from benchmarks.attacks.part_of_speech import OPEN_CLASSES, DictionaryTagger, PerceptronTagger, may_replace

nltk = pytest.importorskip("nltk")

NOUN, VERB, ADJ = frozenset({"NOUN"}), frozenset({"VERB"}), frozenset({"ADJ"})


def test_nouns_and_verbs_count_as_one() -> None:
    assert may_replace(NOUN, NOUN) and may_replace(NOUN, VERB) and may_replace(VERB, NOUN)
    assert not may_replace(NOUN, ADJ) and not may_replace(ADJ, VERB)
    assert may_replace(NOUN | ADJ, ADJ)


def test_the_dictionary_knows_every_class_of_a_word() -> None:
    quickly, run = DictionaryTagger().tags_of([], ["quickly", "run"], [])
    assert quickly == {"ADV"} and {"NOUN", "VERB"} <= run
    assert DictionaryTagger().tags_of(["x"], ["Run"], ["y"]) == [run]


def test_wordnet_says_what_the_words_of_the_packaged_list_may_be() -> None:
    film, went, the = DictionaryTagger().tags_of([], ["film", "Went", "the"], [])
    assert film == packaged_synonyms().parts_of_speech["film"] and went == {"VERB"}
    assert "the" not in packaged_synonyms().parts_of_speech and the  # lemminflect's, or any
    assert DictionaryTagger().identity()["wordnet"] == packaged_synonyms().identity()["sha256"]


def test_an_unknown_word_may_be_anything() -> None:
    assert DictionaryTagger().tags_of([], ["zxqv"], []) == [OPEN_CLASSES]


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
        assert tagger.tags_of(words[:place], [word], words[place + 1 :]) == [{expected[word]}]
    assert len(tagger.identity()["sha256"]) == 64


def test_many_words_in_many_contexts_get_nltks_tags(shared_resources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared_resources / "nltk_data"
    monkeypatch.setattr(nltk.data, "path", [str(folder)])
    tagger = PerceptronTagger(folder)
    vocabulary = (
        *("the", "a", "film", "run", "runs", "running", "good", "well-made", "1999", "3rd", "42", "I", "n't", "Mr."),
        *("U.S.", "that", "because", "her", "saw", "-", "-x", "play", "plays", "played", "beautifully", "NASA"),
        *("o'clock", "\uff4dovie", "ca\u00f1on", "very", "no", ",", "."),
    )
    draw = random.Random(0)
    for _ in range(300):
        before, after = (draw.choices(vocabulary, k=draw.randint(0, most)) for most in (4, 3))
        words = draw.sample(vocabulary, 4)
        expected = []
        for word in words:
            tagged = nltk.pos_tag([*before, word, *after], tagset="universal", lang="eng")
            expected.append({next(tag for token, tag in tagged if token == word)})
        assert tagger.tags_of(before, words, after) == expected
