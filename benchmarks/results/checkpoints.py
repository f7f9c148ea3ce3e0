"""Checkpoints of a training: one safetensors file per stage, deleted when the training's record is stored."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from baselines.checkpointing import State
from baselines.defense import Progress
from baselines.validation import MachineError
from benchmarks.data.plain_files import part_of, write_atomically
from benchmarks.results.store import UNREADABLE, differences

log = logging.getLogger(__name__)

MINI_EPOCHS = 20
LEAST_SECONDS = 30.0
SHARE = 0.02
TENSOR = "tensor:"


class Checkpoints:
    """The checkpoints of one training for `baselines.training.fit`; see `Keeper` there.

    A state is written at the end of each stage, when the training is asked to stop, and at boundaries of mini-epochs (a
    twentieth of an epoch): at the first one after `least_seconds`, or later if writing would otherwise take more than
    2 % of the time.

    Args:
        folder: a folder for this training only.
        conditions: what must not have changed when a state is loaded: the code, the machine.
        stop: returns whether the training is about to be stopped.

    Attributes:
        resumed: how often this training was resumed from a state.
        parts: number of parts into which batches are cut to save memory; kept for a restarted training.
        stopping: whether the last state was saved because the training is about to be stopped.
    """

    def __init__(
        self,
        folder: Path,
        conditions: Mapping[str, Any],
        *,
        stop: Callable[[], bool] = lambda: False,
        least_seconds: float = LEAST_SECONDS,
    ):
        self.folder, self.conditions, self.stop, self.least_seconds = folder, conditions, stop, least_seconds
        noted = self._note.read_text("utf-8", "replace") if self._note.is_file() else ""
        self.parts = int(noted) if noted.isdecimal() and int(noted) >= 1 else 1
        self.resumed = 0
        self.stopping = False
        self._going_on = True
        self._saved_at, self._cost = time.monotonic(), 0.0

    def load(self, stage: int) -> State | None:
        """The state of a stage, if every stage before was finished; an unusable one is reported and ignored."""
        path = self._path(stage)
        if not self._going_on or not path.exists():
            self._going_on = False
            return None
        try:
            content = _read(path)
            other = next(differences(content["conditions"], self.conditions), None)
            if other is not None:
                raise ValueError(f"it was made elsewhere: {other}")
        except (SafetensorError, *UNREADABLE) as error:
            log.warning("the checkpoint %s cannot be used (%s); the stage is trained again", path, error)
            self._going_on = False
            return None
        self.resumed = content["resumed"] + 1
        self._going_on = content["state"]["finished"]
        return content["state"]

    def due(self, progress: Progress) -> bool:
        """Whether a state should be written now."""
        self.stopping = self.stop()
        if self.stopping:
            return True
        at_boundary = progress.update % max(1, progress.updates_per_epoch // MINI_EPOCHS) == 0
        return at_boundary and time.monotonic() - self._saved_at >= max(self.least_seconds, self._cost / SHARE)

    def save(self, stage: int, state: State) -> None:
        """Write the stage's file completely or not at all.

        Raises:
            MachineError: naming the path, if the disk is full or the folder cannot be written.
        """
        started = time.monotonic()
        _write(self._path(stage), {"conditions": self.conditions, "resumed": self.resumed, "state": state})
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def remove(self) -> None:
        """Delete all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self, parts: int) -> None:
        """Delete all checkpoints, to train again with batches in `parts` parts."""
        self.remove()
        self.parts, self._going_on, self.resumed = parts, True, 0
        write_atomically(self._note, str(parts))

    @property
    def _note(self) -> Path:
        return self.folder / "parts"

    @property
    def flags(self) -> list[str]:
        """The validity flag of a training with a time that is the sum of several parts."""
        return [f"resumed {self.resumed} times"] if self.resumed else []

    def _path(self, stage: int) -> Path:
        return self.folder / f"stage-{stage}.safetensors"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_without_tensors(content, "", tensors))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(path) as part:
            save_file(tensors, part, metadata={"content": text, "sha256": _digest(text, tensors)})
            os.replace(part, path)
    except (OSError, SafetensorError) as error:
        raise MachineError(f"the checkpoint {path} cannot be written: {error}") from error


def _read(path: Path) -> Any:
    """The content of a checkpoint.

    Raises:
        ValueError, KeyError, TypeError, SafetensorError: if it is damaged.
    """
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary
    if _digest(metadata["content"], tensors) != metadata["sha256"]:
        raise ValueError("its checksum does not match")
    return _with_tensors(json.loads(metadata["content"]), tensors)


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain values with a reference for each tensor, which goes into `tensors` under its path."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return TENSOR + name
    if isinstance(value, Mapping):
        return {str(key): _without_tensors(each, f"{name}/{key}", tensors) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_tensors(each, f"{name}/{number}", tensors) for number, each in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, str) and value.startswith(TENSOR):
        return tensors[value.removeprefix(TENSOR)]
    if isinstance(value, dict):
        return {key: _with_tensors(each, tensors) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_tensors(each, tensors) for each in value]
    return value


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
