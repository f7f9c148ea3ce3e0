"""Read a pickled word list once, without running anything in it, and write it as JSON.

A pickle is a program. Here it may only build a dictionary of words and whole numbers: no name in it is looked up,
except NumPy's whole numbers, which are rebuilt here from their bytes.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.validation import UserError

PICKLED, PLAIN = "wordlist.pickle", "words.json"


class _NumberType:
    """A stand-in for NumPy's dtype of a whole number; stores what the pickle says about it."""

    def __init__(self, code: str, *_: object) -> None:
        if not (isinstance(code, str) and len(code) == 2 and code[0] in "iu" and code[1] in "1248"):
            raise pickle.UnpicklingError(f"a number of the type {code!r}")
        self.is_signed = code[0] == "i"
        self.order = "little"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = "big" if state[1] == ">" else "little"


def _number(kind: _NumberType, raw: bytes) -> int:
    return int.from_bytes(raw, kind.order, signed=kind.is_signed)


class _WordsOnly(pickle.Unpickler):
    """Look up only the names of NumPy's whole numbers, and return own stand-ins for them."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _NumberType
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return _number
        raise pickle.UnpicklingError(f"the name {module}.{name}")


def convert_words(folder: Path) -> None:
    """Write the words of `wordlist.pickle` (word to row) as `words.json`, a list in the order of the rows.

    Raises:
        UserError: if the pickle holds anything but words, each with its own row from 0 on.
    """
    path = folder / PICKLED
    try:
        with path.open("rb") as file:
            rows = _WordsOnly(file).load()
    # A malformed pickle may raise any exception.
    except Exception as error:
        raise UserError(
            f"{path.name} holds more than words and their rows, or is broken ({error}); it was not read"
        ) from error
    if not isinstance(rows, Mapping) or not all(type(word) is str and type(row) is int for word, row in rows.items()):
        raise UserError(f"{path.name} must be a dictionary of words to rows")
    words = sorted(rows, key=rows.__getitem__)
    if [rows[word] for word in words] != list(range(len(words))):
        raise UserError(f"the rows in {path.name} must count from 0 without a gap")
    (folder / PLAIN).write_text(json.dumps(words, ensure_ascii=False), "utf-8")
