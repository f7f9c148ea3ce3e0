"""The packed list: what is written is read, and the packaged one is what was shipped."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from benchmarks.attacks import packed_synonyms
from benchmarks.attacks.packed_synonyms import (
    MOST_NEIGHBOURS,
    PackedSynonyms,
    SynonymTable,
    cosine_steps,
    kept_pairs,
    packaged_synonyms,
    part_bits,
    read_packed,
    sense_code,
)

NOUN, ADJ = part_bits(["NOUN"]), part_bits(["ADJ"])


def table() -> SynonymTable:
    return SynonymTable(
        words=("awful", "bad", "film", "good", "great", "movie"),
        parts=np.array([ADJ, ADJ | NOUN, NOUN, ADJ, ADJ, NOUN], np.uint8),
        pairs=np.array([[0, 1], [2, 5], [3, 4]], np.int32),
        cosines=cosine_steps(np.array([0.6, 0.95, 0.5])),
        senses=np.array([[0, 0], [sense_code("NOUN", 1), sense_code("NOUN", 2)], [sense_code("ADJ", 70), 0]], np.uint8),
        antonyms=np.array([[1, 3]], np.int32),
        about={"made": "by a test"},
    )


def test_what_is_written_is_read() -> None:
    before = table()
    after = SynonymTable.from_bytes(before.to_bytes())
    assert after.words == before.words and after.about == before.about
    for name in ("parts", "pairs", "cosines", "senses", "antonyms"):
        assert np.array_equal(getattr(after, name), getattr(before, name)), name
    assert before.to_bytes() == after.to_bytes()


def test_neighbours_go_both_ways_with_cosines_and_senses() -> None:
    words = PackedSynonyms(table().to_bytes(), "a test")
    assert words.neighbours("film", 9) == ["movie"] and words.neighbours("movie", 9) == ["film"]
    assert words.similarities("movie", ["film", "good"]) == [pytest.approx(0.95, abs=1 / 500), None]
    assert words.senses("film") == [("NOUN", 1)] and words.senses("movie") == [("NOUN", 2)]
    assert words.senses("good") == [("ADJ", 63)] and words.senses("great") == [None]
    assert words.neighbours("unknown", 9) == [] and words.similarities("unknown", ["film"]) == [None]
    assert words.antonyms == {"bad": {"good"}, "good": {"bad"}}
    assert words.parts_of_speech["bad"] == {"ADJ", "NOUN"}
    assert words.describe() == "synonyms from a test" and words.identity()["kind"] == "packed"


def test_a_word_has_its_nearest_fifty_neighbours_and_no_more() -> None:
    count = 2 * MOST_NEIGHBOURS
    draw = np.random.default_rng(0)
    pairs = np.array([(one, other) for one in range(count) for other in range(one + 1, count)], np.int32)
    cosines = draw.integers(0, 256, len(pairs)).astype(np.uint8)
    kept = kept_pairs(pairs, cosines, count)
    words = tuple(f"w{number:03}" for number in range(count))
    packed = PackedSynonyms(
        SynonymTable(
            words=words,
            parts=np.full(count, NOUN, np.uint8),
            pairs=pairs[kept],
            cosines=cosines[kept],
            senses=np.zeros((kept.sum(), 2), np.uint8),
            antonyms=np.zeros((0, 2), np.int32),
            about={},
        ).to_bytes(),
        "a test",
    )
    for place in (0, 37, count - 1):
        ranked = sorted(
            (255 - int(cosine), int(sum(pair)) - place)
            for pair, cosine in zip(pairs, cosines, strict=True)
            if place in pair
        )
        assert packed.neighbours(words[place], 99) == [words[other] for _, other in ranked[:MOST_NEIGHBOURS]]


@pytest.mark.parametrize("content", [b"", b"\xfd7zXZ broken", lzma.compress(b"other"), table().to_bytes()[:-9]])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.xz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"the neighbour list .* cannot be read"):
        read_packed(path)


def test_the_packaged_list_is_small_and_has_no_antonyms() -> None:
    packed = packaged_synonyms()
    assert len(packed.table.to_bytes()) <= 4e6
    neighbours = {tuple(pair) for pair in packed.table.pairs.tolist()}
    assert len(neighbours) > 100_000
    assert not neighbours & {tuple(pair) for pair in packed.table.antonyms.tolist()}
    assert "great" in packed.neighbours("good", 50) and "bad" not in packed.neighbours("good", 50)
    assert packed.parts_of_speech["film"] >= {"NOUN"}
    assert "fast" in packed.antonyms["slow"]


def test_inflection_is_matched_in_the_packaged_list() -> None:
    packed = packaged_synonyms()
    assert "films" not in packed.neighbours("movie", 50) and "films" in packed.neighbours("movies", 50)
    assert "travelled" in packed.neighbours("went", 50) and "travel" not in packed.neighbours("went", 50)


def test_a_changed_packaged_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_synonyms, "PACKAGED_SHA256", "0" * 64)
    packaged_synonyms.cache_clear()
    try:
        with pytest.raises(RuntimeError, match="install the package again"):
            packaged_synonyms()
    finally:
        packaged_synonyms.cache_clear()
