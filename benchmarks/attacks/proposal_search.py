"""Try rewrites that were made elsewhere, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.attacks.searches import AskEncoder, Attempt, GreedySearch, Search, State
from benchmarks.attacks.words import Text, aligned_changes
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome


class ProposalSearch(GreedySearch):
    """A recipe that tries the resources' proposals in their order."""

    def texts_at_once(self, example: Example) -> int:
        """It asks about one text at a time."""
        return 1

    def rewrites(self, example: Example) -> Sequence[tuple[str, ...]]:
        """The rewrites of an example's text."""
        assert self._resources.proposals is not None
        return self._resources.proposals.rewrites.get(example.texts, ())

    def _attempt(self, example: Example) -> Attempt:
        return _ProposalAttempt(self, example)


class _ProposalAttempt(Attempt):
    """The state of one search."""

    _search: ProposalSearch

    def _search_from(self, first: State) -> Search:
        """Ask about each rewrite until one is misread and similar enough."""
        original = first.text
        bound = self._recipe.sentence
        for columns in self._search.rewrites(self._example):
            if self._is_over():
                break
            scores, misread = yield from self._ask([columns])
            if not misread[0]:
                continue
            text, similarity = Text(columns), None
            if bound is not None:
                (similarity,) = yield AskEncoder([original.joined], [text.joined], bound.metric)
                if similarity < bound.threshold:
                    continue
            found = State(text, scores[0], True, None if similarity is None else float(similarity))
            if (yield from self._confirm(found)):
                return self._outcome("successful", found, original)
        return self._outcome("failed", first, original)

    def _outcome(self, status: Any, state: State, original: Text) -> Outcome:
        """The outcome; words are aligned, since a rewrite may move them."""
        changed = aligned_changes(original.words, state.text.words)
        return replace(super()._outcome(status, state, original), words_changed=changed)
