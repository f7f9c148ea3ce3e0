"""Edits of single characters at the places of a text.

A text of m characters has 2m + 1 places. Place 2j is the gap before character j, place 2j + 1 is character j itself. A
character put into a gap is inserted, one put onto a character replaces it, and nothing put onto a character deletes it.

Source: Abad Rocamora et al., ICML 2024 (Charmer), "expanded text".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

NOTHING = ""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST = 4
_WORD = re.compile(r"\w+")


def alphabet_of(texts: Iterable[Sequence[str]]) -> str:
    """All characters of the texts, sorted."""
    return "".join(sorted({character for columns in texts for column in columns for character in column}))


def edited(text: str, place: int, character: str) -> str:
    """The text with a character, or `NOTHING`, put at a place; nothing put into a gap leaves the text as it is."""
    at = place // 2
    return text[:at] + character + text[at + place % 2 :]


def probe(text: str, place: int) -> str:
    """The text with a space put at a place; a space that stands there is deleted."""
    stands_there = place % 2 == 1 and text[place // 2] == " "
    return edited(text, place, NOTHING if stands_there else " ")


def all_places(text: str) -> range:
    """The 2m + 1 places of a text of m characters."""
    return range(2 * len(text) + 1)


def inner_places(text: str, changed: frozenset[int]) -> Iterator[int]:
    """The places between the first and the last letter of each word of `SHORTEST` letters or more.

    Args:
        changed: numbers of the words that are left out.
    Source: Pruthi et al. 2019, and Jones et al. 2020: a reader still reads the word.
    """
    for number, word in enumerate(_WORD.finditer(text)):
        if len(word[0]) >= SHORTEST and number not in changed:
            yield from range(2 * word.start() + 2, 2 * word.end() - 1)


def word_at(text: str, place: int) -> int:
    """The number of the word around one of the `inner_places`."""
    return next(number for number, word in enumerate(_WORD.finditer(text)) if place < 2 * word.end())


def edits(text: str, places: Sequence[int], characters: Sequence[str]) -> list[tuple[int, str]]:
    """Each text with one of the characters at one of the places, and the place; a text may come several times."""
    return [(place, edited(text, place, character)) for place in places for character in characters]
