"""Work for another process, found there by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def count_to(number: int, tell: Callable[[], None]) -> tuple[int, int]:
    """Tells `number` times; the number and the process it was counted in."""
    for _ in range(number):
        tell()
    return number, os.getpid()


def environment(name: str, tell: Callable[[], None]) -> str | None:
    """A variable of that process's environment."""
    return os.environ.get(name)


def refuse(kind: type[Exception], tell: Callable[[], None]) -> None:
    """Raises an exception of that kind."""
    raise kind("a sentence")


def vanish(tell: Callable[[], None]) -> None:
    """Dies as a process does that the system kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever(path: str, tell: Callable[[], None]) -> Any:
    """Writes its process's id to a file, tells once and never returns."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    tell()
    signal.pause()


@dataclass(frozen=True)
class Vanishing:
    """A job whose process the system kills as it takes it up; it notes which that was."""

    path: str
    key: str = "a"
    label: str = "demo"
    kind: str = "trainings"
    for_training: bool = False

    def home(self, store: Any) -> Any:
        return store

    def __reduce__(self) -> Any:
        return _note_and_vanish, (self.path,)


def _note_and_vanish(path: str) -> None:
    Path(path).write_text(str(os.getpid()), "utf-8")
    vanish(lambda: None)
