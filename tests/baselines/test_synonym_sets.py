"""Sets of tokens that stand for each other: draws and overlaps."""

from __future__ import annotations

import torch

from baselines.synonym_sets import SynonymSets, overlap

SETS = SynonymSets(
    rows=torch.full((30,), -1).scatter(0, torch.tensor([10, 21]), torch.arange(2)),
    sets=torch.tensor([[10, 11, 12], [21, 22, 21]]),
    sizes=torch.tensor([3, 2]),
    covered=torch.tensor([[10, 11, 12], [21, 20, 21]]),
    overlaps=torch.tensor([1.0, 0.5]),
)


def test_every_member_of_a_set_is_drawn_alike_and_other_tokens_stay() -> None:
    ids = torch.tensor([10, 21, 5]).expand(3000, 3)
    torch.manual_seed(0)
    drawn = SETS.drawn(ids, torch.ones_like(ids, dtype=torch.bool), torch.rand(ids.shape))
    assert (drawn[:, 2] == 5).all()
    counts = [int((drawn[:, 0] == token).sum()) for token in (10, 11, 12)]
    assert sum(counts) == 3000 and min(counts) > 900
    assert set(drawn[:, 1].tolist()) == {21, 22}
    assert torch.equal(SETS.drawn(ids, torch.zeros_like(ids, dtype=torch.bool), torch.rand(ids.shape)), ids)


def test_an_overlap_is_that_of_the_worst_synonym() -> None:
    assert overlap({1, 2, 3, 4}, [{1, 2, 3, 9}, {1, 7}]) == 0.25 and overlap({1}, []) == 1


def test_moving_moves_every_table() -> None:
    assert {value.device.type for value in vars(SETS.to(torch.device("meta"))).values()} == {"meta"}
