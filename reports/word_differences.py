"""An original and its adversarial text side by side, the words that differ marked: for a page and for a terminal."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from rich.text import Text

from baselines.refusal import STEERING

WORD = re.compile(r"\w+(?:['’-]\w+)*\s*|[^\w\s]+\s*")
STYLES = {"original": "red strike", "adversarial": "bold green"}

Piece = tuple[str, bool]


def word_differences(original: str, perturbed: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces of words, each with whether it differs from the other text.

    Words are runs of letters and digits, or of signs, with the space behind them; spaces are made one, and other
    control characters spaces. The pieces of a side, joined, are its text.
    """
    sides = [WORD.findall(" ".join(STEERING.sub(" ", text).split())) for text in (original, perturbed)]
    first, second = ([word.strip() for word in words] for words in sides)
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, start, end, other_start, other_end in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        spans = ((start, end), (other_start, other_end))
        for side, words, (begin, stop) in zip(pieces, sides, spans, strict=True):
            if begin < stop:
                side.append(("".join(words[begin:stop]), kind != "equal"))
    return pieces


def html_words(pieces: Iterable[Piece], css: str) -> str:
    """The pieces as HTML; those that differ stand in a `span` of the class `css`, the space behind them outside."""
    return "".join(
        f'<span class="{css}">{html.escape(text.rstrip())}</span>{text[len(text.rstrip()) :]}'
        if differs
        else html.escape(text)
        for text, differs in pieces
    )


def terminal_words(pieces: Iterable[Piece], style: str) -> Text:
    """The pieces as text for a terminal, where nothing in them is read as markup; those that differ in the style."""
    shown = Text()
    for text, differs in pieces:
        shown.append(text.rstrip(), style if differs else "")
        shown.append(text[len(text.rstrip()) :])
    return shown
