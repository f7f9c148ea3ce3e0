"""Typing errors, drawn from a seed: natural noise, without a search."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.data.examples import Example

RATES = (0.05, 0.1, 0.2)
KINDS = ("swap", "drop", "insert", "neighbour")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """The keys around each letter of a QWERTY keyboard; a row is half a key to the right of the one above."""
    found = {}
    for number, row in enumerate(_ROWS):
        for place, letter in enumerate(row):
            above = _ROWS[number - 1][place : place + 2] if number else ""
            below = _ROWS[number + 1][max(0, place - 1) : place + 1] if number + 1 < len(_ROWS) else ""
            found[letter] = above + row[max(0, place - 1) : place] + row[place + 1 : place + 2] + below
    return found


KEYBOARD = _neighbours()


def with_typos(examples: Sequence[Example], rate: float, seed: int) -> list[Example]:
    """The examples with a typing error in each word of two letters or more with probability `rate`.

    The errors of a lower rate are among those of a higher one.

    Args:
        rate: in [0, 1].
        seed: together with an example's id it decides which words are changed, and how.
    """
    return [replace(each, texts=_with_typos(each, rate, seed)) for each in examples]


def _with_typos(example: Example, rate: float, seed: int) -> tuple[str, ...]:
    digest = hashlib.sha256(f"typos|{seed}|{example.id}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))

    def change(found: re.Match[str]) -> str:
        chance, kind, place, key = generator.random(4)
        return typo(found[0], KINDS[int(kind * len(KINDS))], place, key) if chance < rate else found[0]

    return tuple(_WORD.sub(change, text) for text in example.texts)


def typo(word: str, kind: str, place: float, key: float) -> str:
    """The word with one typing error; always another word.

    Args:
        kind: one of `KINDS`: swap two neighbouring letters, drop a letter, insert a neighbouring key after it, or hit
            that key in its place. A word without two neighbouring letters that differ has none to swap, and a letter
            that is not on the keyboard has no neighbouring key: one letter is dropped.
        place, key: in [0, 1): which of the possible places, and which of the keys.
    """
    if kind == "swap":
        places = [at for at in range(len(word) - 1) if word[at].lower() != word[at + 1].lower()]
        if places:
            at = places[int(place * len(places))]
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    at = int(place * len(word))
    keys = KEYBOARD.get(word[at].lower(), "")
    if kind in ("insert", "neighbour") and keys:
        hit = keys[int(key * len(keys))]
        hit = hit.upper() if word[at].isupper() else hit
        return word[: at + (kind == "insert")] + hit + word[at + 1 :]
    return word[:at] + word[at + 1 :]
