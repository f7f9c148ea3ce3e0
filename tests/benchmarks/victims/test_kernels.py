"""Both kernels compute a layer's output, to rounding; packed weights follow the layer's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.victims.kernels import has_onednn, product

needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this torch has no oneDNN")


def layer_and_inputs() -> tuple[nn.Linear, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Linear(96, 40), torch.randn(30, 96)


def test_torchs_kernel_is_the_layers_own() -> None:
    layer, inputs = layer_and_inputs()
    with torch.inference_mode():
        assert torch.equal(product(layer, "torch")(inputs), layer(inputs))


@needs_onednn
def test_onednns_kernel_differs_by_rounding_alone() -> None:
    layer, inputs = layer_and_inputs()
    with torch.inference_mode():
        found, shaped = (product(layer, "onednn")(each) for each in (inputs, inputs.view(5, 6, 96)))
        torch.testing.assert_close(found, layer(inputs), rtol=0, atol=1e-5)
        assert torch.equal(shaped.view(30, 40), found)


@needs_onednn
def test_changed_weights_are_packed_again() -> None:
    layer, inputs = layer_and_inputs()
    with torch.inference_mode():
        product(layer, "onednn")(inputs)
    with torch.no_grad():
        layer.weight.mul_(2)
    with torch.inference_mode():
        torch.testing.assert_close(product(layer, "onednn")(inputs), layer(inputs), rtol=0, atol=1e-5)
