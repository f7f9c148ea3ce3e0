"""TextAttack's definition of a word, and texts with words that are replaced in place.

Source: TextAttack 0.3.11, `words_from_text` and `AttackedText`. Outcomes depend on their behaviour in detail; a comment
marks each surprising part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache

from rapidfuzz.distance import Levenshtein

from benchmarks.attacks.homoglyphs import HOMOGLYPHS

# Characters that may occur inside a word, but are cut from its ends.
_JOINING = "'-_*@"
_RUN = re.compile(f"[\\w{''.join(HOMOGLYPHS.values())}'\\-_*@]+")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def words_of(text: str) -> list[str]:
    """The words of a text, in order; a text with a Chinese character is segmented by jieba first."""
    if _CHINESE.search(text):
        text = " ".join(_jieba_cut(text))
    words = []
    for stretch in text.split():
        for run in _RUN.findall(stretch.strip(_JOINING)):
            word = run.strip(_JOINING)
            if word:
                words.append(word)
    return words


def has_word(text: str) -> bool:
    """Whether a text holds a word, and not only punctuation."""
    return any(run.strip(_JOINING) for run in _RUN.findall(text))


def _jieba_cut(text: str) -> Sequence[str]:
    import jieba

    jieba.setLogLevel("WARNING")
    return list(jieba.cut(text, cut_all=False))


@lru_cache(maxsize=1 << 16)
def words_in(replacement: str) -> tuple[str, ...]:
    """The words of a replacement, cached."""
    return tuple(words_of(replacement))


class Text:
    """One or two columns of text with their words; also stores which words have been changed.

    Args:
        columns: the texts.
        words: the words of the columns, if already known.
        modified: places of changed words.
    Attributes:
        joined: the columns with a line break between them; words are found and candidates sorted in this form.
    """

    def __init__(
        self, columns: tuple[str, ...], words: list[str] | None = None, modified: frozenset[int] = frozenset()
    ) -> None:
        self.columns = columns
        self.joined = columns[0] if len(columns) == 1 else "\n".join(columns)
        self.words = words_of(self.joined) if words is None else words
        self.modified = modified

    @cached_property
    def places(self) -> list[tuple[int, int, int]]:
        """Column, start and end of each word within its column."""
        places = []
        column, end = 0, 0
        for word in self.words:
            start = self.columns[column].find(word, end)
            while start < 0:
                column, end = column + 1, 0
                start = self.columns[column].find(word)
            end = start + len(word)
            places.append((column, start, end))
        return places

    @cached_property
    def has_chinese(self) -> bool:
        """Whether words depend on their neighbours, because jieba finds them."""
        return _CHINESE.search(self.joined) is not None

    def replaced(self, index: int, new: str) -> tuple[str, ...]:
        """The columns with the word at `index` replaced.

        A replacement without a word also removes a space: the one before, or for the first word the one after; none
        if nothing follows.
        """
        column, start, end = self.places[index]
        before, after = self.columns[column][:start], self.columns[column][end:]
        if not words_in(new):
            if index == 0:
                after = after.removeprefix(" ")
            elif (after or column + 1 < len(self.columns)) and before.endswith(" "):
                before = before[:-1]
        text = before + new + after
        return (text,) if len(self.columns) == 1 else (*self.columns[:column], text, *self.columns[column + 1 :])

    def words_with(self, index: int, new: str) -> list[str]:
        """The words of the text with the word at `index` replaced."""
        if self.has_chinese or _CHINESE.search(new):
            return words_of("\n".join(self.replaced(index, new)))
        return [*self.words[:index], *words_in(new), *self.words[index + 1 :]]

    def newly_modified(self, index: int, new: str) -> set[int]:
        """Places, in the new text, of the words that replace the old one; in TextAttack's order."""
        first = index
        if self.has_chinese:  # jieba may split a word that is alone into several
            first = sum(len(words_in(word)) for word in self.words[:index])
        places: set[int] = set()
        for offset in range(len(words_in(new))):
            places.add(first + offset)
        return places

    def after(self, index: int, new: str) -> Text:
        """The text with the word at `index` replaced; marks of changed words after it move along."""
        more = len(words_in(new)) - len(words_in(self.words[index]))
        modified = self.modified
        if more:
            modified = frozenset(place + more * (place > index) for place in modified if place != index)
        return Text(self.replaced(index, new), self.words_with(index, new), modified | self.newly_modified(index, new))

    def up_to(self, index: int) -> str:
        """The joined text up to the end of a word."""
        return self.joined[: self._start(index) + len(self.words[index])]

    def window(self, index: int, size: int | None) -> str:
        """The `size` words around a word; None for all, from the first word to the last."""
        first, last = window_bounds(len(self.words), index, size)
        return self.joined[self._start(first) : self._start(last) + len(self.words[last])]

    def _start(self, index: int) -> int:
        """The start of a word in the joined text, as TextAttack finds it: in lower case.

        A few letters change their length in lower case; after them TextAttack's windows are shifted.
        """
        if not self._shifts:
            column, start, _ = self.places[index]
            return start if column == 0 else start + len(self.columns[0]) + 1
        lower, end = self.joined.lower(), 0
        for word in self.words[: index + 1]:
            end = lower.find(word.lower(), end) + len(word)
        return end - len(self.words[index])

    @cached_property
    def _shifts(self) -> bool:
        return len(self.joined.lower()) != len(self.joined)

    def windows_with(self, index: int, replacements: Sequence[str], size: int | None) -> list[str]:
        """For each replacement of the word at `index`, the new text's window around its first word."""
        simple = [self._replaces_one_word(new) for new in replacements]
        if not any(simple):
            return [self._window_after(index, new, size) for new in replacements]
        first, last = window_bounds(len(self.words), index, size)
        start, end = self._start(first), self._start(last) + len(self.words[last])
        place = self._start(index)
        before, after = self.joined[start:place], self.joined[place + len(self.words[index]) : end]
        return [
            before + new + after if quick else self._window_after(index, new, size)
            for new, quick in zip(replacements, simple, strict=True)
        ]

    def _replaces_one_word(self, new: str) -> bool:
        return not self.has_chinese and not self._shifts and words_in(new) == (new,) and len(new.lower()) == len(new)

    def _window_after(self, index: int, new: str, size: int | None) -> str:
        return self.after(index, new).window(next(iter(self.newly_modified(index, new))), size)


def window_bounds(count: int, index: int, size: int | None) -> tuple[int, int]:
    """The first and last of `size` words around `index` among `count`, inclusive; for None, of all words."""
    if size is None:
        return 0, count - 1
    half = (size - 1) / 2
    if index - half < 0:
        return 0, min(size - 1, count - 1)
    if index + half >= count:
        return max(0, count - size), count - 1
    return index - math.ceil(half), index + math.floor(half)


def changed_words(words: Sequence[str], others: Sequence[str]) -> int:
    """Number of places with different words, up to the shorter text's end; an inserted word shifts all after it."""
    return sum(word != other for word, other in zip(words, others))  # noqa: B905  # the longer's rest is not counted


def aligned_changes(words: Sequence[str], others: Sequence[str]) -> int:
    """Number of words inserted, deleted or replaced in the best alignment; at most the first text's number of words."""
    return min(Levenshtein.distance(words, others), len(words))
