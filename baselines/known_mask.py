"""An attention mask that knows whether it is full, so that forward passes on a GPU need not read it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _KnownMask(Tensor):
    """An attention mask that says whether it is full without reading its values.

    transformers asks this in every forward pass, in order to leave out a full mask.
    """

    is_full: bool

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _ASKING:
            return args[0].is_full
        with torch._C.DisableTorchFunctionSubclass():
            found = function(*args, **(kwargs or {}))
        return known_mask(found, args[0].is_full) if function in _AS_FULL else found


_ASKING = (torch.all, Tensor.all)
_AS_FULL = (Tensor.to, Tensor.eq, Tensor.__eq__)  # a full mask stays full when it is cast or compared with 1


def known_mask(mask: Tensor, is_full: bool) -> Tensor:
    """Wrap a mask (B, L) so that it says whether it is full without being read."""
    known = mask.as_subclass(_KnownMask)
    known.is_full = is_full
    return known
