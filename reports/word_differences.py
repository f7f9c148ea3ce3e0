"""An original and its adversarial text side by side: the words that differ."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rapidfuzz.distance import Levenshtein
from rich.text import Text

from baselines.validation import STEERING

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
WORD = re.compile(r"\w+(?:['’-]\w+)*\s*|[^\w\s]+\s*")
STYLES = {"original": "red strike", "adversarial": "bold green"}

Piece = tuple[str, bool]


def word_differences(original: str, perturbed: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts as pieces of words, each with whether it differs from the other text.

    Words are runs of letters and digits, or of other signs, with the space after them; each run of spaces becomes one
    space, and other control characters become spaces. The pieces of a side, joined, are its text.
    """
    sides = [_words(STEERING.sub(" ", text)) for text in (original, perturbed)]
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, start, end, other_start, other_end in _matches(*sides):
        spans = ((start, end), (other_start, other_end))
        for side, words, (begin, stop) in zip(pieces, sides, spans, strict=True):
            if begin < stop:
                side.append(("".join(words[begin:stop]), kind != "equal"))
    return pieces


def terminal_words(pieces: Iterable[Piece], style: str) -> Text:
    """The pieces as text for a terminal, without markup; differing ones in the style."""
    shown = Text()
    for text, differs in pieces:
        shown.append(text.rstrip(), style if differs else "")
        shown.append(text[len(text.rstrip()) :])
    return shown


def word_edits(original: str, perturbed: str) -> tuple[list[str], list[tuple[int, int, str]]]:
    """The original's words, and the replacements (from, to, new text) that turn it into the other text.

    A change of the space after a word is an edit too, so that the result equals the other text exactly.
    """
    words, others = _words(original), _words(perturbed)
    edits = []
    for kind, start, end, begin, stop in _matches(words, others):
        if kind != "equal":
            edits.append((start, end, "".join(others[begin:stop])))
        else:
            pairs = zip(range(start, end), range(begin, stop), strict=True)
            edits += [(one, one + 1, others[two]) for one, two in pairs if words[one] != others[two]]
    return words, edits


def _words(text: str) -> list[str]:
    return WORD.findall(" ".join(CONTROL.sub(" ", text).split()))


def _matches(words: list[str], others: list[str]) -> list[tuple[str, int, int, int, int]]:
    """The edits that turn one list of words into another, as few as possible, ignoring the spaces after them.

    Returns:
        In order, stretches that are "equal" or not: kind, start and end in `words`, start and end in `others`.
    """
    first, second = ([word.strip() for word in each] for each in (words, others))
    found: list[tuple[str, int, int, int, int]] = []
    for kind, start, end, begin, stop in Levenshtein.opcodes(first, second):
        if found and "equal" not in (kind, found[-1][0]):  # a replaced word next to an inserted one is one stretch
            _, start, _, begin, _ = found.pop()
            kind = "replace"
        found.append((kind, start, end, begin, stop))
    return found
