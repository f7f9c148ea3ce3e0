"""The typed records of runs. Percentages are not stored; they are derived when a table is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, Literal, TypeVar, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from baselines.defense import Passes

PLATEAU = 0.5

Status = Literal["skipped", "failed", "successful", "error"]
Typed = TypeVar("Typed")

_hints = cache(get_type_hints)


def typed(value: Typed) -> Typed:
    """Check the fields of a dataclass read from a file against their declared types, and return it.

    Raises:
        TypeError: naming the field.
        ValueError: for a number that cannot be.
    """
    for name, hint in _hints(type(value)).items():
        _require_type(name, getattr(value, name), hint)
        if name != "stages":  # the losses of a training that diverged are no numbers
            _require_finite(name, getattr(value, name))
    if type(value) in PARTS:
        PARTS[type(value)](value)
    return value


def _require_finite(name: str, value: Any) -> None:
    """Check that a plain value holds no NaN and no infinity, which JSON and tables cannot show.

    Raises:
        ValueError: naming the first.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: {value} is no number")
    if isinstance(value, Mapping):
        for part, each in value.items():
            _require_finite(f"{name}.{part}", each)
    elif isinstance(value, list | tuple):
        for each in value:
            _require_finite(name, each)


def _require_outcome(outcome: Outcome) -> None:
    """Check that both texts have the same number of columns, one or two, and the parts of a certificate.

    Raises:
        TypeError: naming a part of the certificate that is missing or of another type.
        ValueError: for another number of columns.
    """
    if outcome.certificate is not None:
        _require_fields("certificate", outcome.certificate, CERTIFICATE)
    if not 1 <= len(outcome.original) <= 2 or len(outcome.perturbed) != len(outcome.original):
        raise ValueError(f"original and perturbed have {len(outcome.original)} and {len(outcome.perturbed)} columns")


def _require_type(name: str, value: Any, hint: Any) -> None:
    try:
        check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError as error:
        raise TypeError(f"{name}: {error}") from error


# What reports take out of a training's plain values
SECONDS = {"gpu": float, "wall": float}
MACHINE = {"processor": str, "gpus": Any}
WATCH = {"invalid": list[str]}
GUARD = {"key": str, "passes": float}
STAGE = {
    "name": str,
    "updates": int,
    "updates_per_epoch": int,
    "epochs": float,
    "passes": dict[str, int],
    "losses": list[float],
    "trace": dict[str, Any],
}
# What of a method's own trace they take, where it is there
TRACE = {
    "adversarial_texts": dict[str, Any],
    "boundaries": list[dict[str, Any]],
    "converged": bool,
    "draw_epoch": float,
    "kept": dict[str, list[int]],
    "mask_distances": dict[str, list[list[float]]],
    "stop_epoch": float,
}


def _require_machine(record: TrainingRecord | AttackRecord | EvaluationRecord) -> None:
    _require_fields("machine", record.machine, MACHINE)


def _require_training(record: TrainingRecord) -> None:
    """Check what reports take out of a training's plain values.

    Raises:
        TypeError: naming the first that is missing, or of another type.
        ValueError: for a number that cannot be.
    """
    _require_machine(record)
    _require_fields("seconds", record.seconds, SECONDS)
    _require_fields("identity", record.identity, {"settings": dict[str, Any]})
    if record.watch is not None:
        _require_fields("watch", record.watch, WATCH)
    if record.guard is not None:
        _require_fields("guard", record.guard, GUARD)
    for number, stage in enumerate(record.stages):
        place = f"stages[{number}]"
        _require_fields(place, stage, STAGE)
        trace = stage["trace"]
        _require_fields(f"{place}.trace", trace, {name: hint for name, hint in TRACE.items() if name in trace})
        if "converged" in trace:
            _require_fields(f"{place}.trace", trace, {name: TRACE[name] for name in ("draw_epoch", "stop_epoch")})
        _require_finite(place, {name: value for name, value in stage.items() if name not in ("losses", "trace")})
        if set(stage["passes"]) - {each.name for each in fields(Passes)}:
            raise ValueError(f"{place}.passes names what no pass is called")
        if stage["updates_per_epoch"] < 1 or stage["updates"] < 0:
            raise ValueError(f"{place} counts fewer than no updates, or an epoch without one")
    if record.status != "failed" and record.parameters_before < 1:
        raise ValueError(f"parameters_before is {record.parameters_before}")


def _require_fields(place: str, values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    for name, hint in hints.items():
        if name not in values:
            raise TypeError(f"{place} lacks {name}")
        _require_type(f"{place}.{name}", values[name], hint)


OF_GUARDS = ("first_flip", "certificate")
CERTIFICATE = {
    "right": bool,
    "radius": int | None,
    "radius_released": int | None,
    "abstains": bool,
    "copies": int,
    "distance": int | None,
    "contradicted": bool,
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attack on one text.

    Attributes:
        example_id: the attacked example.
        status: "skipped" if misread before any change, "failed" if attacked and still read correctly, "successful" if
            attacked and misread, "error" if the attack itself raised an exception.
        queries: victim queries as TextAttack counts them; 0 when skipped.
        label: the gold label.
        original, perturbed: the texts, one or two columns.
        words: words of the original that the attack may see.
        words_changed: words that differ at the end.
        similarity: the recipe's own sentence similarity of the final text to the original, if it computed one.
        error: the traceback of an attack that raised.
        characters_changed: least number of characters to insert, delete or replace; None for attacks on words.
        gradient_passes: texts passed forward and backward for gradients, which are no queries; None for attacks that
            only ask.
        stages: of a cascade, the status after each attack that was made on the text, by the attack's key.
        equal_ranking_share: share of the ranking's queries with the same score as the text itself; None if there were
            none, or for an engine that does not measure it.
        idle_step_share: share of the words with candidates in which no candidate raised the score; None if no word had
            one, or for such an engine. Both shares leave out the words after the last one that makes a difference,
            which the victim may have cut off. They describe the search, and do not count in comparisons of outcomes.
        first_flip: of a victim that answers by chance, whether an attack that stops at the first wrong answer would
            have ended with a success; None for other victims.
        certificate: what a guard proves about the text, see `benchmarks.attacks.certificates`; None without one.
    """

    example_id: str
    status: Status
    queries: int
    label: int
    original: tuple[str, ...]
    perturbed: tuple[str, ...]
    words: int
    words_changed: int
    similarity: float | None = None
    error: str | None = None
    characters_changed: int | None = None
    gradient_passes: int | None = field(default=None, compare=False)
    stages: dict[str, str] | None = None
    equal_ranking_share: float | None = field(default=None, compare=False)
    idle_step_share: float | None = field(default=None, compare=False)
    first_flip: bool | None = None
    certificate: dict[str, Any] | None = None

    @property
    def is_starved(self) -> bool:
        """Whether more than half of the ranking and of the steps gave the search no direction.

        A saturated probability does this: all scores are equal after rounding.
        """
        shares = (self.equal_ranking_share, self.idle_step_share)
        return all(share is not None and share > PLATEAU for share in shares)

    def as_json(self) -> dict[str, Any]:
        """Plain values, one JSON line; what only some guards have is left out where it is absent."""
        values = asdict(self)
        return {name: value for name, value in values.items() if value is not None or name not in OF_GUARDS}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Outcome:
        """The outcome that `as_json` wrote.

        Raises:
            KeyError, TypeError: for anything else.
        """
        texts = {name: tuple(values[name]) for name in ("original", "perturbed") if isinstance(values[name], list)}
        return typed(cls(**(values | texts)))


@dataclass(frozen=True)
class TrainingRecord:
    """One run of one defense.

    Attributes:
        key: SHA-256 of `identity`; the record's name in the store.
        identity: everything that decides the trained weights: task and data fingerprint, backbone, defense and
            settings, seed, batch size, lengths, precision, schema.
        task, defense, title, seed: the parts of the identity that tables group by.
        status: "finished", "diverged" if the loss was not finite, or "failed" if it ran out of memory; the next run
            repeats a failed training from its start.
        stages: a `StageLog` per stage as plain values.
        seconds: clock readings: "gpu", "h2d", "wall", and "spans" by name.
        clock: "cuda" or "host": which clock `seconds["gpu"]` was read from.
        parameters_before, parameters_kept: parameters of the model before training and of the trained model.
        clean_correct: one "1" or "0" per test example, in order.
        weights_sha256: hash of the trained weights' file.
        peak_memory_bytes: peak memory allocated on the device; on a CPU, peak resident memory; None if not known.
        flags: validity flags that were raised; the rule book declares them.
        machine, versions: machine and software of the run.
        started_at: UTC, ISO 8601.
        error: the reason why a run did not finish.
        watch: the state of the GPU during the run, a `Watch` as plain values.
        step_flops: by stage, counts of its first update in the warm-up: texts, tokens and FLOPs by torch's counter.
        source: for a defense from outside the tree, its file's path or its module, and the file's SHA-256.
        model_files: SHA-256 of the other files of the trained model, by name: its configuration and tokenizer. None in
            older records.
        guard: how the model answers a text: the guard's settings with its key, and under "passes" the cost of an
            answer; None if it answers by one pass.
    """

    key: str
    identity: dict[str, Any]
    task: str
    defense: str
    title: str
    seed: int
    status: Literal["finished", "diverged", "failed"]
    stages: list[dict[str, Any]]
    seconds: dict[str, Any]
    clock: Literal["cuda", "host"]
    parameters_before: int
    parameters_kept: int
    clean_correct: str
    weights_sha256: str | None
    peak_memory_bytes: int | None
    flags: list[str]
    machine: dict[str, Any]
    versions: dict[str, str]
    started_at: str
    error: str | None = None
    watch: dict[str, Any] | None = None
    step_flops: dict[str, dict[str, int]] | None = None
    source: dict[str, str] | None = None
    model_files: dict[str, str] | None = None
    guard: dict[str, Any] | None = None

    @property
    def invalid(self) -> list[str]:
        """Reasons, declared in the rule book, for which the run's time does not count."""
        return list(self.watch["invalid"]) if self.watch else []


@dataclass(frozen=True)
class EvaluationRecord:
    """The answers of an external victim to the test texts of one task.

    Attributes:
        key: SHA-256 of `identity`.
        identity: task and data fingerprint, the victim's name, hash, longest input and temperature, schema.
        task: the task's name.
        title: the victim's name in tables.
        victim: its identity: a model's, or a callable's path, hash and function.
        temperature: divisor of its logits; 1 for none.
        calibration: for another temperature, the number of held-out texts for fitting, and their likelihood before and
            after.
        clean_correct: one "1" or "0" per test example, in order.
        machine, versions, started_at: as in a training record.
    """

    key: str
    identity: dict[str, Any]
    task: str
    title: str
    victim: dict[str, Any]
    temperature: float
    calibration: dict[str, Any] | None
    clean_correct: str
    machine: dict[str, Any]
    versions: dict[str, str]
    started_at: str


@dataclass(frozen=True)
class AttackRecord:
    """One recipe run against one trained model; its outcomes are in a file beside it, one per line.

    Attributes:
        key: SHA-256 of `identity`.
        identity: the training's key, the recipe with its profile, the attacked subset, the attack's seed, schema.
        training_key: key of the victim's record; for an external victim, of its evaluation.
        task, defense, seed: as in the victim's record.
        recipe: the recipe's key.
        recipe_title: the recipe's name in tables.
        profile: the resources of the recipe, in words for captions.
        example_ids: the planned examples, in order.
        seconds: wall time of the attack, not part of any training time; if it was resumed, of its last part.
        engine: the engine that ran it.
        machine, versions, started_at: as in a training record.
    """

    key: str
    identity: dict[str, Any]
    training_key: str
    task: str
    defense: str
    seed: int
    recipe: str
    recipe_title: str
    profile: str
    example_ids: list[str]
    seconds: float
    engine: str
    machine: dict[str, Any]
    versions: dict[str, str]
    started_at: str


# What must hold of a type's plain values beyond their declared types; other dataclasses have no such parts.
PARTS: dict[type, Callable[[Any], None]] = {
    Outcome: _require_outcome,
    TrainingRecord: _require_training,
    AttackRecord: _require_machine,
    EvaluationRecord: _require_machine,
}
