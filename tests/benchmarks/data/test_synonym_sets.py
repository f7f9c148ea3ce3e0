"""Sets of tokens that stand for each other: components of a list, and large ones divided."""

from __future__ import annotations

import itertools

import pytest

from baselines.needs import SynonymSets as Need
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.data.synonym_sets import find_synonym_sets, identity
from benchmarks.victims.backbones import find_backbone

# A chain of words, each near the next, and a pair apart; "filmography" is no token by itself.
CHAIN = ("good", "great", "fine", "nice", "lovely")
NEAR = {one: [other] for one, other in itertools.pairwise(CHAIN)} | {"movie": ["film", "filmographies"]}


@pytest.fixture(scope="module")
def tokenizer():
    return find_backbone("minilm").load_tokenizer()


def sets(tokenizer, need: Need, source=None):
    found = find_synonym_sets(tokenizer, source or NeighbourList(NEAR, "a test"), need)
    known = tokenizer.get_vocab()

    def of(word: str, table: str = "sets") -> set[str]:
        row = int(found.rows[known[word]])
        return set(tokenizer.convert_ids_to_tokens(getattr(found, table)[row].tolist())) if row >= 0 else {word}

    overlaps = {word: float(found.overlaps[found.rows[known[word]]]) for word in CHAIN}
    return of, overlaps, found


def test_a_small_component_is_the_set_of_all_its_words(tokenizer) -> None:
    of, overlaps, found = sets(tokenizer, Need(largest=5))
    assert all(of(word) == of(word, "covered") == set(CHAIN) for word in CHAIN)
    assert of("movie") == {"movie", "film"} and of("the") == {"the"}
    assert set(overlaps.values()) == {1.0} and found.sizes.tolist().count(5) == 5


def test_a_large_component_is_divided_and_its_sets_overlap_in_part(tokenizer) -> None:
    of, overlaps, _ = sets(tokenizer, Need(largest=3))
    assert of("good") == {"good", "great", "fine"} and of("fine") == {"fine", "great", "nice"}
    assert of("fine", "covered") == {"fine", "great", "nice"}, "what an attack may take are direct synonyms"
    # The sets of "great" and "nice", the synonyms of "fine", are {great, good, fine} and {nice, fine, lovely}.
    assert overlaps["fine"] == pytest.approx(2 / 3)
    assert of("movie") == {"movie", "film"}


def test_words_below_the_cosine_are_no_synonyms(tokenizer) -> None:
    source = NeighbourList({"good": ["great", "fine"]}, "a test", {"good": [0.9, 0.7]})
    known = tokenizer.get_vocab()
    found = find_synonym_sets(tokenizer, source, Need(least_cosine=0.8))
    assert found.rows[known["great"]] >= 0 > found.rows[known["fine"]]


def test_a_list_without_neighbours_gives_no_sets(tokenizer) -> None:
    found = find_synonym_sets(tokenizer, NeighbourList({}, "a test"), Need())
    assert (found.rows == -1).all() and len(found.sets) == 0
    assert identity({"kind": "x"}) == {"synonyms": {"kind": "x"}, "neighbours": 50}
