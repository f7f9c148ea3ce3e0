"""The random state: every global generator goes on where it was."""

from __future__ import annotations

import json
import random

import numpy as np
import torch

from baselines.checkpointing import random_state, restore_random_state


def draws() -> list[float]:
    return [random.gauss(0, 1), float(np.random.normal()), float(torch.randn(1)), random.random()]


def test_all_generators_go_on_after_json() -> None:
    device = torch.device("cpu")
    random.gauss(0, 1)  # leaves a second deviate waiting
    np.random.normal()
    state = random_state(device)
    plain = json.loads(json.dumps({name: value for name, value in state.items() if name != "torch"}))
    expected = draws()
    assert draws() != expected
    restore_random_state(plain | {"torch": state["torch"]}, device)
    assert draws() == expected
