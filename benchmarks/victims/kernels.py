"""Exact float32 products of linear layers on a CPU: torch's own kernel, and oneDNN's with weights packed once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from baselines.threads import cpu_threads
from benchmarks.clock.shortest import shortest_seconds

Kernel = Literal["torch", "onednn"]
KERNELS: tuple[Kernel, ...] = ("torch", "onednn")

LEAST_GAIN = 1.2  # far from 1, so that every process on a machine chooses the same kernel
SMALLEST = 128  # inputs and outputs; smaller layers take little time
MEASURED_ROWS = 256
REPEATS = 4
HEIGHTS = (1, 2, 3, 5, 8, 15, 16, 17, 33, 64, 100)

_packed: WeakKeyDictionary[nn.Linear, tuple[tuple[int, int], Tensor]] = WeakKeyDictionary()


def has_onednn() -> bool:
    """Whether this torch has oneDNN's kernel for packed weights."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(layer: nn.Linear, kernel: Kernel) -> Callable[[Tensor], Tensor]:
    """The layer's output (..., O) for inputs (..., I), computed by this kernel, without a gradient."""
    if kernel == "torch":
        return lambda inputs: linear(inputs, layer.weight, layer.bias)
    packed = _packed_weight(layer)
    return lambda inputs: torch.ops.mkldnn._linear_pointwise(inputs, packed, layer.bias, "none", [], "")


def can_be_packed(layer: nn.Module) -> bool:
    """Whether a module is a linear layer in fp32 on the CPU, and large enough for its kernel to matter."""
    if not isinstance(layer, nn.Linear) or not layer.weight.is_cpu:
        return False
    return layer.weight.dtype == torch.float32 and min(layer.in_features, layer.out_features) >= SMALLEST


def fastest_kernel(model: nn.Module) -> Kernel:
    """The kernel for a model's products: oneDNN's if it is clearly faster here and exact, otherwise torch's.

    oneDNN's is exact if a row's result does not depend on the other rows. Both kernels round otherwise, as those of two
    processors do: between candidates that tie within rounding, outcomes may differ.
    """
    shapes = {(each.in_features, each.out_features) for each in model.modules() if can_be_packed(each)}  # type: ignore[union-attr]
    return _fastest_for(tuple(sorted(shapes)))


@cache
def _fastest_for(shapes: tuple[tuple[int, int], ...]) -> Kernel:
    """Measured once in a process for layers of these shapes."""
    if not shapes or not has_onednn():
        return "torch"
    with torch.random.fork_rng([]), torch.inference_mode(), cpu_threads(1):
        layers = [nn.Linear(*shape) for shape in shapes]
        largest = max(layers, key=lambda layer: layer.weight.numel())
        gain = _gain(largest, torch.randn(MEASURED_ROWS, largest.in_features))
        return "onednn" if gain >= LEAST_GAIN and all(map(is_row_invariant, layers)) else "torch"


def _gain(layer: nn.Linear, inputs: Tensor) -> float:
    """Seconds of torch's kernel divided by those of oneDNN's."""
    calls = [partial(product(layer, kernel), inputs) for kernel in KERNELS]
    usual, packed = shortest_seconds(*calls, repeats=REPEATS, clock=time.thread_time)
    return usual / max(packed, 1e-9)


@torch.inference_mode()
def is_row_invariant(layer: nn.Linear, kernel: Kernel = "onednn", heights: Sequence[int] = HEIGHTS) -> bool:
    """Whether each row's result is the same bit for bit with any of these numbers of rows."""
    compute, inputs = product(layer, kernel), torch.randn(MEASURED_ROWS, layer.in_features)
    whole = compute(inputs)
    return all(torch.equal(compute(inputs[-height:]), whole[-height:]) for height in heights)


def _packed_weight(layer: nn.Linear) -> Tensor:
    """The layer's weights in oneDNN's order; packed again if they have changed."""
    weight = layer.weight.detach()
    state = (weight.data_ptr(), 0 if weight.is_inference() else weight._version)
    known = _packed.get(layer)
    if known is None or known[0] != state:
        known = _packed[layer] = (state, torch.ops.mkldnn._reorder_linear_weight(weight.clone()))
    return known[1]
