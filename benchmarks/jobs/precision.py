"""Choose the precision of trainings on a CPU by a short measurement, and keep the choice with the results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn
from torch.nn.functional import linear

from baselines.batch import Batch
from baselines.fine_tune import FineTune
from baselines.training import Precision
from baselines.validation import UserError, unknown
from benchmarks.clock.shortest import shortest_seconds
from benchmarks.data.plain_files import read_text, write_atomically

AUTO = "auto"
LEAST_GAIN = 1.5
FILE = "precision.json"
ROWS = 512
REPEATS = 5


@dataclass(frozen=True)
class PrecisionChoice:
    """The precision of trainings that were asked for with "auto".

    Attributes:
        precision: "fp32" or "bf16".
        gain: seconds of an update's passes in fp32 divided by those in bf16, or of a matrix product if that decided.
        conditions: the conditions under which the choice is valid.
    """

    precision: Precision
    gain: float
    conditions: dict[str, Any]

    @property
    def sentence(self) -> str:
        """The choice in a sentence, for captions."""
        return (
            f"Precision {self.precision} was chosen by --precision auto: in bf16 this CPU is {self.gain:.2f} times as "
            f"fast as in fp32, and bf16 must be {LEAST_GAIN} times as fast."
        )


def check_precision(name: str, device: str | None = None) -> None:
    """Raise an error for an unknown precision, and for "auto" on a GPU.

    Args:
        device: the device, if "auto" may be asked for; None if nothing is measured.
    Raises:
        UserError: naming the known ones.
    """
    known = get_args(Precision) if device is None else (*get_args(Precision), AUTO)
    if name not in known:
        raise unknown("precision", name, known)
    if name == AUTO and device != "cpu":
        raise UserError(f"--precision auto chooses for a CPU, and this run uses {device}; give fp32, tf32 or bf16")


def choose_precision(
    folder: Path, conditions: Mapping[str, Any], new_model: Callable[[], nn.Module], *, texts: int, tokens: int
) -> PrecisionChoice:
    """The precision in which an update's passes are faster: bf16 if it is at least 1.5 times as fast as fp32.

    The first measurement decides for a results folder, so that the same command finds its trainings again.

    Args:
        folder: the results folder.
        conditions: a stored choice is valid if these are equal: processor, threads, backbone, ...
        new_model: makes the classifier to train; called if bf16 products are fast enough.
        texts, tokens: the batch to measure with.
    """
    conditions = {**conditions, "texts": texts, "tokens": tokens}
    with suppress(OSError, ValueError, TypeError, KeyError):
        stored = PrecisionChoice(**json.loads(read_text(folder / FILE)))
        if stored.conditions == conditions and stored.precision in ("fp32", "bf16"):
            return stored
    gain = product_gain()  # of all parts of an update, products gain most
    if gain >= LEAST_GAIN:
        gain = update_gain(new_model(), texts, tokens)
    choice = PrecisionChoice("bf16" if gain >= LEAST_GAIN else "fp32", round(gain, 3), conditions)
    write_atomically(folder / FILE, json.dumps(asdict(choice), indent=1) + "\n")
    return choice


def product_gain() -> float:
    """Seconds of a matrix product in fp32 divided by those in bf16."""
    inputs, weight = torch.randn(ROWS, ROWS), torch.randn(ROWS, ROWS)
    halves = inputs.bfloat16(), weight.bfloat16()
    with torch.inference_mode():
        return _gain(lambda: linear(inputs, weight), lambda: linear(*halves))


def update_gain(model: nn.Module, texts: int, tokens: int) -> float:
    """Seconds of fine-tuning's passes in fp32 divided by those in bf16, on a batch without padding."""
    model.train()
    ids = torch.ones((texts, tokens), dtype=torch.long)
    batch = Batch(ids, torch.ones_like(ids), torch.zeros(texts, dtype=torch.long))

    def passes(kind: Any) -> None:
        with kind:
            FineTune().step(model, batch)
        model.zero_grad()

    with torch.random.fork_rng([]):
        return _gain(lambda: passes(nullcontext()), lambda: passes(torch.autocast("cpu", torch.bfloat16)))


def _gain(usual: Callable[[], Any], other: Callable[[], Any]) -> float:
    """Seconds of `usual` divided by those of `other`."""
    fastest = shortest_seconds(usual, other, repeats=REPEATS, clock=time.perf_counter)
    return fastest[0] / fastest[1]
