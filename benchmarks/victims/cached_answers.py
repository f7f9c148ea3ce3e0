"""A cache of a model's latest answers: attacks ask about the same inputs again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

Question = TypeVar("Question", bound=Hashable)


class CachedAnswers(Generic[Question]):
    """Answers to the questions asked last, so that each is computed once.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Question, np.ndarray] = OrderedDict()

    def of(self, questions: Sequence[Question], compute: Callable[[Sequence[Question]], np.ndarray]) -> np.ndarray:
        """The answers (N, D) to N questions, at least one.

        Args:
            compute: answers M different questions that are not known, (M, D).
        """
        answers = {each: self._known[each] for each in questions if each in self._known}
        new = [each for each in dict.fromkeys(questions) if each not in answers]
        if new:
            answers.update(zip(new, compute(new), strict=True))
        for question, answer in answers.items():
            self._known[question] = answer
            self._known.move_to_end(question)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return np.stack([answers[each] for each in questions])

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()
