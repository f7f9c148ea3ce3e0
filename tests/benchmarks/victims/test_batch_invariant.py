"""Rows that come out the same in any company."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.victims.batch_invariant import LEAST_ROWS, batch_invariant

HEIGHTS = (*range(1, LEAST_ROWS + 2), 40)


def layer_and_rows(columns: int = 384) -> tuple[nn.Linear, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return nn.Linear(384, columns), torch.randn(64, 384, generator=generator)


@pytest.mark.parametrize("columns", [2, 384, 1536])
def test_a_row_does_not_depend_on_how_many_there_are(columns) -> None:
    layer, rows = layer_and_rows(columns)
    with torch.inference_mode():
        whole = layer(rows)
        if not torch.equal(layer(rows[:LEAST_ROWS]), whole[:LEAST_ROWS]):
            pytest.skip(f"on this processor matrix products of {LEAST_ROWS} and of 64 rows differ")
        with batch_invariant(layer):
            for height in HEIGHTS:
                assert torch.equal(layer(rows[:height]), whole[:height])


def test_shapes_are_kept() -> None:
    layer, rows = layer_and_rows(3)
    with torch.inference_mode(), batch_invariant(layer):
        assert layer(rows[:6].view(2, 3, 384)).shape == (2, 3, 3)
        assert torch.equal(layer(rows[:6].view(2, 3, 384)).view(6, 3), layer(rows)[:6])


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_layer_without_inputs_gives_its_bias() -> None:
    layer = nn.Linear(0, 4)
    with torch.inference_mode(), batch_invariant(layer):
        assert torch.equal(layer(torch.zeros(2, 0)), layer.bias.expand(2, 4))


def test_no_hook_stays() -> None:
    layer, _ = layer_and_rows()
    with pytest.raises(KeyError), batch_invariant(layer):
        raise KeyError
    assert not layer._forward_hooks
