"""Charmer: edit one character after another where the victim reacts most.

Source: Abad Rocamora et al., ICML 2024, "Revisiting Character-level Adversarial Attacks for Language Models", with the
settings of its released scripts. Departures: the alphabet is that of the task's test texts, sorted, so that it does not
depend on the order of the texts; a step that leaves the text as it is ends the search, since all further steps would
repeat it; places and characters that tie are taken in their order.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from rapidfuzz.distance import Levenshtein

from benchmarks.attacks.character_edits import LETTERS, NOTHING, all_places, edits, inner_places, probe, word_at
from benchmarks.attacks.recipe import CharacterEdits
from benchmarks.attacks.searches import Attempt, GreedySearch, Request, Search, State
from benchmarks.attacks.words import Text, aligned_changes
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome


class CharmerSearch(GreedySearch):
    """A recipe with `CharacterEdits` that is ready to attack. Of a pair only the second text is changed."""

    @property
    def edits(self) -> CharacterEdits:
        """The recipe's edits."""
        assert self._recipe.character_edits is not None
        return self._recipe.character_edits

    @property
    def characters(self) -> tuple[str, ...]:
        """What is put at a place, the last being nothing."""
        return (*(LETTERS if self.edits.within_words else self._resources.alphabet), NOTHING)

    def texts_at_once(self, example: Example) -> int:
        """The most texts that a step asks about in one round."""
        return max(2 * len(example.texts[-1]) + 1, self.edits.places * len(self.characters))

    def _attempt(self, example: Example) -> Attempt:
        return _CharmerAttempt(self, example)


class _CharmerAttempt(Attempt):
    """The state of one search.

    Attributes of the state: the changed column as it is now, and the numbers of its changed words.
    """

    def __init__(self, search: CharmerSearch, example: Example) -> None:
        super().__init__(search, example)
        self._edits, self._characters = search.edits, search.characters
        self._before = example.texts[:-1]
        self._changed_words: frozenset[int] = frozenset()

    def _search_from(self, first: State) -> Search:
        """Edit a character in each step until the text is misread."""
        state = first
        for _ in range(self._edits.steps):
            found = yield from self._edited(state)
            if found is None:
                break
            state = found
            if state.misread and (yield from self._confirm(state)):
                return self._outcome("successful", state, first.text)
        return self._outcome("failed", state, first.text)

    def _edited(self, state: State) -> Generator[Request, Any, State | None]:
        """The text after one more edit, whether it raises the score or not; None if no edit is left."""
        text = state.text.columns[-1]
        within = self._edits.within_words
        places = list(inner_places(text, self._changed_words) if within else all_places(text))
        scores, _ = yield from self._ask(self._columns(probe(text, place)) for place in places)
        kept = [places[rank] for rank in (-scores).argsort(kind="stable")[: self._edits.places]]
        made = edits(text, kept, self._characters)
        scores, misread = yield from self._ask(self._columns(new) for _, new in made)
        if not len(scores):
            return None
        best = int(scores.argmax())
        place, new = made[best]
        if new == text:
            return None
        if within:
            self._changed_words |= {word_at(text, place)}
        return State(Text(self._columns(new)), scores[best], bool(misread[best]))

    def _columns(self, text: str) -> tuple[str, ...]:
        return (*self._before, text)

    def _outcome(self, status: Any, state: State, original: Text) -> Outcome:
        """The outcome; a blank may split or join words, so changed ones are counted in the best alignment."""
        return replace(
            super()._outcome(status, state, original),
            words_changed=aligned_changes(original.words, state.text.words),
            characters_changed=Levenshtein.distance(original.joined, state.text.joined),
        )
