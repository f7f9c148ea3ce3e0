"""What CUDA graphs do, on a CPU: operations written down with the tensors they used, done again on the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.clock.synchronisations import READ_BACK


class _Writer(TorchDispatchMode):
    """Do every operation and write it down; refuses, as CUDA does, what the host would have to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function._schema.name in READ_BACK:
            raise RuntimeError(f"operation not permitted when stream is capturing: {function._schema.name}\nmore")
        found = function(*args, **(kwargs or {}))
        self.lines.append((function, args, kwargs or {}, found))
        return found

    def replay(self) -> None:
        """Do it all again; what an operation makes again goes where it went before."""
        for function, args, kwargs, before in self.lines:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(before), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.numel() and old.data_ptr() != new.data_ptr():
                    with torch.no_grad():
                        old.detach().copy_(new)


class FakeGraphs:
    """Graphs of a CPU's operations.

    Attributes:
        recorded: graphs made.
        replayed: graphs replayed.
    """

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Here."""
        yield

    def begin(self, generators: Sequence[torch.Generator]) -> None:
        """Write from here on."""
        self._writer = _Writer()
        self._writer.__enter__()

    def end(self) -> Callable[[], None]:
        """The act that does it all again."""
        writer = self._writer
        writer.__exit__(None, None, None)
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            with torch.no_grad():
                writer.replay()

        return replay
