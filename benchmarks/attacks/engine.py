"""The attack engine: run many searches side by side and answer their questions in batches."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.memory import in_halves
from baselines.validation import UserError, require
from benchmarks.attacks.cascade import TextSearch, search_of
from benchmarks.attacks.certificates import with_certificate
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.searches import (
    WORDS_AT_ONCE,
    AskEncoder,
    AskGradient,
    AskMaskedModel,
    AskMixture,
    AskRows,
    AskVictim,
    Request,
    Search,
)
from benchmarks.attacks.sentence_encoder import similarities
from benchmarks.attacks.time_limit import STEP_SECONDS, processor_limit
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome
from benchmarks.victims.answers import Answers
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.guarded import GuardedVictim, judge
from benchmarks.victims.mixtures import Margins, WhiteBox
from benchmarks.victims.pieces import Row
from benchmarks.victims.victim import Victim

ENGINE = "lockstep"
IN_FLIGHT = 64
WORDS_IN_FLIGHT = 8 * WORDS_AT_ONCE


def attack_all(
    victim: Victim | CallableVictim,
    examples: Sequence[Example],
    recipe: Recipe,
    resources: Resources,
    *,
    seed: int,
    columns: Sequence[str],
    in_flight: int = IN_FLIGHT,
    on_queries: Callable[[int], None] = lambda queries: None,
    search: TextSearch | None = None,
) -> Iterator[Outcome]:
    """Attack each example and yield its outcome as soon as it is known; a failed attack is an outcome too.

    An attack also fails if a single step, between two questions, takes more than `STEP_SECONDS` of processor time.

    Outcomes do not depend on `in_flight` or on the examples' order. On a GPU this holds except for probabilities that
    are equal within rounding.

    Args:
        seed: together with the recipe and the example's id it decides all random draws.
        columns: names of the text columns, for the recipes' column rules.
        in_flight: K, maximum number of searches side by side; fewer for long texts, so that they ask about at most
            `WORDS_IN_FLIGHT` words at once.
        on_queries: called with the number of texts the victim read, after each round of questions; also within a long
            text.
        search: the recipe in another search; None for its own.
    Raises:
        UserError: if the resources lack something the recipe needs.
    """
    require(in_flight >= 1, "in_flight", "1 or more", in_flight)
    resources.check(recipe)
    if recipe.library is not None:
        raise UserError(f"the recipe {recipe.key!r} runs in TextAttack's own loop; attack with the engine 'textattack'")
    require_model(victim, recipe)
    confirmations = victim.confirmations if isinstance(victim, GuardedVictim) else 0
    how: dict[str, Any] = {"columns": columns, "classes": victim.classes, "seed": seed, "confirmations": confirmations}
    search = search or search_of(recipe, resources, **how)
    oracles = _Oracles(victim, resources)
    waiting = deque(examples)
    running: list[_Running] = []
    while waiting or running:
        with processor_limit(STEP_SECONDS) as restart:
            while waiting and len(running) < in_flight and _has_room(running, waiting[0], search):
                restart()
                running.append(_Running(waiting.popleft(), search))
        asking = [each for each in running if each.request is not None]
        asked_before = victim.queries
        answers = oracles.answers([each.request for each in asking if each.request is not None])
        on_queries(victim.queries - asked_before)
        with processor_limit(STEP_SECONDS) as restart:
            for each, answer in zip(asking, answers, strict=True):
                restart()
                each.resume(answer)
        yield from [with_certificate(victim, each.outcome) for each in running if each.outcome is not None]
        running = [each for each in running if each.outcome is None]


def require_model(victim: Victim | CallableVictim, recipe: Recipe) -> None:
    """Raise an error for a function as victim, if the recipe reads tokens or gradients.

    Raises:
        UserError: naming the recipe.
    """
    require_model_for(recipe, is_model=isinstance(victim, WhiteBox))


def require_model_for(recipe: Recipe, *, is_model: bool) -> None:
    """Raise an error for a recipe that reads tokens or gradients, unless the victim is a model.

    Raises:
        UserError: naming the recipe.
    """
    if recipe.needs_model and not is_model:
        raise UserError(f"the recipe {recipe.key!r} needs a model, for its tokens and gradients; a function has none")


def require_words(examples: Sequence[Example], most: int) -> None:
    """Raise an error for texts that would take hours to attack: the work grows with the square of the words.

    Raises:
        UserError: naming the longest.
    """
    require(most >= 1, "--max-words", "1 or more", most)
    longest = max(examples, key=_length)
    if _length(longest) > most:
        raise UserError(
            f"the text {longest.id} has {_length(longest):,} words; at most {most:,} are attacked, for the work grows "
            f"with the square of the words; give shorter texts, or --max-words {_length(longest)}"
        )


def _length(example: Example) -> int:
    return sum(len(text.split()) for text in example.texts)


def _has_room(running: Sequence[_Running], example: Example, search: TextSearch) -> bool:
    """Whether one more search keeps the words asked about at once within their bound; the first always may start."""
    return not running or sum(each.words for each in running) + _words(example, search) <= WORDS_IN_FLIGHT


def _words(example: Example, search: TextSearch) -> int:
    """About how many words a search asks about at once."""
    return min(_length(example) * search.texts_at_once(example), WORDS_AT_ONCE)


class _Running:
    """A search in progress: its open question, or its outcome."""

    def __init__(self, example: Example, search: TextSearch) -> None:
        self.example, self.words = example, _words(example, search)
        self.request: Request | None = None
        self.outcome: Outcome | None = None
        self._steps: Search | None = None
        try:
            self._steps = search.attack(example)
            self.request = next(self._steps)
        except Exception:
            self._break()

    def resume(self, answer: Any) -> None:
        """Continue to the next question or to the end; an exception as answer makes the search fail."""
        assert self._steps is not None
        try:
            self.request = self._steps.throw(answer) if isinstance(answer, Exception) else self._steps.send(answer)
        except StopIteration as end:
            self.request, self.outcome = None, end.value
        except Exception:
            self._break()

    def _break(self) -> None:
        texts = self.example.texts
        self.request = None
        self.outcome = Outcome(
            self.example.id, "error", 0, self.example.label, texts, texts, 0, 0, error=traceback.format_exc()
        )


@dataclass(frozen=True)
class _Oracles:
    """The models that answer questions."""

    victim: Victim | CallableVictim
    resources: Resources

    def answers(self, requests: Sequence[Request]) -> Iterator[Any]:
        """The answers in the requests' order, with one batch for each kind of question.

        If a batch fails, its halves are asked one after the other, and so on: only the questions that fail by
        themselves get the exception, and a batch too large for the memory is asked in smaller ones.
        """
        found: list[Any] = [None] * len(requests)
        kinds: dict[tuple[type, str], list[int]] = {}
        for place, request in enumerate(requests):
            kinds.setdefault(_kind(request), []).append(place)
        answer = {
            AskVictim: self._ask_victim,
            AskEncoder: self._ask_encoder,
            AskMaskedModel: self._ask_masked,
            AskGradient: self._ask_gradient,
            AskRows: self._ask_rows,
            AskMixture: self._ask_mixtures,
        }
        for (kind, _), places in kinds.items():
            chosen = [requests[place] for place in places]
            for place, given in zip(places, in_halves(answer[kind], chosen, lambda error: error), strict=True):
                found[place] = given
        return iter(found)

    def _ask_victim(self, requests: Sequence[AskVictim]) -> list[Answers]:
        texts = [text for request in requests for text in request.texts]
        askers = [(request.asker, request.first + n) for request in requests for n in range(len(request.texts))]
        found = judge(self.victim, texts, askers, as_logits=requests[0].score == "margin")
        counts = [len(request.texts) for request in requests]
        return [Answers(*parts) for parts in zip(*(_split(each, counts) for each in found), strict=True)]

    def _ask_rows(self, requests: Sequence[AskRows]) -> list[list[Row]]:
        return [self.victim.rows(request.texts) for request in requests]

    def _ask_mixtures(self, requests: Sequence[AskMixture]) -> list[Margins]:
        return [self.victim.margins(request.mixture) for request in requests]

    def _ask_encoder(self, requests: Sequence[AskEncoder]) -> list[np.ndarray]:
        texts = [text for request in requests for text in request.texts]
        others = [text for request in requests for text in request.others]
        scores = similarities(self.resources.encoder, texts, others, requests[0].metric)
        return _split(scores, [len(request.texts) for request in requests])

    def _ask_masked(self, requests: Sequence[AskMaskedModel]) -> list[np.ndarray]:
        assert self.resources.masked_model is not None
        most = max(request.count for request in requests)
        found = self.resources.masked_model.top([request.masked for request in requests], most)
        return [top[:, : request.count] for top, request in zip(found, requests, strict=True)]

    def _ask_gradient(self, requests: Sequence[AskGradient]) -> list[tuple[list[str], np.ndarray]]:
        return [self.victim.gradient(request.text, request.score == "margin") for request in requests]


def _kind(request: Request) -> tuple[type, str]:
    """What is asked and how it is measured: questions of one kind are answered in one batch."""
    match request:
        case AskVictim(score=how) | AskGradient(score=how) | AskEncoder(metric=how):
            return type(request), how
    return type(request), ""


def _split(rows: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    return np.split(rows, np.cumsum(counts)[:-1])
