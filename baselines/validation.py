"""Errors that are reported to the user in one sentence, and functions that reject bad input.

Any other exception is a bug of the suite.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Characters that control a terminal, or reorder or hide text: control characters, direction marks, line separators
STEERING = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
LONGEST_NAME = 100
MOST_NAMES, NEAREST_NAMES = 40, 10  # of a longer list of known names, only the nearest are shown
LONGEST_SHOWN = 300


class UserError(ValueError):
    """A mistake in the request: what is wrong, what was received, what is allowed, what to do next."""

    exit_code = 2


class MachineError(RuntimeError):
    """Something that failed although the request was right: a full disk, a missing package, a damaged file."""

    exit_code = 1


class UserCodeError(RuntimeError):
    """An exception in the user's own code, with the lines of that code that led to it."""

    exit_code = 3


EXPECTED = (UserError, MachineError, UserCodeError)


def printable(text: str) -> str:
    """Remove from text of unknown origin the characters that control a terminal or the direction of writing."""
    return STEERING.sub("", text)


def require_file_name(name: str, what: str) -> None:
    """Reject a name that is not a plain file name: one that leads to another folder, is hidden, or is too long.

    Raises:
        UserError: unless the name has only letters, digits, dots, hyphens and underscores, and starts with a letter
            or digit.
    """
    plain = len(name) <= LONGEST_NAME and re.fullmatch(r"\w[\w.-]*", name) is not None
    require(plain, what, "a plain name of letters, digits, '.', '-' and '_'", name)


def require(condition: bool, name: str, allowed: str, received: object) -> None:
    """Reject a value: `FreeLB.steps must be 1 or more, got 0`.

    Raises:
        UserError: if `condition` is false.
    """
    if not condition:
        raise UserError(f"{name} must be {allowed}, got {shown(received)}")


def shown(received: object) -> str:
    """What was received, cut where it is long."""
    written = repr(received)
    return written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}..."


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for an unknown name: `unknown task 'imbd'; did you mean 'imdb'? known: ag_news, imdb, sst2`."""
    names = sorted(known)
    close = difflib.get_close_matches(name[:LONGEST_NAME], names, n=1, cutoff=0.5)
    hint = f" did you mean {close[0]!r}?" if close else ""
    label = "known"
    if len(names) > MOST_NAMES:
        label = f"the nearest of {len(names)} known"
        names = difflib.get_close_matches(name[:LONGEST_NAME], names, n=NEAREST_NAMES, cutoff=0)
    return UserError(f"unknown {what} {name[:LONGEST_NAME]!r};{hint} {label}: {', '.join(names) or 'none'}")
