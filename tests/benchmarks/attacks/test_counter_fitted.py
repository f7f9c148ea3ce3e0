"""Counter-fitted vectors in TextAttack's layout, held against TextAttack's own class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.attacks.counter_fitted import CounterFitted
from benchmarks.attacks.textattack_import import import_textattack

WORDS = [f"w{row}" for row in range(30)]


@pytest.fixture(params=[np.float32, np.float64])
def folder(request, tmp_path: Path) -> Path:
    """Thirty words, their random vectors, and each one's twelve nearest rows, itself first."""
    vectors = np.random.default_rng(0).normal(size=(30, 7)).astype(request.param)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.save(tmp_path / "paragram.npy", vectors)
    np.save(tmp_path / "nn.npy", np.argsort(distances, axis=1)[:, :12])
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    return tmp_path


def test_neighbours_and_cosines_are_textattacks(folder: Path) -> None:
    import_textattack()
    from textattack.shared import WordEmbedding

    rows = {word: row for row, word in enumerate(WORDS)}
    theirs = WordEmbedding(
        np.load(folder / "paragram.npy"), rows, {row: word for word, row in rows.items()}, np.load(folder / "nn.npy")
    )
    ours = CounterFitted(folder)
    for word in WORDS:
        for k in (1, 5, 11, 50):
            assert ours.neighbours(word, k) == [theirs.index2word(row) for row in theirs.nearest_neighbours(word, k)]
        assert ours.similarities(word, WORDS) == [theirs.get_cos_sim(word, other) for other in WORDS]


def test_an_unknown_word_has_neither_neighbours_nor_cosines(folder: Path) -> None:
    words = CounterFitted(folder)
    assert words.neighbours("zzz", 5) == []
    assert words.similarities("zzz", ["w0", "zzz"]) == [None, None]
    known = words.similarities("w0", ["zzz", "w0"])
    assert known[0] is None and known[1] == pytest.approx(1, abs=1e-6)  # rounding of the norm
    assert isinstance(known[1], float)


def test_the_vectors_are_mapped_and_not_read(folder: Path) -> None:
    words = CounterFitted(folder)
    assert isinstance(words._vectors, np.memmap) and isinstance(words._nearest, np.memmap)


def test_identity_follows_each_file(folder: Path) -> None:
    identities = [CounterFitted(folder).identity()]
    assert CounterFitted(folder).identity() == identities[0]
    for name in ("paragram.npy", "nn.npy"):
        np.save(folder / name, np.load(folder / name)[::-1])
        identities.append(CounterFitted(folder).identity())
    (folder / "words.json").write_text(json.dumps(WORDS[::-1]))
    identities.append(CounterFitted(folder).identity())
    assert len({identity["sha256"] for identity in identities}) == 4


@pytest.mark.parametrize("name", ["paragram.npy", "nn.npy", "words.json"])
def test_a_missing_or_broken_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(ValueError, match="cannot be read"):
        CounterFitted(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        CounterFitted(folder)


def test_an_array_of_objects_is_not_unpickled(folder: Path) -> None:
    np.save(folder / "paragram.npy", np.array([{"a": 1}] * 30, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        CounterFitted(folder)


def test_files_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "words.json").write_text(json.dumps(WORDS[:-1]))
    with pytest.raises(ValueError, match="29 words"):
        CounterFitted(folder)
