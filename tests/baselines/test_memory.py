"""Out-of-memory errors are recognised, and the work is then done by halves."""

from __future__ import annotations

import pytest
import torch

from baselines.memory import in_halves, ran_out_of_memory


def test_the_errors_of_the_host_and_of_a_gpu_are_known_and_others_are_not() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out_of_memory(refused.value), "the allocator's own words"
    assert ran_out_of_memory(MemoryError()) and ran_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert not ran_out_of_memory(ValueError("can't allocate memory"))
    assert not ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_questions_too_many_at_once_are_answered_by_halves_in_order() -> None:
    asked: list[int] = []

    def answer(questions):
        asked.append(len(questions))
        if len(questions) > 3:
            raise MemoryError
        return [10 * each for each in questions]

    assert in_halves(answer, range(10)) == [10 * each for each in range(10)]
    assert asked == [10, 5, 2, 3, 5, 2, 3]
    assert in_halves(answer, []) == []


def test_a_single_one_that_does_not_fit_and_any_other_error_are_raised() -> None:
    def too_large(questions):
        raise MemoryError("no room")

    def wrong(questions):
        raise RuntimeError("shapes")

    with pytest.raises(MemoryError, match="no room"):
        in_halves(too_large, [1, 2])
    with pytest.raises(RuntimeError, match="shapes"):
        in_halves(wrong, [1, 2])


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), ZeroDivisionError()])
def test_questions_that_break_by_themselves_get_what_is_made_of_the_exception(error: Exception) -> None:
    def breaking(questions):
        if any(each % 4 == 3 for each in questions):
            raise error
        return [10 * each for each in questions]

    assert in_halves(breaking, range(6), lambda found: found) == [0, 10, 20, error, 40, 50]
    assert in_halves(breaking, [3], lambda found: -1) == [-1]
