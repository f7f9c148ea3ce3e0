"""Find operations for which the CPU must wait for the GPU; the search itself needs no GPU."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# `.item()`, `if tensor`, and operations whose result's size depends on values.
READ_BACK = frozenset(
    {
        "aten::_local_scalar_dense",
        "aten::equal",
        "aten::is_nonzero",
        "aten::masked_select",
        "aten::nonzero",
        "aten::_unique2",
        "aten::unique_dim",
    }
)


class SynchronisationWatch(TorchDispatchMode):
    """Count, while entered, the operations that would make the CPU wait for a GPU.

    Attributes:
        counts: by the operation's name. Indexing with a mask counts as `nonzero`, which it calls.

    On a GPU torch.cuda.set_sync_debug_mode finds the same operations, and copies as well; this class needs no GPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._schema.name
        if name in READ_BACK:
            self.counts[name] += 1
        elif name in ("aten::index", "aten::index_put", "aten::index_put_") and _has_mask(args):
            self.counts["aten::nonzero"] += 1
        return function(*args, **(kwargs or {}))

    def sentences(self, updates: int) -> list[str]:
        """A flag for each operation found, with its number per update."""
        return [
            f"synchronisation: {name.removeprefix('aten::')}, {count / updates:g} an update"
            for name, count in sorted(self.counts.items())
        ]


def _has_mask(args: tuple[Any, ...]) -> bool:
    indices = args[1] if len(args) > 1 else ()
    return any(isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8) for index in indices)
