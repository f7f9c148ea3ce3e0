"""A white-box attack on a recipe's own candidates: gradients find the substitutions, the recipe's rules admit them.

Source: Guo et al., EMNLP 2021 (GBDA), for the Gumbel-softmax, the margin loss, Adam and the hard draws. Departures: the
choices of a word are the recipe's neighbours with as many tokens as the word, and not the vocabulary; the number of
changed words takes the place of the language model's terms; each substitution passes the bounds of the recipe, in the
order in which it is made. So each result is one that the recipe's own search could find.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.attacks.recipe import Gradients
from benchmarks.attacks.searches import AskMixture, AskRows, Attempt, GreedySearch, Request, Search, State
from benchmarks.attacks.words import Text
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome
from benchmarks.victims.mixtures import Margins, Mixture
from benchmarks.victims.pieces import Row

ASKED_EVERY = 10
BETAS, EPSILON = (0.9, 0.999), 1e-8


class GradientSearch(GreedySearch):
    """A recipe with `Gradients` that is ready to attack."""

    def texts_at_once(self, example: Example) -> int:
        """About how many texts it asks about at once: the samples of an iteration."""
        return self.gradients.samples

    @property
    def gradients(self) -> Gradients:
        """The recipe's settings of the search."""
        assert self._recipe.gradients is not None
        return self._recipe.gradients

    def similarity(self, word: str, new: str) -> float:
        """Cosine of two words; 1 if it is not known."""
        (found,) = self._resources.synonyms.similarities(word.lower(), [new.lower()])
        return 1.0 if found is None else found

    def _attempt(self, example: Example) -> Attempt:
        return _GradientAttempt(self, example)


@dataclass(frozen=True)
class _Word:
    """A word with its choices.

    Attributes:
        index: its place in the text.
        new: U - 1 replacements.
        positions: of the P tokens in which they differ.
        ids: token ids (U, P) of the word and of its replacements.
    """

    index: int
    new: Sequence[str]
    positions: Sequence[int]
    ids: np.ndarray


class _GradientAttempt(Attempt):
    """The state of one search."""

    _search: GradientSearch

    def __init__(self, search: GradientSearch, example: Example) -> None:
        super().__init__(search, example)
        self._settings = search.gradients
        self._gradient_passes = 0

    def _search_from(self, first: State) -> Search:
        """Climb the gradient of the margin, then decode: the fewest changes that succeed."""
        original = first.text
        row, words = yield from self._choices(original)
        if not words:
            return self._outcome("failed", first, original)
        logits = yield from self._climbed(original, row, words)
        found = yield from self._decoded(first, words, logits)
        if not found.misread:
            return self._outcome("failed", found, original)
        found = yield from self._restored(original, found)
        confirmed = yield from self._confirm(found)
        return self._outcome("successful" if confirmed else "failed", found, original)

    def _choices(self, original: Text) -> Generator[Request, Any, tuple[Row, list[_Word]]]:
        """The text's tokens, and the words with a replacement of as many tokens that the recipe allows."""
        (row,) = yield AskRows([original.columns])
        words: list[_Word] = []
        taken: set[int] = set()
        for index in self._search.words_to_rank(original):
            new = self._search.neighbours(original, index, self._draws)
            ids_of = dict((yield from self._search.with_same_tokens(original, index, new)))
            allowed = yield from self._search.allowed(original, original, index, list(ids_of))
            alike = [(each, ids_of[each]) for each, _ in allowed]
            places = sorted({place for _, ids in alike for place in range(len(ids)) if ids[place] != row.ids[place]})
            if places and not taken & set(places):
                taken |= set(places)
                ids = np.array([[ids[place] for place in places] for ids in (row.ids, *(ids for _, ids in alike))])
                words.append(_Word(index, [each for each, _ in alike], places, ids))
        return row, words

    def _climbed(self, original: Text, row: Row, words: Sequence[_Word]) -> Generator[Request, Any, list[np.ndarray]]:
        """The logits (U,) of each word's choices after all iterations, or once half of the hard draws are misread."""
        settings, share = self._settings, self._settings.change_cost / len(original.words)
        odds = settings.start / (1 - settings.start)
        logits = [np.log([len(word.new) * odds] + [1.0] * len(word.new)) for word in words]
        adam = [_Adam(settings.learning_rate, len(each)) for each in logits]
        for iteration in range(1, settings.iterations + 1):
            if self._is_over():
                break
            noisy = [each + self._gumbel((settings.samples, len(each))) for each in logits]
            soft = [_softmax(each) for each in noisy]
            chosen = [each.argmax(axis=1) for each in noisy]
            weights = soft
            if settings.straight_through:
                weights = [np.eye(each.shape[1])[hard] for each, hard in zip(soft, chosen, strict=True)]
            answer: Margins = yield AskMixture(
                Mixture(
                    row,
                    [word.positions for word in words],
                    [word.ids for word in words],
                    [each.astype(np.float32) for each in weights],
                    self._example.label,
                )
            )
            self._gradient_passes += settings.samples
            slopes = np.where(answer.scores < settings.margin, -1 / settings.samples, 0.0)[:, None]  # of the hinge
            for place, steps in enumerate(answer.gradients):
                through = soft[place] * (steps - (soft[place] * steps).sum(axis=1, keepdims=True))
                kept = _softmax(logits[place])
                cost = share * kept[0] * kept  # of the expected share of changed words
                cost[0] -= share * kept[0]
                logits[place] = logits[place] - adam[place].step((slopes * through).sum(axis=0) + cost)
            if iteration % ASKED_EVERY == 0:
                drawn = [[int(each[sample]) for each in chosen] for sample in range(settings.samples)]
                texts = [self._with(original, _substitutions(words, each)).columns for each in drawn]
                _, misread = yield from self._ask(texts)
                if len(misread) and misread.mean() >= 0.5:
                    break
        return logits

    def _decoded(
        self, first: State, words: Sequence[_Word], logits: Sequence[np.ndarray]
    ) -> Generator[Request, Any, State]:
        """The likeliest choices, then fewer of them, then up to `draws` hard draws; the first that is misread."""
        likeliest = [_likelier_than_the_word(each) for each in logits]
        best = first
        steps = yield from self._admitted(first.text, words, logits, likeliest)
        if steps:
            best = yield from self._asked(steps[-1], best)
            for step in steps[:-1]:
                fewer = yield from self._asked(step, first)
                if fewer.misread:
                    return fewer
            if best.misread:
                return best
        seen = {tuple(each[0] if each else 0 for each in likeliest)}
        for _ in range(self._settings.draws):
            if self._is_over():
                break
            chosen = [int((each + self._gumbel(each.shape)).argmax()) for each in logits]
            if tuple(chosen) in seen:
                continue
            seen.add(tuple(chosen))
            steps = yield from self._admitted(first.text, words, logits, [[each] if each else [] for each in chosen])
            if steps:
                best = yield from self._asked(steps[-1], best)
                if best.misread:
                    break
        return best

    def _admitted(
        self, original: Text, words: Sequence[_Word], logits: Sequence[np.ndarray], chosen: Sequence[Sequence[int]]
    ) -> Generator[Request, Any, list[tuple[Text, float | None]]]:
        """The texts after each substitution that the recipe admits, the surest first, with their similarities.

        Args:
            chosen: for each word, the choices that are tried in turn until the recipe admits one; none leaves the word.
        """
        sure = [1 - _softmax(each)[0] for each in logits]
        text, steps = original, []
        for place in sorted(range(len(words)), key=lambda place: -sure[place]):
            tried = [words[place].new[choice - 1] for choice in chosen[place]]
            allowed = (yield from self._search.allowed(text, original, words[place].index, tried)) if tried else []
            if allowed:
                new, similarity = allowed[0]
                text = text.after(words[place].index, new)
                steps.append((text, similarity))
        return steps

    def _asked(self, step: tuple[Text, float | None], best: State) -> Generator[Request, Any, State]:
        """The text with the victim's answer if it is misread or scores higher than the best; otherwise the best."""
        text, similarity = step
        scores, misread = yield from self._ask([text.columns])
        if not len(scores) or not (misread[0] or scores[0] > best.score):
            return best
        return State(text, scores[0], bool(misread[0]), similarity)

    def _restored(self, original: Text, found: State) -> Generator[Request, Any, State]:
        """The success with every word restored that it does not need; the least similar replacement goes first."""
        changed = {index: found.text.words[index] for index in sorted(found.text.modified)}
        near = {index: self._search.similarity(original.words[index], new) for index, new in changed.items()}
        for index in sorted(changed, key=near.__getitem__):
            if len(changed) == 1:
                break
            fewer = {place: new for place, new in changed.items() if place != index}
            text = self._with(original, fewer)
            scores, misread = yield from self._ask([text.columns])
            if len(misread) and misread[0]:
                changed, found = fewer, State(text, scores[0], True, found.similarity)
        return found

    @staticmethod
    def _with(original: Text, substitutions: Mapping[int, str]) -> Text:
        text = original
        for index, new in substitutions.items():
            text = text.after(index, new)
        return text

    def _gumbel(self, shape: tuple[int, ...]) -> np.ndarray:
        return -np.log(-np.log(self._draws.uniform(shape)))

    def _outcome(self, status: Any, state: State, original: Text) -> Outcome:
        return replace(super()._outcome(status, state, original), gradient_passes=self._gradient_passes)


def _substitutions(words: Sequence[_Word], chosen: Sequence[int]) -> dict[int, str]:
    """The new words by their places; 0 stands for the word itself."""
    return {word.index: word.new[each - 1] for word, each in zip(words, chosen, strict=True) if each}


def _likelier_than_the_word(logits: np.ndarray) -> list[int]:
    """The choices with a larger logit than the word itself, the likeliest first."""
    order = (-logits).argsort(kind="stable").tolist()
    return order[: order.index(0)]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class _Adam:
    """Adam's steps for one vector."""

    def __init__(self, learning_rate: float, size: int) -> None:
        self._rate, self._count = learning_rate, 0
        self._mean, self._square = np.zeros(size), np.zeros(size)

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """What is subtracted from the vector."""
        self._count += 1
        self._mean = BETAS[0] * self._mean + (1 - BETAS[0]) * gradient
        self._square = BETAS[1] * self._square + (1 - BETAS[1]) * gradient**2
        mean = self._mean / (1 - BETAS[0] ** self._count)
        square = self._square / (1 - BETAS[1] ** self._count)
        return self._rate * mean / (np.sqrt(square) + EPSILON)
