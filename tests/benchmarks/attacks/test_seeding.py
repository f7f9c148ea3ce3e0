"""Seeds per attacked text."""

from __future__ import annotations

import random
import string

import numpy as np

from benchmarks.attacks.seeding import Draws, example_seed


def test_every_part_decides_the_seed() -> None:
    seeds = {example_seed(*parts) for parts in ((1, "a", "x"), (2, "a", "x"), (1, "b", "x"), (1, "a", "y"))}
    assert len(seeds) == 4
    assert example_seed(1, "a", "x") == example_seed(1, "a", "x")


def test_numpy_takes_the_seed() -> None:
    assert all(0 <= example_seed(0, "r", str(index)) < 2**32 for index in range(1000))
    np.random.RandomState(example_seed(0, "r", "e"))


def test_letters_are_those_of_pythons_generator_with_the_seed() -> None:
    draws = Draws(11)
    draws.between(0, 9)
    random.seed(11)
    assert [draws.letter() for _ in range(20)] == [random.choice(string.ascii_letters) for _ in range(20)]
