"""Detect out-of-memory errors and retry with smaller batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an exception is an out-of-memory error, of a GPU or of the CPU.

    Torch has no exception class for the CPU's: it is recognised by the allocator's message.
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def in_halves(
    answer: Callable[[Sequence[Question]], Sequence[Answer]],
    questions: Sequence[Question],
    otherwise: Callable[[Exception], Answer] | None = None,
) -> list[Answer]:
    """Answer each question, all in one call to `answer`, or in halves if that runs out of memory.

    Args:
        otherwise: if given, the questions are halved after any exception, and a question that fails by itself gets the
            answer that this makes of the exception.
    Raises:
        Any other exception of `answer`, and an out-of-memory error for a single question, where `otherwise` is absent.
    """
    try:
        return list(answer(questions))
    except Exception as error:
        if len(questions) <= 1 and otherwise is not None:
            return [otherwise(error)]
        if len(questions) <= 1 or (otherwise is None and not ran_out_of_memory(error)):
            raise
    # Outside the handler: the exception must no longer hold the memory of the failed attempt.
    middle = len(questions) // 2
    return in_halves(answer, questions[:middle], otherwise) + in_halves(answer, questions[middle:], otherwise)
