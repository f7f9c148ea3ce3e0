"""The typed records a run leaves behind. Percentages are not stored: they are derived when a table is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

Status = Literal["skipped", "failed", "successful", "error"]
Typed = TypeVar("Typed")

_hints = cache(get_type_hints)


def typed(value: Typed) -> Typed:
    """A dataclass's value, its fields held to their declared types, as they may come from a file.

    Raises:
        TypeError: naming the field.
    """
    for name, hint in _hints(type(value)).items():
        try:
            check_type(getattr(value, name), hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        except TypeCheckError as error:
            raise TypeError(f"{name}: {error}") from error
    return value


@dataclass(frozen=True)
class Outcome:
    """What an attack did to one text.

    Attributes:
        example_id: the attacked example.
        status: "skipped" when misread before any change, "failed" when attacked and still right, "successful" when
            attacked and misread, "error" when the attack itself broke.
        queries: victim queries as TextAttack counts them; 0 when skipped.
        label: the gold label.
        original, perturbed: the texts, one or two columns.
        words: words in the original that the attack could see.
        words_changed: words that differ at the end.
        similarity: the recipe's own sentence similarity of the final text to the original, where it computed one.
        error: the traceback of a broken attack.
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

    def as_json(self) -> dict[str, Any]:
        """Plain values, one JSON line."""
        return asdict(self)

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
        status: "finished", "diverged" where the loss was not finite, or "failed" where it ran out of memory; that one
            is not final: the next run begins the training anew.
        stages: a `StageLog` per stage as plain values.
        seconds: clock readings: "gpu", "h2d", "wall", and "spans" by name.
        clock: "cuda" or "host": which clock `seconds["gpu"]` was read from.
        parameters_before, parameters_kept: parameters of the model before training and of the trained model.
        clean_correct: one "1" or "0" per test example, in order.
        weights_sha256: hash of the trained weights' file.
        peak_memory_bytes: most device memory allocated; on a CPU, most resident memory; None where that is not known.
        flags: validity flags declared beforehand that were raised.
        machine, versions: what it ran on.
        started_at: UTC, ISO 8601.
        error: what ended a run that did not finish.
        watch: what the GPU did meanwhile, a `Watch` as plain values.
        step_flops: by stage, what its first update took in the warm-up: texts, tokens and FLOPs by torch's counter.
        source: for a defense from outside the tree, its file's path or its module, and the file's SHA-256.
        model_files: SHA-256 of the other files of the trained model, by name: its configuration and tokenizer. None in
            records from before it was kept.
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

    @property
    def invalid(self) -> list[str]:
        """Reasons, declared beforehand, for which the run's time does not count."""
        return list(self.watch["invalid"]) if self.watch else []


@dataclass(frozen=True)
class EvaluationRecord:
    """A victim from outside on one task: how it reads the test texts. Nothing of a training, which was elsewhere.

    Attributes:
        key: SHA-256 of `identity`.
        identity: task and data fingerprint, the victim's name, hash, longest input and temperature, schema.
        task: the task's name.
        title: the victim's name in tables.
        victim: what it is: a model's identity, or a callable's path, hash and function.
        temperature: what its logits are divided by; 1 as it came.
        calibration: for another temperature, on how many held-out texts it was fitted and their likelihood before and
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
    """One recipe run against one trained model; its outcomes lie beside it, a line each.

    Attributes:
        key: SHA-256 of `identity`.
        identity: the training's key, the recipe with its profile, the attacked subset, the attack's seed, schema.
        training_key: the victim's record; of a victim from outside, the evaluation's.
        task, defense, seed: as in the victim's record.
        recipe: the recipe's key.
        recipe_title: the recipe's name in tables.
        profile: which resources the recipe ran with, in words for captions.
        example_ids: the planned examples, in order.
        seconds: wall time of the attack, off every training clock; of its last part where it was continued.
        engine: what ran it.
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
