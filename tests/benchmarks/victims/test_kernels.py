"""oneDNN's kernel is taken where it is faster and exact; packed weights follow the layer's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.victims import kernels
from benchmarks.victims.kernels import can_be_packed, fastest_kernel, has_onednn, is_row_invariant, product

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
def test_a_layer_without_biases_is_computed_too() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Linear(96, 40, bias=False), torch.randn(30, 96)
    with torch.inference_mode():
        torch.testing.assert_close(product(layer, "onednn")(inputs), layer(inputs), rtol=0, atol=1e-5)


@needs_onednn
def test_changed_weights_are_packed_again() -> None:
    layer, inputs = layer_and_inputs()
    with torch.inference_mode():
        product(layer, "onednn")(inputs)
    with torch.no_grad():
        layer.weight.mul_(2)
    with torch.inference_mode():
        torch.testing.assert_close(product(layer, "onednn")(inputs), layer(inputs), rtol=0, atol=1e-5)


@pytest.fixture
def measured(monkeypatch):
    """What a test says of oneDNN's kernel: its gain, and whether rows are independent."""
    found = {"gain": 2.0, "invariant": True}
    monkeypatch.setattr(kernels, "_gain", lambda layer, inputs: found["gain"])
    monkeypatch.setattr(kernels, "is_row_invariant", lambda layer: found["invariant"])
    kernels._fastest_for.cache_clear()
    yield found
    kernels._fastest_for.cache_clear()


@needs_onednn
@pytest.mark.parametrize(
    ("gain", "invariant", "expected"),
    [(2.0, True, "onednn"), (2.0, False, "torch"), (1.19, True, "torch"), (1.2, True, "onednn")],
)
def test_onednn_is_taken_where_it_is_faster_and_exact(measured, gain, invariant, expected) -> None:
    measured |= {"gain": gain, "invariant": invariant}
    model, state = nn.Sequential(nn.Linear(128, 256), nn.Linear(256, 2)), torch.get_rng_state()
    assert fastest_kernel(model) == expected
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "layer", [nn.Linear(128, 2), nn.Linear(64, 256), nn.Linear(128, 128).double(), nn.LayerNorm(128)], ids=str
)
def test_small_layers_and_other_numbers_stay_with_torch(measured, layer) -> None:
    assert not can_be_packed(layer) and fastest_kernel(layer) == "torch"


def test_rows_that_depend_on_their_number_are_seen(monkeypatch) -> None:
    monkeypatch.setattr(kernels, "product", lambda layer, kernel: lambda inputs: inputs / len(inputs))
    assert not is_row_invariant(nn.Linear(128, 128))
    monkeypatch.setattr(kernels, "product", lambda layer, kernel: lambda inputs: 2 * inputs)
    assert is_row_invariant(nn.Linear(128, 128))


@needs_onednn
def test_the_kernel_is_measured_on_this_machine() -> None:
    kernels._fastest_for.cache_clear()
    assert fastest_kernel(nn.Linear(128, 256)) in kernels.KERNELS
