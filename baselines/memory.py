"""Running out of memory: told from other errors, and gone on from with less at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had, on a GPU or on the host.

    Torch has no class of its own for the host's: it is known by the allocator's words.
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def in_halves(answer: Callable[[Sequence[Question]], Sequence[Answer]], questions: Sequence[Question]) -> list[Answer]:
    """An answer for each question, given to `answer` all at once, or by halves where that runs out of memory.

    Raises:
        Whatever `answer` raises else, or for a single question.
    """
    try:
        return list(answer(questions))
    except Exception as error:
        if len(questions) <= 1 or not ran_out_of_memory(error):
            raise
    # Outside the handler, so that the exception no longer holds what the failed attempt had allocated.
    middle = len(questions) // 2
    return in_halves(answer, questions[:middle]) + in_halves(answer, questions[middle:])
