"""Neighbours from groups, files and vectors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from baselines.validation import UserError
from benchmarks.attacks.synonyms import NeighbourList, WordVectors
from benchmarks.data.demo_corpus import synonym_groups


def test_words_of_a_group_are_neighbours_of_each_other_in_order() -> None:
    words = NeighbourList.from_groups([("a", "b", "c"), ("c", "d", "a")])
    assert words.neighbours("b", 9) == ["a", "c"]
    assert words.neighbours("a", 9) == ["b", "c", "d"]
    assert words.neighbours("a", 1) == ["b"]
    assert words.neighbours("z", 9) == []
    assert words.similarities("a", ["b"])[0] is None


def test_the_demo_corpus_groups_are_symmetric() -> None:
    words = NeighbourList.from_groups(synonym_groups())
    for group in synonym_groups():
        for word in group:
            assert set(group) - {word} <= set(words.neighbours(word, 50))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_list_is_read_from_json_packed_or_not(tmp_path: Path, pack) -> None:
    path = tmp_path / "list.json.gz"
    path.write_bytes(pack(json.dumps({"good": ["great", "fine"]}).encode()))
    words = NeighbourList.from_file(path)
    assert words.neighbours("good", 1) == ["great"]
    assert "without cosines" in words.describe()


def test_a_list_may_carry_cosines(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text('{"good": [["great", 0.8], ["fine", 0.4]], "bad": []}')
    words = NeighbourList.from_file(path)
    assert words.neighbours("good", 9) == ["great", "fine"] and words.words() == ["good"]
    assert words.similarities("good", ["fine", "bad"]) == [0.4, None]
    assert words.similarities("bad", ["good"]) == [None]
    assert "with cosines" in words.describe()
    path.write_text('{"good": ["great", "fine"], "bad": []}')
    assert NeighbourList.from_file(path).identity() != words.identity()


@pytest.mark.parametrize("row", ['["great", ["fine", 0.4]]', '[["great", 1.5]]', '[["great", true]]', '[["great"]]'])
def test_cosines_of_another_layout_are_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(f'{{"good": {row}}}')
    with pytest.raises(ValueError, match="lists of words, or of words to lists"):
        NeighbourList.from_file(path)


NO_LISTS = [b"[1]", b'{"a": "b"}', b'{"a": [1]}', b"no json", b"\x1f\x8bbroken", b'{"a": [], "a": []}']


@pytest.mark.parametrize("content", NO_LISTS)
def test_another_layout_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="neighbour list"):
        NeighbourList.from_file(path)


@pytest.mark.parametrize("neighbour", ["...", "\U0001f600", "", "--", "_"])
def test_a_neighbour_that_is_no_word_is_refused_by_name(tmp_path: Path, neighbour: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"fine": ["well-made"], "good": ["great", neighbour]}))
    with pytest.raises(UserError) as refusal:
        NeighbourList.from_file(path)
    assert f"gives 'good' the neighbour {neighbour!r}, which holds no word" in str(refusal.value)


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        NeighbourList.from_file(tmp_path / "none.json")


def test_identity_follows_the_content() -> None:
    lists = [NeighbourList({"a": ["b"]}, "x"), NeighbourList({"a": ["b"]}, "y"), NeighbourList({"a": ["c"]}, "x")]
    first, same, other = (words.identity() for words in lists)
    assert first == same != other


def test_vectors_rank_by_cosine_after_centring() -> None:
    offset = np.array([50.0, -20.0])
    vectors = np.array([[1.0, 0.1], [1.0, 0.2], [-1.0, 0.0], [-1.0, -0.3]]) + offset
    words = WordVectors(["a", "b", "c", "d"], vectors, "a test")
    assert words.neighbours("a", 9) == ["b"]
    assert words.neighbours("c", 9) == ["d"]
    centred = vectors - vectors.mean(axis=0)
    cosine = centred[0] @ centred[1] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[1])
    assert words.similarities("a", ["b"])[0] == pytest.approx(
        cosine, abs=1e-5
    )  # single precision after an offset of 50
    assert words.similarities("a", ["z"])[0] is None and words.neighbours("z", 9) == []


def test_neighbours_lie_above_the_floor_and_never_hold_the_word() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    names = [f"w{index}" for index in range(40)]
    words = WordVectors(names, vectors, "a test", floor=0.3)
    for name in names:
        found = words.neighbours(name, 50)
        cosines = words.similarities(name, found)
        assert name not in found
        # A matrix product and a dot product round apart in the last bits.
        assert all(cosine >= 0.3 - 1e-6 for cosine in cosines)
        assert np.all(np.diff(cosines) <= 1e-6)


def test_a_backbones_words_are_whole_and_in_letters(tiny_backbone) -> None:
    words = WordVectors.of_backbone(tiny_backbone)
    assert words.similarities("good", ["good"])[0] == pytest.approx(1, abs=1e-6)  # rounding of the norm
    assert words.similarities("good", ["##a"])[0] is None
    assert words.similarities("good", ["[CLS]"])[0] is None
    assert words.similarities("good", ["a"])[0] is None
