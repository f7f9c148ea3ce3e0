"""Forward passes on a CPU in which a row's result does not depend on the number of rows in its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from baselines.memory import in_halves
from benchmarks.victims.kernels import Kernel, can_be_packed, product
from benchmarks.victims.pieces import Row, batches_of

LEAST_ROWS = 16  # matrix products of fewer rows use other kernels, with other rounding


@contextmanager
def batch_invariant(model: nn.Module, kernel: Kernel = "torch") -> Iterator[None]:
    """Within the block, linear layers on a CPU compute few rows bit for bit as they compute many.

    Torch's kernel computes fewer than `LEAST_ROWS` rows with rows of zeros added. oneDNN's is used only where its rows
    are independent. This holds on one thread; on more, long sums are split between them according to the number of
    rows.

    A resumed attack, or one that shares a process with other attacks, asks about the same text in batches of other
    sizes; without this, rounding would decide between candidates with equal scores.
    """
    layers = [each for each in model.modules() if isinstance(each, nn.Linear) and each.weight.is_cpu]
    packed = [each for each in layers if kernel == "onednn" and can_be_packed(each) and "forward" not in vars(each)]
    handles = [layer.register_forward_hook(_filled) for layer in layers if layer not in packed]
    for layer in packed:
        layer.forward = product(layer, kernel)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in packed:
            del layer.forward


def _filled(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    """Recompute the output with rows of zeros added, if there are too few rows; None leaves it."""
    rows = inputs[0].flatten(0, -2)
    missing = LEAST_ROWS - len(rows)
    if missing <= 0:
        return None
    return linear(pad(rows, (0, 0, 0, missing)), layer.weight, layer.bias)[: len(rows)].view_as(output)


def answers_of(
    model: nn.Module,
    forward: Callable[[Sequence[Row]], np.ndarray],
    rows: Sequence[Row],
    *,
    width: int,
    most_tokens: int,
    kernel: Kernel = "torch",
) -> np.ndarray:
    """(N, width) float32: the answers of `forward` to N inputs, in batches that are halved if memory runs out.

    Args:
        model: the model that `forward` calls, made batch invariant.
        most_tokens: maximum tokens of a batch, padding included.
        kernel: of its linear layers on a CPU.
    """
    found = np.zeros((len(rows), width), dtype=np.float32)
    with torch.inference_mode(), batch_invariant(model, kernel):
        for places in batches_of([len(row.ids) for row in rows], most_tokens):
            found[places] = in_halves(forward, [rows[place] for place in places])
    return found
