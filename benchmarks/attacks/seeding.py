"""One seed per attacked text, so that serial, parallel, resumed and partial attacks draw the same numbers."""

from __future__ import annotations

import hashlib
import random
import string
from functools import cached_property

import numpy as np


def example_seed(seed: int, recipe: str, example_id: str) -> int:
    """The seed, in [0, 2**32), of Python's and NumPy's generators while `example_id` is attacked by `recipe`."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{recipe}|{example_id}".encode()).digest()[:4], "big")


class Draws:
    """One example's generators, NumPy's and Python's; they give what TextAttack's global ones give with this seed.

    Each is created at the first draw; most recipes never draw.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @cached_property
    def _generator(self) -> np.random.RandomState:
        return np.random.RandomState(self._seed)

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high)."""
        return int(self._generator.randint(low, high))

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers in (0, 1)."""
        return np.maximum(self._generator.random_sample(shape), np.finfo(float).tiny)

    @cached_property
    def _letters(self) -> random.Random:
        return random.Random(self._seed)

    def letter(self) -> str:
        """One of the 52 ASCII letters, as Python's global generator with this seed gives it to TextAttack."""
        return self._letters.choice(string.ascii_letters)

    def order(self, count: int) -> np.ndarray:
        """The numbers 0 to `count` - 1 in a random order."""
        return self._generator.permutation(count)
