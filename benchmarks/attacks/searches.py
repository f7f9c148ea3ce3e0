"""One attack on one text: a search along ranked words that yields questions and is resumed with their answers.

Source: TextAttack 0.3.11, `GreedyWordSwapWIR`, `UntargetedClassification` and `SentenceEncoder`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from baselines.validation import UserError
from benchmarks.attacks.candidates import Candidates, bae_candidates, masked_candidates, words_for_a_mask
from benchmarks.attacks.constraints import Constraints
from benchmarks.attacks.masked_model import MAX_TOKENS, Masked
from benchmarks.attacks.recipe import MaskedSubstitute, MaskedWord, Metric, Recipe, Score
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.seeding import Draws, example_seed
from benchmarks.attacks.words import Text, changed_words, words_in
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome
from benchmarks.victims.answers import Answers
from benchmarks.victims.mixtures import Mixture

UNKNOWN = "[UNK]"
WORDS_AT_ONCE = 1 << 20
MASK_PROPOSALS = 4  # tokens that a masked model is first asked for, as a multiple of the words that are wanted
MOST_BY_GRADIENT = 510  # words that are ranked by gradient, the first ones: BERT's positions less two, as in TextAttack


@dataclass(frozen=True)
class AskVictim:
    """Ask for the answers to N texts.

    Attributes:
        texts: the texts.
        asker: the attacked example.
        first: the number of the first text among all that its search asks about.
        score: whether probabilities are read, or logits for a margin.
    """

    texts: Sequence[tuple[str, ...]]
    asker: str
    first: int
    score: Score = "probability"


@dataclass(frozen=True)
class AskEncoder:
    """Ask for the similarities (N,) float32 of N texts to N others."""

    texts: Sequence[str]
    others: Sequence[str]
    metric: Metric


@dataclass(frozen=True)
class AskMaskedModel:
    """Ask for the likeliest tokens (L, K) at the L positions of a text."""

    masked: Masked
    count: int


@dataclass(frozen=True)
class AskRows:
    """Ask for the tokens of N texts as the victim reads them: a `Row` for each."""

    texts: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class AskMixture:
    """Ask for the victim's `Margins` on a mixture."""

    mixture: Mixture


@dataclass(frozen=True)
class AskGradient:
    """Ask for a text's tokens (L) and the gradient (L, H) of the victim's loss by their word vectors.

    The loss is the cross-entropy of the class that the text is read as; or minus its margin over the others.
    """

    text: tuple[str, ...]
    score: Score


Request = AskVictim | AskEncoder | AskMaskedModel | AskGradient | AskRows | AskMixture
Search = Generator[Request, Any, Outcome]


@dataclass(frozen=True)
class State:
    """A text with the victim's answer.

    Attributes:
        score: 1 minus the probability of the gold label, float32; or the margin, float64.
        misread: whether another label is more likely.
        similarity: to the original, where the recipe computed one.
    """

    text: Text
    score: np.floating
    misread: bool
    similarity: float | None = None


@dataclass(frozen=True)
class _Candidate:
    """A text with one word replaced.

    Attributes:
        columns: the new text.
        before: the text that it is made from.
        index, new: the word's place, and its replacement.
        similarity: of the sentences, where the recipe computed one.
    """

    columns: tuple[str, ...]
    before: Text
    index: int
    new: str
    similarity: float | None

    def judged(self, score: np.floating, misread: np.bool_) -> State:
        """The text with the victim's answer."""
        return State(self.before.after(self.index, self.new), score, bool(misread), self.similarity)


class GreedySearch:
    """A recipe that is ready to attack: rank words by importance, then replace them one by one while it helps.

    After each word the `width` best texts are kept. If the ranked order fails, random orders follow.

    Args:
        columns: names of the text columns, for the recipe's column rules.
        classes: C, the victim's classes.
        seed: together with the recipe and the example's id it decides all random draws.
        confirmations: further answers, the majority of which must be wrong for a success, for a victim that answers by
            chance; 0 for one that answers a text always alike.
    """

    def __init__(
        self,
        recipe: Recipe,
        resources: Resources,
        *,
        columns: Sequence[str],
        classes: int,
        seed: int,
        confirmations: int = 0,
    ) -> None:
        self._recipe = recipe
        self._resources = resources
        self._classes = classes
        self._seed = seed
        self._confirmations = confirmations
        self._constraints = Constraints(recipe, resources, columns)
        self._candidates = Candidates(recipe.transformations, resources.synonyms)

    def attack(self, example: Example) -> Search:
        """The search for one example.

        Raises:
            UserError: for a label outside the victim's classes, or if the victim answers with NaN.
            RuntimeError: if a claimed success is not confirmed by a victim that answers a text always alike.
        """
        if not 0 <= example.label < self._classes:
            raise UserError(
                f"the label {example.label} of {example.id} is outside the victim's {self._classes} classes; "
                f"give labels 0 to {self._classes - 1}"
            )
        return self._attempt(example).run()

    def _attempt(self, example: Example) -> Attempt:
        return Attempt(self, example)

    def texts_at_once(self, example: Example) -> int:
        """About how many texts the search for an example asks about in one round: one for each word."""
        return sum(len(text.split()) for text in example.texts)

    def words_to_rank(self, text: Text) -> list[int]:
        """Places of the words that the recipe may change."""
        return self._constraints.modifiable(text)

    def replacements(
        self, text: Text, original: Text, index: int, draws: Draws, proposals: dict[Text, np.ndarray]
    ) -> Generator[Request, Any, list[tuple[str, float | None]]]:
        """The allowed replacements of a word, each with its similarity if one is computed.

        Args:
            proposals: filled here with the masked model's answers about texts.
        """
        if not self._constraints.may_modify(text, index):
            return []
        if self._recipe.needs_masked_model:
            is_bae = isinstance(self._recipe.transformations[0], MaskedWord)
            found = yield from self._in_mask(text, index) if is_bae else self._masked(text, index, proposals)
        else:
            found = self._candidates.of(text.words[index], draws)
        if self._recipe.same_tokens:
            found = [new for new, _ in (yield from self.with_same_tokens(original, index, found))]
        return (yield from self.allowed(text, original, index, found))

    def with_same_tokens(
        self, original: Text, index: int, found: Sequence[str]
    ) -> Generator[Request, Any, list[tuple[str, tuple[int, ...]]]]:
        """The single words with as many tokens as the original one, each with the token ids of the whole text.

        Words after the place at which the victim cuts the text have none.
        """
        single = [new for new in found if len(words_in(new)) == 1]
        if not single:
            return []
        texts = [original.columns, *(original.replaced(index, new) for new in single)]
        own, *rows = yield AskRows(texts)
        ids = [(new, row.ids) for new, row in zip(single, rows, strict=True)]
        return [(new, each) for new, each in ids if len(each) == len(own.ids) and each != own.ids]

    def neighbours(self, original: Text, index: int, draws: Draws) -> list[str]:
        """The single words that the recipe's rules on words allow in place of a word of the original text."""
        found = self._candidates.of(original.words[index], draws)
        return [new for new in self._constraints.passing(original, original, index, found) if len(words_in(new)) == 1]

    def allowed(
        self, text: Text, original: Text, index: int, found: Sequence[str]
    ) -> Generator[Request, Any, list[tuple[str, float | None]]]:
        """The replacements that keep to the recipe's bounds, each with its similarity if one is computed."""
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
            proposals[text] = yield AskMaskedModel(Masked(model.ids(text.joined), last), part.candidates)
        return masked_candidates(model, text.words[index], index == 0, proposals[text][first:last], part.candidates)

    def _in_mask(self, text: Text, index: int) -> Generator[Request, Any, list[str]]:
        """BAE's proposals for the word at `index`, in whose place the masked model reads a mask."""
        model = self._resources.masked_model
        assert model is not None
        (part,) = (part for part in self._recipe.transformations if isinstance(part, MaskedWord))
        ids = model.ids("\n".join(text.replaced(index, model.tokenizer.mask_token)))
        if model.tokenizer.mask_token_id not in ids:  # cut off
            return []
        place = ids.index(model.tokenizer.mask_token_id)
        for count in (min(MASK_PROPOSALS * part.candidates, model.vocabulary), model.vocabulary):
            proposals = yield AskMaskedModel(Masked(ids, len(ids)), count)
            words = words_for_a_mask(model, place == 1, proposals[place], part.candidates)
            if len(words) == part.candidates or count == model.vocabulary:
                break
        return bae_candidates(words, text.words[index])

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
        similarities = yield AskEncoder(before, after, bound.metric)
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


def tokens_of_words(words: Sequence[str], tokens: Sequence[str]) -> list[list[int]]:
    """The places of each word's tokens; none for a word that the tokenizer spells otherwise, or has cut off.

    Source: TextAttack 0.3.11, `AttackedText.align_with_model_tokens`.
    """
    plain = [token.replace("##", "").replace("\u0120", "").replace("__", "").lower() for token in tokens]
    found, place, last = [], 0, 0
    for word in words:
        left, mine = word.lower(), []
        while place < len(plain) and left:
            if left.startswith(plain[place]):
                left = left[len(plain[place]) :]
                mine.append(place)
                last = place
            place += 1
        if not mine:
            place = last
        found.append(mine)
    return found


def _is_among(text: Text, states: Sequence[State]) -> bool:
    return any(state.text is text for state in states)


class Attempt:
    """The state of one search."""

    def __init__(self, search: GreedySearch, example: Example) -> None:
        self._search = search
        self._recipe = search._recipe
        self._example = example
        self._queries = 0
        self._budget = self._recipe.query_budget
        if self._recipe.queries_per_word is not None:
            self._budget = self._recipe.budget_for(len(Text(example.texts).words))
        self._questions = 0
        self._first_flip: bool | None = False if search._confirmations else None
        self._draws = Draws(example_seed(search._seed, self._recipe.base_key, example.id))
        self._proposals: dict[Text, np.ndarray] = {}
        self._gradient_passes: int | None = None
        self._equal_ranking_share: float | None = None
        self._substitutes: dict[int, str] = {}
        self._last_read: int | None = None
        self._steps = self._idle_steps = 0
        words = sum(len(text.split()) for text in example.texts)
        self._texts_at_once = max(1, WORDS_AT_ONCE // max(1, words))

    def run(self) -> Search:
        """Ask about the text, and attack it unless it is misread as it is."""
        original = Text(self._example.texts)
        first = yield from self._first_state(original)
        if first.misread:
            return self._outcome("skipped", first, original)
        return (yield from self._search_from(first))

    def _search_from(self, first: State) -> Search:
        """Rank the words, then replace them in that order; after a failure in random orders."""
        ranked = yield from self._ranking(first)
        best = first
        for attempt in range(1 + self._recipe.restarts):
            order = ranked if attempt == 0 else ranked[self._draws.order(len(ranked))]
            found = yield from self._along(order, first)
            if found.misread:
                return self._outcome("successful", found, first.text)
            best = found if found.score > best.score else best
        return self._outcome("failed", best, first.text)

    def _along(self, order: np.ndarray, first: State) -> Generator[Request, Any, State]:
        """Replace words in an order; the first misread text, or the one with the highest score."""
        states: Sequence[State] = [first]
        step = self._fixed_step if self._recipe.fixed_substitutes else self._step
        for index in order:
            if self._is_over():
                break
            states = yield from step(states, first.text, int(index))
            if states[0].misread:
                if (yield from self._confirm(states[0])):
                    break
                states = [replace(states[0], misread=False)]
            self._proposals = {text: top for text, top in self._proposals.items() if _is_among(text, states)}
        return states[0]

    def _ask(self, texts: Iterable[tuple[str, ...]]) -> Generator[Request, Any, tuple[np.ndarray, np.ndarray]]:
        """Scores and whether misread, for as many of the texts as the budget allows; each text is a query.

        Each has about as many words as the original. They are made and asked about in groups of `WORDS_AT_ONCE` words,
        so that a long text takes no more memory than others.
        """
        left = None if self._budget is None else self._budget - self._queries
        waiting, judged = islice(texts, left), []
        while asked := list(islice(waiting, self._texts_at_once)):
            self._queries += len(asked)
            judged.append(self._judge((yield self._question(asked))))
        if not judged:
            return np.zeros(0, np.float32), np.zeros(0, bool)
        return np.concatenate([scores for scores, _ in judged]), np.concatenate([misread for _, misread in judged])

    def _question(self, texts: Sequence[tuple[str, ...]]) -> AskVictim:
        first, self._questions = self._questions, self._questions + len(texts)
        return AskVictim(texts, self._example.id, first, self._recipe.score)

    def _judge(self, answers: Answers) -> tuple[np.ndarray, np.ndarray]:
        """Scores and whether misread."""
        shown, label = answers.shown, self._example.label
        if not np.isfinite(shown).all():
            raise UserError("the victim answered with NaN or infinity; its weights or its head are damaged")
        misread = answers.decided != label
        if self._recipe.score == "margin":
            return np.delete(shown, label, axis=1).max(axis=1) - shown[:, label], misread
        return np.float32(1) - shown[:, label], misread

    def _is_over(self) -> bool:
        return self._queries == self._budget

    def _ranking(self, first: State) -> Generator[Request, Any, np.ndarray]:
        """Places of words, the most important first: mostly by the score of the text without the word."""
        if self._recipe.ranking == "gradient":
            return (yield from self._by_gradient(first.text))
        places = self._search.words_to_rank(first.text)
        without = "" if self._recipe.ranking == "delete" else UNKNOWN
        scores, _ = yield from self._ask(first.text.replaced(place, without) for place in places)
        self._measure_plateau(np.array(places[: len(scores)]), scores != first.score)
        if self._recipe.ranking in ("weighted_saliency", "weighted_gain"):
            scores = yield from self._weighted(first, places, scores)
        return np.array(places, dtype=np.int64)[(-scores).argsort()]  # NumPy's default sort decides ties

    def _by_gradient(self, text: Text) -> Generator[Request, Any, np.ndarray]:
        """Places of words, the one with the largest gradient first; a single text is read up to its last such word."""
        places = sorted(self._search.words_to_rank(text))[:MOST_BY_GRADIENT]
        if not places:
            return np.zeros(0, np.int64)
        read = text if len(text.columns) > 1 else Text((text.up_to(places[-1]),))
        self._gradient_passes = 1
        tokens, gradient = yield AskGradient(read.columns, self._recipe.score)
        matched = tokens_of_words(read.words, tokens)
        norms = [
            np.linalg.norm(gradient[matched[place]].mean(axis=0), ord=1) if matched[place] else 0.0 for place in places
        ]
        return np.array(places)[(-np.array(norms, dtype=np.float64)).argsort()]

    def _weighted(
        self, first: State, places: Sequence[int], saliency: np.ndarray
    ) -> Generator[Request, Any, np.ndarray]:
        """PWWS's weights (N,) of N words; also keeps the best substitute of each.

        Without a zero of the score, as by margin, the weight is the gain over the text itself.
        """
        substitutes: list[list[str]] = []
        for place in places:
            found = yield from self._search.replacements(first.text, first.text, place, self._draws, self._proposals)
            substitutes.append(sorted((new for new, _ in found), key=lambda new: first.text.replaced(place, new)))
        scores, _ = yield from self._ask(
            first.text.replaced(place, new) for place, mine in zip(places, substitutes, strict=True) for new in mine
        )
        if self._is_over():
            return np.zeros(len(places))
        is_gain = self._recipe.ranking == "weighted_gain" or self._recipe.score == "margin"
        best, start = np.zeros(len(places)), 0
        for number, (place, mine) in enumerate(zip(places, substitutes, strict=True)):
            if mine:
                own = scores[start : start + len(mine)]
                best[number] = own.max() - (first.score if is_gain else 0)
                self._substitutes[place] = mine[own.argmax()]
                start += len(mine)
        # In single precision, as in TextAttack: the weight of equal words is equal.
        return torch.from_numpy(saliency.astype(np.float32)).softmax(dim=0).numpy() * best

    def _measure_plateau(self, places: np.ndarray, changed: np.ndarray) -> None:
        """Record the share of words that make no difference to the score.

        Words after the last one that makes a difference are left out, here and in the steps: the victim may not read
        them, since it cuts long texts.
        """
        if changed.any():
            self._last_read = int(places[changed].max())
            changed = changed[places <= self._last_read]
        if len(changed):
            self._equal_ranking_share = float(1 - changed.mean())

    def _step(self, states: Sequence[State], original: Text, index: int) -> Generator[Request, Any, Sequence[State]]:
        """The best texts after one word, the best first: among those before and their replacements of the word.

        Once a replacement succeeds, the result is that text alone: among the replacements that succeed without a gap
        in the order of scores, the most similar one.
        """
        candidates: list[_Candidate] = []
        for state in states:
            text = state.text
            found = yield from self._search.replacements(text, original, index, self._draws, self._proposals)
            candidates += [_Candidate(text.replaced(index, new), text, index, new, near) for new, near in found]
        if not candidates:
            return states
        candidates.sort(key=lambda candidate: "\n".join(candidate.columns))
        scores, misread = yield from self._ask(candidate.columns for candidate in candidates)
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        self._count_step(index, scores[order[0]] > states[0].score)
        width = self._recipe.width
        is_full = len(states) == width
        better = [place for place in order[:width] if not is_full or scores[place] > states[-1].score]
        new = {place: candidates[place].judged(scores[place], misread[place]) for place in better}
        # Among equals a text from before comes first, then the candidate that is first in the alphabet.
        kept = sorted([*states, *new.values()], key=lambda state: -state.score)[:width]
        for rank, place in enumerate(better):
            if new[place].misread and new[place] in kept:
                place = self._most_similar(candidates, order[rank:], misread)
                return [candidates[place].judged(scores[place], misread[place])]
        return kept

    def _fixed_step(
        self, states: Sequence[State], original: Text, index: int
    ) -> Generator[Request, Any, Sequence[State]]:
        """The text with the word's fixed substitute, whether or not it raises the score."""
        (state,) = states
        if index not in self._substitutes:
            return states
        new = self._substitutes[index]
        candidate = _Candidate(state.text.replaced(index, new), state.text, index, new, None)
        scores, misread = yield from self._ask([candidate.columns])
        self._count_step(index, scores[0] > state.score)
        return [candidate.judged(scores[0], misread[0])]

    def _count_step(self, index: int, is_raised: bool) -> None:
        if self._last_read is None or index <= self._last_read:
            self._steps += 1
            self._idle_steps += not is_raised

    @staticmethod
    def _most_similar(candidates: Sequence[_Candidate], order: list[int], misread: np.ndarray) -> int:
        """Among the best candidates, as far as they succeed without a gap, the most similar one."""
        chosen, most = order[0], -float("inf")
        for place in order:
            similarity = candidates[place].similarity
            if not misread[place] or similarity is None:
                break
            if similarity > most:
                chosen, most = place, similarity
        return chosen

    def _first_state(self, original: Text) -> Generator[Request, Any, State]:
        """The text with the victim's answer; the majority of further answers, of a victim that answers by chance."""
        scores, misread = yield from self._ask([original.columns])
        state = State(original, scores[0], bool(misread[0]))
        if self._search._confirmations:
            confirmed = yield from self._confirm(state)
            self._first_flip, state = state.misread, replace(state, misread=confirmed)
        return state

    def _confirm(self, state: State) -> Generator[Request, Any, bool]:
        """Whether further answers confirm that a text is misread; they do not count as queries.

        A victim that answers by chance is asked several times, and the majority decides.
        """
        count = self._search._confirmations
        _, misread = self._judge((yield self._question([state.text.columns] * (count or 1))))
        if count:
            self._first_flip = True
        elif not misread[0]:
            raise RuntimeError(f"the success on {self._example.id} is not confirmed by asking again")
        return 2 * int(misread.sum()) > (count or 1)

    def _outcome(self, status: Any, state: State, original: Text) -> Outcome:
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
            gradient_passes=self._gradient_passes,
            equal_ranking_share=self._equal_ranking_share,
            idle_step_share=self._idle_steps / self._steps if self._steps else None,
            first_flip=self._first_flip,
        )
