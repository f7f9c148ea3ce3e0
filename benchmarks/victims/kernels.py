"""Exact float32 products of linear layers on a CPU: torch's own kernel, and oneDNN's with weights packed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

Kernel = Literal["torch", "onednn"]
KERNELS: tuple[Kernel, ...] = ("torch", "onednn")

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


def _packed_weight(layer: nn.Linear) -> Tensor:
    """The layer's weights in oneDNN's order; packed again if they have changed."""
    weight = layer.weight.detach()
    state = (weight.data_ptr(), weight._version)
    known = _packed.get(layer)
    if known is None or known[0] != state:
        known = _packed[layer] = (state, torch.ops.mkldnn._reorder_linear_weight(weight.clone()))
    return known[1]
