"""Compare the attack engine with TextAttack's own loop: same texts, same victim, same outcomes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from benchmarks.attacks import engine
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.attacks.textattack_import import import_textattack
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome
from benchmarks.victims.pieces import Row
from benchmarks.victims.victim import Victim

WAYS = ("textattack 512", "textattack 128", "textattack dynamic", "engine")
TEXTATTACK_BATCH = 32
TIE = 1e-5
WARM_UP_TEXTS = 3


@dataclass(frozen=True)
class Disagreement:
    """A text with different results in TextAttack and the engine, attacked again to find out why.

    Attributes:
        example_id: the text.
        same_without_padding: whether TextAttack's loop gives the engine's outcome with the engine's victim.
        largest_difference: between a probability with padding and without, over all of TextAttack's queries.
    """

    example_id: str
    same_without_padding: bool
    largest_difference: float

    @property
    def is_a_tie(self) -> bool:
        """Whether ties between candidates, within rounding, explain the difference."""
        return self.same_without_padding and self.largest_difference < TIE


@dataclass(frozen=True)
class Timing:
    """One recipe, attacked in one way.

    Attributes:
        recipe: the recipe's key.
        way: one of `WAYS`.
        seconds: CPU seconds of the process on a CPU, wall seconds on a GPU.
        python_seconds: CPU seconds with the models' answers looked up and nothing else cached; None if not measured.
        queries: victim queries of all texts together.
        disagreements: texts with another status, final text or number of queries than the engine's.
        texts: texts attacked.
    """

    recipe: str
    way: str
    seconds: float
    python_seconds: float | None
    queries: int
    disagreements: tuple[Disagreement, ...]
    texts: int

    @property
    def agreeing(self) -> int:
        """Number of texts with the engine's status, final text and queries."""
        return self.texts - len(self.disagreements)


class RecordedVictim(Victim):
    """A victim that stores every answer; a second, new one answers from the stored answers.

    Rounding on a GPU may lead a search to an input without a stored answer; it is then computed.
    """

    def __init__(self, victim: Victim, answers: dict[Row, np.ndarray] | None = None) -> None:
        super().__init__(
            victim.model, victim.tokenizer, max_length=victim.max_length, device=victim.device, kernel=victim.kernel
        )
        self._known = answers
        self.recorded: dict[Row, np.ndarray] = {}

    def _forward(self, rows: Sequence[Row]) -> np.ndarray:
        if self._known is None:
            found = super()._forward(rows)
            self.recorded.update(zip(rows, found, strict=True))
            return found
        return _looked_up(self._known, rows, super()._forward) if rows else super()._forward(rows)


class RecordedEncoder(MeanPooledEncoder):
    """A sentence encoder that stores every vector; see `RecordedVictim`."""

    def __init__(self, encoder: MeanPooledEncoder, answers: dict[Row, np.ndarray] | None = None) -> None:
        super().__init__(encoder.backbone, encoder.device, encoder.kernel)
        self._answers = answers
        self.recorded: dict[Row, np.ndarray] = {}

    def _forward(self, rows: Sequence[Row]) -> np.ndarray:
        if self._answers is None:
            found = super()._forward(rows)
            self.recorded.update(zip(rows, found, strict=True))
            return found
        return _looked_up(self._answers, rows, super()._forward)


def _looked_up(known: dict[Any, np.ndarray], rows: Sequence[Any], compute: Callable[..., np.ndarray]) -> np.ndarray:
    """Look up the answers to rows; compute and store those that are missing."""
    new = [row for row in rows if row not in known]
    if new:
        known.update(zip(new, compute(new), strict=True))
    return np.stack([known[row] for row in rows])


class PlainEncoder:
    """The sentence encoder in TextAttack's way: every window of every candidate, padded within its batch."""

    def __init__(self, encoder: MeanPooledEncoder, answers: dict[str, np.ndarray] | None = None) -> None:
        self._encoder = encoder
        self._answers = answers
        self.recorded: dict[str, np.ndarray] = {}

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 of length 1."""
        if self._answers is not None:
            return np.stack([self._answers[text] for text in texts])
        found = []
        for start in range(0, len(texts), TEXTATTACK_BATCH):
            batch = self._encoder.tokenizer(
                list(texts[start : start + TEXTATTACK_BATCH]),
                truncation=True,
                max_length=self._encoder.max_length,
                padding=True,
                return_tensors="pt",
            ).to(self._encoder.device)
            hidden = self._encoder.model.base_model(**batch).last_hidden_state
            weights = batch["attention_mask"].unsqueeze(-1)
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
            found.append(torch.nn.functional.normalize(pooled, dim=1).cpu().numpy())
        rows = np.concatenate(found)
        self.recorded.update(zip(texts, rows, strict=True))
        return rows

    def describe(self) -> str:
        """The encoder, in words."""
        return self._encoder.describe()

    def identity(self) -> dict[str, Any]:
        """The encoder's identity."""
        return self._encoder.identity()


def compare(
    victim: Victim,
    examples: Sequence[Example],
    recipe: Recipe,
    resources: Resources,
    *,
    columns: Sequence[str],
    seed: int,
    ways: Sequence[str] = WAYS,
    say: Callable[[str], None] = lambda line: None,
) -> list[Timing]:
    """Attack the same texts in each way, the engine last.

    TextAttack runs with its own wrapper (padding to 512 or to 128) or with padding to the longest text of a batch of
    32, and with its own classes for search, transformations and constraints; synonyms, tags and sentence vectors come
    from the same resources. Long texts are truncated at the same place in every way. Each way first attacks a few
    texts without timing, so that loading at first use is not measured.
    """
    encoder = resources.encoder
    assert isinstance(encoder, MeanPooledEncoder)
    encoder.encode(["loaded"])  # loading is not timed
    if tuple(ways) != WAYS[-1:]:
        import_textattack()
    outcomes: dict[str, list[Outcome]] = {}
    seconds: dict[str, tuple[float, float | None]] = {}
    for way in ways:
        run = _engine_times if way == "engine" else _textattack_run(_padding(way))
        run(victim, examples[:WARM_UP_TEXTS], recipe, resources, columns, seed)
        outcomes[way], *seconds[way] = run(victim, examples, recipe, resources, columns, seed)  # type: ignore[assignment]
        say(f"{recipe.key}, {way}: {seconds[way][0]:.1f} s")
    ours = {outcome.example_id: outcome for outcome in outcomes[ways[-1]]}
    timings = []
    for way in ways:
        disagreeing = {each.example_id for each in outcomes[way] if not _same(each, ours[each.example_id])}
        timings.append(
            Timing(
                recipe.key,
                way,
                *seconds[way],
                queries=sum(outcome.queries for outcome in outcomes[way]),
                disagreements=tuple(
                    _look_closer(victim, each, recipe, resources, columns, seed, _padding(way), ours[each.id])
                    for each in examples
                    if each.id in disagreeing
                ),
                texts=len(examples),
            )
        )
    return timings


def _look_closer(
    victim: Victim,
    example: Example,
    recipe: Recipe,
    resources: Resources,
    columns: Sequence[str],
    seed: int,
    padding: int | Literal[True],
    ours: Outcome,
) -> Disagreement:
    from benchmarks.attacks.reference import attack_one
    from benchmarks.attacks.textattack_parts import ComparedWrapper, build_attack

    def attack(ready: Any) -> Outcome:
        return attack_one(ready, example, seed=seed, recipe=recipe, columns=columns)

    wrapper = ComparedWrapper(victim, padding)
    plain = replace(resources, encoder=PlainEncoder(resources.encoder))
    attack(build_attack(recipe, plain, victim, wrapper=wrapper, batch=TEXTATTACK_BATCH))
    same = _same(attack(build_attack(recipe, resources, victim)), ours)
    return Disagreement(example.id, same, wrapper.largest_difference)


def _same(outcome: Outcome, other: Outcome) -> bool:
    parts = ("status", "queries", "perturbed")
    return all(getattr(outcome, part) == getattr(other, part) for part in parts)


def _padding(way: str) -> int | Literal[True]:
    kind = way.removeprefix("textattack ")
    return True if kind == "dynamic" else int(kind)


def _timed(device: str, work: Callable[[], list[Outcome]]) -> tuple[list[Outcome], float]:
    clock = time.perf_counter if device == "cuda" else time.process_time
    gc.collect()  # free earlier objects outside the timing
    start = clock()
    found = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return found, clock() - start


class Asked(NamedTuple):
    """The different inputs that an attack asked about.

    Attributes:
        of_victim, of_encoder: those of each model.
    """

    of_victim: Sequence[Row]
    of_encoder: Sequence[Row]


def engine_run(
    victim: Victim, examples: Sequence[Example], recipe: Recipe, resources: Resources, columns: Sequence[str], seed: int
) -> tuple[list[Outcome], float, float, Asked]:
    """Attack texts with the engine: outcomes, seconds, those of Python alone, and the inputs of both models."""

    def attack(by: Victim, parts: Resources) -> list[Outcome]:
        return list(engine.attack_all(by, examples, recipe, parts, seed=seed, columns=columns))

    recording = RecordedVictim(victim)
    encoder = RecordedEncoder(resources.encoder)
    warm = replace(resources, encoder=encoder)
    encoder.encode(["loaded"])
    found, taken = _timed(victim.device, lambda: attack(recording, warm))
    free = RecordedVictim(victim, recording.recorded)
    parts = replace(resources, encoder=RecordedEncoder(encoder, encoder.recorded))
    parts.encoder.encode(["loaded"])
    _, python = _timed("cpu", lambda: attack(free, parts))
    return found, taken, python, Asked(list(recording.recorded), list(encoder.recorded))


def _engine_times(*given: Any) -> tuple[list[Outcome], float, float | None]:
    return engine_run(*given)[:3]


def _textattack_run(padding: int | Literal[True]) -> Callable[..., tuple[list[Outcome], float, float | None]]:
    def run(
        victim: Victim,
        examples: Sequence[Example],
        recipe: Recipe,
        resources: Resources,
        columns: Sequence[str],
        seed: int,
    ) -> tuple[list[Outcome], float, float | None]:
        from benchmarks.attacks.reference import attack_one
        from benchmarks.attacks.textattack_parts import PaddingWrapper, build_attack

        def attack(wrapper: Any, encoder: PlainEncoder) -> list[Outcome]:
            parts = replace(resources, encoder=encoder)
            ready = build_attack(recipe, parts, victim, wrapper=wrapper, batch=TEXTATTACK_BATCH)
            return [attack_one(ready, each, seed=seed, recipe=recipe, columns=columns) for each in examples]

        wrapper, encoder = PaddingWrapper(victim, padding), PlainEncoder(resources.encoder)
        found, taken = _timed(victim.device, lambda: attack(wrapper, encoder))
        if padding is not True:
            return found, taken, None
        free = PaddingWrapper(victim, padding, wrapper.recorded)
        _, python = _timed("cpu", lambda: attack(free, PlainEncoder(resources.encoder, encoder.recorded)))
        return found, taken, python

    return run
