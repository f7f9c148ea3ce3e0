"""Sentences that refuse bad input: what was wrong, what was received, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def require(condition: bool, name: str, allowed: str, received: object) -> None:
    """Refuses a value: `FreeLB.steps must be 1 or more, got 0`.

    Raises:
        ValueError: when `condition` is false.
    """
    if not condition:
        raise ValueError(f"{name} must be {allowed}, got {received!r}")


def unknown(what: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for an unknown name: `unknown task 'imbd'; did you mean 'imdb'? known: ag_news, imdb, sst2`."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" did you mean {close[0]!r}?" if close else ""
    return ValueError(f"unknown {what} {name!r};{hint} known: {', '.join(names)}")
