"""The checkpoints that let a killed training continue exactly as if it had not been killed."""

from __future__ import annotations

import random
from typing import Any, Protocol

import numpy as np
import torch

from baselines.defense import Progress

State = dict[str, Any]


class Keeper(Protocol):
    """Keeps the newest state of each stage of one training; its time does not count as training time."""

    def load(self, stage: int) -> State | None:
        """The state of stage number `stage`, from 0; None if the stage must start from its beginning."""

    def due(self, progress: Progress) -> bool:
        """Whether to save the state after this update."""

    def save(self, stage: int, state: State) -> None:
        """Save a state, of tensors and JSON values, and replace the stage's last one."""


def random_state(device: torch.device) -> State:
    """The state of every global generator that training draws from: Python's, NumPy's, torch's, the device's."""
    numpy: Any = np.random.get_state()  # a tuple
    name, words, *position = numpy
    return {
        "python": random.getstate(),
        "numpy": [name, words.tolist(), *position],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore_random_state(state: State, device: torch.device) -> None:
    """Restore the state that `random_state` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
