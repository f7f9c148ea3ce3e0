"""Forward passes in which, on a CPU, a row's result does not depend on how many rows share its batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.functional import linear, pad

LEAST_ROWS = 16  # matrix products of fewer rows take other kernels, which round otherwise


@contextmanager
def steady_rows(model: nn.Module) -> Iterator[None]:
    """Within it, linear layers on a CPU compute fewer than `LEAST_ROWS` rows as they compute more, bit for bit.

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
