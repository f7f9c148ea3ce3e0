"""Forward passes in which, on a CPU, a row's result does not depend on how many rows share its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from baselines.memory import in_halves
from benchmarks.victims.pieces import Row, batches_of

LEAST_ROWS = 16  # matrix products of fewer rows take other kernels, which round otherwise


@contextmanager
def batch_invariant(model: nn.Module) -> Iterator[None]:
    """Within it, linear layers on a CPU compute fewer than `LEAST_ROWS` rows as they compute more, bit for bit.

    That holds on one thread; on more, long sums are split between them according to the number of rows.

    An attack asks about the same text in batches of other sizes whenever it is resumed, or shares a process with other
    attacks; candidates that tie would then be told apart by rounding.
    """
    layers = [each for each in model.modules() if isinstance(each, nn.Linear) and each.weight.is_cpu]
    handles = [layer.register_forward_hook(_filled) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _filled(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    """The output anew from rows filled up with zeros, where there are too few; None leaves it."""
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
) -> np.ndarray:
    """(N, width) float32: what `forward` makes of N inputs, a batch at a time, halved where memory does not hold it.

    Args:
        model: what `forward` asks; its rows are steady.
        most_tokens: of a batch, padding included.
    """
    found = np.zeros((len(rows), width), dtype=np.float32)
    with torch.inference_mode(), batch_invariant(model):
        for places in batches_of([len(row.ids) for row in rows], most_tokens):
            found[places] = in_halves(forward, [rows[place] for place in places])
    return found
