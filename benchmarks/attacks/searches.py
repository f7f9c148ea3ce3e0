"""One attack on one text: a greedy search that yields questions and is resumed with their answers.

Source: TextAttack 0.3.11, `GreedyWordSwapWIR`, `UntargetedClassification` and `SentenceEncoder`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from baselines.validation import UserError
from benchmarks.attacks.candidates import Candidates, masked_candidates
from benchmarks.attacks.constraints import Constraints
from benchmarks.attacks.masked_model import MAX_TOKENS, Masked
from benchmarks.attacks.recipes import MaskedSubstitute, Recipe
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.seeding import Draws, example_seed
from benchmarks.attacks.words import Text, changed_words
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome

UNKNOWN = "[UNK]"
WORDS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class AskVictim:
    """Ask for the probabilities (N, C) float32 of N texts."""

    texts: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class AskEncoder:
    """Ask for the similarities (N,) float32 of N texts to N others."""

    texts: Sequence[str]
    others: Sequence[str]


@dataclass(frozen=True)
class AskMaskedModel:
    """Ask for the likeliest tokens (L, K) at the L positions of a text."""

    masked: Masked
    count: int


Request = AskVictim | AskEncoder | AskMaskedModel
Search = Generator[Request, Any, Outcome]


@dataclass(frozen=True)
class _State:
    """A text with the victim's answer.

    Attributes:
        score: 1 minus the probability of the gold label, float32.
        misread: whether another label is more likely.
        similarity: to the original, where the recipe computed one.
    """

    text: Text
    score: np.float32
    misread: bool
    similarity: float | None = None


class GreedySearch:
    """A recipe that is ready to attack: rank words by importance, then replace them one by one while it helps.

    Args:
        columns: names of the text columns, for the recipe's column rules.
        classes: C, the victim's classes.
        seed: together with the recipe and the example's id it decides all random draws.
    """

    def __init__(
        self, recipe: Recipe, resources: Resources, *, columns: Sequence[str], classes: int, seed: int
    ) -> None:
        self._recipe = recipe
        self._resources = resources
        self._classes = classes
        self._seed = seed
        self._constraints = Constraints(recipe, resources, columns)
        self._candidates = Candidates(recipe.transformations, resources.synonyms)

    def attack(self, example: Example) -> Search:
        """The search for one example.

        Raises:
            UserError: for a label outside the victim's classes, or if the victim answers with NaN.
            RuntimeError: if a claimed success is not confirmed.
        """
        if not 0 <= example.label < self._classes:
            raise UserError(
                f"the label {example.label} of {example.id} is outside the victim's {self._classes} classes; "
                f"give labels 0 to {self._classes - 1}"
            )
        return _Attempt(self, example).run()

    def words_to_rank(self, text: Text) -> list[int]:
        """Places of the words that the recipe may change."""
        return self._constraints.modifiable(text)

    def replacements(
        self, text: Text, original: Text, index: int, draws: Draws, proposals: dict[Text, np.ndarray]
    ) -> Generator[Request, Any, list[tuple[str, float | None]]]:
        """The allowed replacements of a word, each with its similarity if one is computed.

        Args:
            proposals: filled here with the masked model's answer about the latest text.
        """
        if not self._constraints.may_modify(text, index):
            return []
        if self._recipe.needs_masked_model:
            found = yield from self._masked(text, index, proposals)
        else:
            found = self._candidates.of(text.words[index], draws)
        passed = self._constraints.passing(text, original, index, found)
        if self._recipe.sentence is None or not passed:
            return [(new, None) for new in passed]
        return (yield from self._similar_enough(text, original, index, passed))

    def _masked(self, text: Text, index: int, proposals: dict[Text, np.ndarray]) -> Generator[Request, Any, list[str]]:
        """The masked model's proposals for the word at `index`.

        The model reads the text unmasked; the mask only serves to find the word's first piece, as in TextAttack.
        """
        model = self._resources.masked_model
        assert model is not None
        (part,) = (part for part in self._recipe.transformations if isinstance(part, MaskedSubstitute))
        with_mask = model.ids("\n".join(text.replaced(index, model.tokenizer.mask_token)))
        if model.tokenizer.mask_token_id not in with_mask:  # cut off
            return []
        first = with_mask.index(model.tokenizer.mask_token_id)
        last = min(first + model.piece_count(text.words[index]), MAX_TOKENS)
        if last == first:
            return []
        if text not in proposals or len(proposals[text]) < last:
            proposals.clear()  # the search never returns to an earlier text
            proposals[text] = yield AskMaskedModel(Masked(model.ids(text.joined), last), part.candidates)
        return masked_candidates(model, text.words[index], index == 0, proposals[text][first:last], part.candidates)

    def _similar_enough(
        self, text: Text, original: Text, index: int, replacements: list[str]
    ) -> Generator[Request, Any, list[tuple[str, float | None]]]:
        bound = self._recipe.sentence
        assert bound is not None
        reference = text if bound.against == "current" else original
        lengths = [len(text.words_with(index, new)) for new in replacements] if bound.skip_short else []
        if bound.skip_short and max(lengths) < bound.window:
            return [(new, 1.0) for new in replacements]
        before = [reference.window(_first(text.newly_modified(index, new)), bound.window) for new in replacements]
        after = text.windows_with(index, replacements, bound.window)
        similarities = yield AskEncoder(before, after)
        if bound.skip_short:
            similarities = np.where(np.array(lengths) < bound.window, np.float32(1), similarities)
        kept = similarities >= np.float32(bound.threshold)
        return [
            (new, float(similarity))
            for new, similarity, keep in zip(replacements, similarities, kept, strict=True)
            if keep
        ]


def _first(places: set[int]) -> int:
    """The place around which TextAttack takes a window."""
    return next(iter(places))


class _Attempt:
    """The state of one search."""

    def __init__(self, search: GreedySearch, example: Example) -> None:
        self._search = search
        self._recipe = search._recipe
        self._example = example
        self._queries = 0
        self._draws = Draws(example_seed(search._seed, self._recipe.key, example.id))
        self._proposals: dict[Text, np.ndarray] = {}
        words = sum(len(text.split()) for text in example.texts)
        self._texts_at_once = max(1, WORDS_AT_ONCE // max(1, words))

    def run(self) -> Search:
        """Ask about the text, rank the words, then replace them in that order."""
        original = Text(self._example.texts)
        scores, misread = yield from self._ask([original.columns])
        state = _State(original, scores[0], bool(misread[0]))
        if state.misread:
            return self._outcome("skipped", state, original)
        for index in (yield from self._ranking(original)):
            if self._is_over():
                break
            better = yield from self._step(state, original, int(index))
            state = better or state
            if state.misread:
                yield from self._confirm(state)
                return self._outcome("successful", state, original)
        return self._outcome("failed", state, original)

    def _ask(self, texts: Iterable[tuple[str, ...]]) -> Generator[Request, Any, tuple[np.ndarray, np.ndarray]]:
        """Scores and whether misread, for as many of the texts as the budget allows; each text is a query.

        Each has about as many words as the original. They are made and asked about in groups of `WORDS_AT_ONCE` words,
        so that a long text takes no more memory than others.
        """
        left = None if self._recipe.query_budget is None else self._recipe.query_budget - self._queries
        waiting, judged = islice(texts, left), []
        while asked := list(islice(waiting, self._texts_at_once)):
            self._queries += len(asked)
            judged.append(self._judge((yield AskVictim(asked))))
        if not judged:
            return np.zeros(0, np.float32), np.zeros(0, bool)
        return np.concatenate([scores for scores, _ in judged]), np.concatenate([misread for _, misread in judged])

    def _judge(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not np.isfinite(probabilities).all():
            raise UserError("the victim answered with NaN or infinity; its weights or its head are damaged")
        label = self._example.label
        return np.float32(1) - probabilities[:, label], probabilities.argmax(axis=1) != label

    def _is_over(self) -> bool:
        return self._queries == self._recipe.query_budget

    def _ranking(self, text: Text) -> Generator[Request, Any, np.ndarray]:
        """Places of words, the most important first, by the score of the text without the word."""
        places = self._search.words_to_rank(text)
        without = "" if self._recipe.ranking == "delete" else UNKNOWN
        scores, _ = yield from self._ask(text.replaced(place, without) for place in places)
        return np.array(places, dtype=np.int64)[(-scores).argsort()]  # NumPy's default sort decides ties

    def _step(self, state: _State, original: Text, index: int) -> Generator[Request, Any, _State | None]:
        """The best replacement of one word, or None if none raises the score."""
        text = state.text
        found = yield from self._search.replacements(text, original, index, self._draws, self._proposals)
        if not found:
            return None
        candidates = [(text.replaced(index, new), new, similarity) for new, similarity in found]
        candidates.sort(key=lambda candidate: "\n".join(candidate[0]))
        scores, misread = yield from self._ask(candidate[0] for candidate in candidates)
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        if not scores[order[0]] > state.score:
            return None
        best = order[0]
        if misread[best]:
            best = self._most_similar(candidates, order, misread)
        _, new, similarity = candidates[best]
        return _State(text.after(index, new), scores[best], bool(misread[best]), similarity)

    @staticmethod
    def _most_similar(candidates: Sequence[tuple[Any, str, float | None]], order: list[int], misread: Any) -> int:
        """Among the best candidates, as far as they succeed without a gap, the most similar one."""
        chosen, most = order[0], -float("inf")
        for place in order:
            similarity = candidates[place][2]
            if not misread[place] or similarity is None:
                break
            if similarity > most:
                chosen, most = place, similarity
        return chosen

    def _confirm(self, state: _State) -> Generator[Request, Any, None]:
        """Ask the victim again about a success; this does not count as a query."""
        _, misread = self._judge((yield AskVictim([state.text.columns])))
        if not misread[0]:
            raise RuntimeError(f"the success on {self._example.id} is not confirmed by asking again")

    def _outcome(self, status: Any, state: _State, original: Text) -> Outcome:
        return Outcome(
            example_id=self._example.id,
            status=status,
            queries=0 if status == "skipped" else self._queries,
            label=self._example.label,
            original=self._example.texts,
            perturbed=state.text.columns,
            words=len(original.words),
            words_changed=changed_words(original.words, state.text.words),
            similarity=state.similarity,
        )
