"""Stored references: how they are made, what of them is kept, and how new results are compared with them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from baselines.validation import MachineError, UserError
from benchmarks.clock.machine import machine_description, versions
from benchmarks.regression.subset import Observation
from benchmarks.results.records import typed
from benchmarks.results.store import write_atomically

FOLDER = Path(__file__).parent / "references"
LEAST_KEPT = 0.5  # share of the examples


@dataclass(frozen=True)
class Reference:
    """The results that a defense must reproduce.

    Attributes:
        settings, counters, examples: as observed; only examples that do not change with nudged weights are kept.
        left_out: names of the other examples.
        seconds: median seconds of an update, by stage.
        noise: the largest ratio, over stages, between the times of two repetitions of the same training.
        made_on: machine and software with which the times were taken.
    """

    settings: dict[str, Any]
    counters: dict[str, dict[str, Any]]
    examples: dict[str, dict[str, Any]]
    left_out: list[str]
    seconds: dict[str, float]
    noise: float
    made_on: dict[str, Any]


def make_reference(exact: Observation, nudged: Iterable[Observation]) -> Reference:
    """The reference of one training, with repetitions of it from nudged weights.

    Raises:
        MachineError: if a counter, or more than half of the examples, change with nudged weights: a decision was then
            so close that another processor's rounding could change it. Also if the model reads all texts as one class:
            the outcomes of such a model would say nothing.
    """
    repeated = list(nudged)
    classes = {fields["read_as"] for fields in exact.examples.values() if "read_as" in fields}
    if len(classes) == 1:
        raise MachineError(f"no reference is made: the model reads every text as class {classes.pop()}")
    left_out: set[str] = set()
    for other in repeated:
        moved = _differing(exact.counters, other.counters)
        if moved:
            raise MachineError(f"no reference is made: from slightly nudged weights, {moved[0]}")
        left_out |= {name for name in exact.examples if exact.examples[name] != other.examples.get(name)}
    if len(left_out) > (1 - LEAST_KEPT) * len(exact.examples):
        raise MachineError(
            f"no reference is made: {len(left_out)} of {len(exact.examples)} examples come out otherwise from slightly "
            f"nudged weights, such as {min(left_out)}"
        )
    series = [each.seconds for each in (exact, *repeated)]
    spread = max(max(each[name] for each in series) / min(each[name] for each in series) for name in exact.seconds)
    return Reference(
        settings=exact.settings,
        counters=exact.counters,
        examples={name: fields for name, fields in exact.examples.items() if name not in left_out},
        left_out=sorted(left_out),
        seconds=exact.seconds,
        noise=spread,
        made_on=_conditions(),
    )


def differences(reference: Reference, now: Observation) -> list[str]:
    """One sentence for each field that changed: the example or counter, the field, both values."""
    examples = {name: fields for name, fields in now.examples.items() if name not in reference.left_out}
    return [
        *_differing({"settings": reference.settings}, {"settings": now.settings}),
        *_differing(reference.counters, now.counters),
        *_differing(reference.examples, examples),
    ]


def _differing(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    for name in (*before, *(name for name in now if name not in before)):
        first, second = before.get(name, {}), now.get(name, {})
        for field in (*first, *(field for field in second if field not in first)):
            was, found_now = first.get(field, "absent"), second.get(field, "absent")
            if was != found_now:
                found.append(f"{name}: {field} was {was!r}, is {found_now!r}")
    return found


def time_advice(reference: Reference, now: Observation) -> str:
    """One sentence on the times, which never make a check fail.

    It names each stage with a time that changed by more than twice the noise of the reference's repetitions (on a
    logarithmic scale).
    """
    here = _conditions()
    other = [name for name, value in reference.made_on.items() if here.get(name) != value]
    if other:
        return f"times not compared: other {', '.join(other)} than the reference's"
    threshold = 2 * math.log(reference.noise)
    ratios = {name: now.seconds[name] / was for name, was in reference.seconds.items() if name in now.seconds}
    beyond = [f"{name} {ratio:.2f}x" for name, ratio in ratios.items() if abs(math.log(ratio)) > threshold]
    within = f"within {math.exp(threshold):.2f}x of the reference's"
    return (
        f"times of an update beyond the noise (advice only): {', '.join(beyond)}, not {within}"
        if beyond
        else (f"times of an update {within}")
    )


def _conditions() -> dict[str, Any]:
    machine = machine_description()
    return {
        "processor": machine["processor"],
        "cores": machine["cores"],
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def write_reference(path: Path, reference: Reference) -> None:
    """Write a reference as JSON, one field per line, for readable diffs."""
    write_atomically(path, json.dumps(asdict(reference), indent=1, ensure_ascii=False) + "\n")


def read_reference(path: Path) -> Reference:
    """The reference in a file.

    Raises:
        UserError: if it is damaged.
    """
    try:
        return typed(Reference(**json.loads(path.read_text("utf-8"))))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"the reference {path} cannot be read ({error}); make it again with --update") from error
