"""Counter-fitting of a few vectors."""

from __future__ import annotations

import pytest
import torch

from benchmarks.attacks.counter_fitting import CounterFitting, near_pairs

NONE = torch.zeros((0, 2), dtype=torch.int64)


def unit(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows), dim=1)


def cosine(vectors: torch.Tensor, one: int, other: int) -> float:
    return float(vectors[one] @ vectors[other])


def fitted(vectors, synonyms=NONE, antonyms=NONE, near=NONE, **constants) -> torch.Tensor:
    weights = torch.ones(len(synonyms))
    return CounterFitting(**constants).fit(vectors, synonyms, weights, antonyms, near)


def test_without_relations_nothing_moves() -> None:
    vectors = unit((1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.0, 2.0))
    assert torch.allclose(fitted(vectors), vectors, atol=1e-6)  # rounding of the norm


def test_synonyms_come_closer_and_antonyms_part() -> None:
    vectors = unit((1.0, 0.2, 0.0), (0.2, 1.0, 0.0), (1.0, 0.3, 0.2))
    after = fitted(vectors, synonyms=torch.tensor([[0, 1]]), antonyms=torch.tensor([[0, 2]]))
    assert cosine(after, 0, 1) > cosine(vectors, 0, 1)
    assert cosine(after, 0, 2) < cosine(vectors, 0, 2)
    assert after.norm(dim=1).tolist() == pytest.approx([1, 1, 1])


def test_antonyms_are_pushed_no_farther_than_the_margin() -> None:
    vectors = unit((1.0, 0.0), (0.0, 1.0))
    after = fitted(vectors, antonyms=torch.tensor([[0, 1]]), margin=1.0)
    assert torch.equal(after, vectors)


def test_original_neighbours_are_held_near() -> None:
    vectors = unit((1.0, 0.1, 0.0), (1.0, 0.0, 0.1), (0.0, 1.0, 0.0))
    relations = {"synonyms": torch.tensor([[0, 2]])}
    loose = fitted(vectors, **relations, preserve=0.0)
    held = fitted(vectors, **relations, near=torch.tensor([[0, 1]]), preserve=1.0)
    assert cosine(held, 0, 1) > cosine(loose, 0, 1)


def test_many_synonyms_pull_no_harder_than_their_mean() -> None:
    vectors = torch.eye(30)
    star = torch.tensor([[0, other] for other in range(1, 30)])
    after = fitted(vectors, synonyms=star)
    assert cosine(after, 1, 2) < 0.9  # pulled by their sum, all would lie in one place


def test_the_same_input_gives_the_same_bits() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(20, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    synonyms = torch.tensor([[0, 1], [1, 2], [3, 9]])
    assert torch.equal(fitted(vectors, synonyms), fitted(vectors, synonyms))


def test_near_pairs_are_each_found_once() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(1100, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    rows = torch.arange(0, 1100, 2)
    pairs, cosines = near_pairs(vectors, rows, 0.9)
    expected = {
        (int(one), int(other))
        for one, other in torch.nonzero(torch.triu(vectors @ vectors.T, diagonal=1) >= 0.9).tolist()
        if one % 2 == 0 and other % 2 == 0
    }
    found = [tuple(pair) for pair in pairs.tolist()]
    assert len(found) == len(set(found))
    # A pair at the bound may round to either side of it.
    assert len(set(found) ^ expected) <= 2
    assert torch.allclose(cosines, (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(dim=1), atol=1e-6)
