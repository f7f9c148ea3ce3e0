"""A stored model, with its tokenizer on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from baselines.validation import MachineError
from benchmarks.jobs.stored_models import load_stored, open_store

if TYPE_CHECKING:
    from benchmarks.results.records import TrainingRecord


def load_model(out: Path, record: TrainingRecord) -> nn.Module:
    """The model of a training, in eval mode; its tokenizer is `model.tokenizer`.

    Raises:
        MachineError: if the training did not finish, or the weights were changed after it.
    """
    if record.status != "finished":
        raise MachineError(f"the training has no model: it {record.status} ({record.error})")
    model, tokenizer = load_stored(open_store(out), record)
    model.tokenizer = tokenizer
    return model
