"""Rows that come out the same in any company."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.victims.batch_invariant import LEAST_ROWS, batch_invariant
from benchmarks.victims.kernels import KERNELS, has_onednn, is_row_invariant

HEIGHTS = (*range(1, LEAST_ROWS + 2), 40)


def layer_and_rows(columns: int = 384) -> tuple[nn.Linear, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return nn.Linear(384, columns), torch.randn(64, 384, generator=generator)


@pytest.mark.parametrize("kernel", KERNELS if has_onednn() else ["torch"])
@pytest.mark.parametrize("columns", [2, 384, 1536])
def test_a_row_does_not_depend_on_how_many_there_are(columns, kernel) -> None:
    layer, rows = layer_and_rows(columns)
    with torch.inference_mode():
        whole = layer(rows)
        if not torch.equal(layer(rows[:LEAST_ROWS]), whole[:LEAST_ROWS]):
            pytest.skip(f"on this processor matrix products of {LEAST_ROWS} and of 64 rows differ")
        if kernel == "onednn" and not is_row_invariant(layer):
            pytest.skip("on this processor oneDNN's products depend on their number of rows, and are not used")
        with batch_invariant(layer, kernel):
            whole = layer(rows)
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


@pytest.mark.parametrize("kernel", KERNELS if has_onednn() else ["torch"])
def test_nothing_stays_on_a_layer(kernel) -> None:
    layer, _ = layer_and_rows()
    with pytest.raises(KeyError), batch_invariant(layer, kernel):
        raise KeyError
    assert not layer._forward_hooks and "forward" not in vars(layer)
