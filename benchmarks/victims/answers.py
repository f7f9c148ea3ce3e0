"""The answers of a victim: what an attack may read, and the class that is given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
    """Answers to N texts.

    Attributes:
        shown: (N, C) what an attack reads: probabilities, or logits where its recipe scores by margin.
        decided: (N,) the class of each text. Without a guard it is the most likely one.
    """

    shown: np.ndarray
    decided: np.ndarray

    @classmethod
    def of(cls, shown: np.ndarray) -> Answers:
        """The answers of a victim that gives the most likely class, from probabilities or logits (N, C)."""
        return cls(shown, shown.argmax(axis=1))
