"""Random substitutions within a recipe's rules: what an attack must beat with as many queries."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from benchmarks.attacks.searches import Attempt, GreedySearch, Request, Search, State
from benchmarks.attacks.words import Text
from benchmarks.data.examples import Example

ASKED_AT_ONCE = 32
MISSES = 1000  # draws in a row that are no new text, after which none is expected any more


class RandomSearch(GreedySearch):
    """Draws substitutions of a recipe at random. It must have a budget for each text.

    Attributes:
        budgets: most queries, by the example's id.
    """

    budgets: Mapping[str, int]

    def _attempt(self, example: Example) -> Attempt:
        return _RandomAttempt(self, example)


class _RandomAttempt(Attempt):
    """The state of one search."""

    def __init__(self, search: RandomSearch, example: Example) -> None:
        super().__init__(search, example)
        self._budget = max(1, search.budgets[example.id])

    def _search_from(self, first: State) -> Search:
        """Ask about random texts until one is misread and within the recipe's bounds, or the budget is spent."""
        original = first.text
        words = []
        for index in self._search.words_to_rank(original):
            new = self._search.neighbours(original, index, self._draws)
            if new:
                words.append((index, new))
        seen = {original.columns}
        while words and not self._is_over():
            texts = self._drawn(original, words, seen)
            scores, misread = yield from self._ask(text.columns for text in texts)
            for text, score, is_misread in zip(texts, scores, misread, strict=False):
                if is_misread and (yield from self._is_allowed(original, text)):
                    found = State(text, score, True)
                    if (yield from self._confirm(found)):
                        return self._outcome("successful", found, original)
            if not texts:
                break
        return self._outcome("failed", first, original)

    def _drawn(self, original: Text, words: list[tuple[int, list[str]]], seen: set[tuple[str, ...]]) -> list[Text]:
        """New random texts, as many as are asked about at once."""
        texts: list[Text] = []
        misses = 0
        while len(texts) < ASKED_AT_ONCE and misses < MISSES:
            share = self._draws.uniform((1 + 2 * len(words),))
            text = original
            for (index, new), chance, choice in zip(words, share[1::2], share[2::2], strict=True):
                if chance < share[0]:
                    text = text.after(index, new[int(choice * len(new))])
            if text.columns in seen:
                misses += 1
                continue
            misses = 0
            seen.add(text.columns)
            texts.append(text)
        return texts

    def _is_allowed(self, original: Text, found: Text) -> Generator[Request, Any, bool]:
        """Whether the recipe's bounds admit the substitutions one after another."""
        text = original
        for index in sorted(found.modified):
            allowed = yield from self._search.allowed(text, original, index, [found.words[index]])
            if not allowed:
                return False
            text = text.after(index, found.words[index])
        return True
