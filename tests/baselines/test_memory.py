"""Freed memory is kept. Out-of-memory errors are recognised, and the work is then done by halves."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys

import pytest
import torch

from baselines.memory import HEAP_SETTINGS, in_halves, keep_freed_memory, ran_out_of_memory


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


MAPPED_PAGES = """
import resource, torch
from baselines import memory
if {kept}:
    memory.keep_freed_memory()
for number in range(60):
    if number == 40:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = (1 << 26) // resource.getpagesize()  # of one block


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep freed memory")
def test_a_freed_block_is_not_mapped_again() -> None:
    def pages(kept: bool, **heap: str) -> int:
        command = [sys.executable, "-c", MAPPED_PAGES.format(kept=kept)]
        plain = {name: value for name, value in os.environ.items() if name not in HEAP_SETTINGS}
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env=plain | heap).stdout)

    # The first blocks are not counted: alignment leaves holes, and glibc maps some blocks before it takes one again.
    assert pages(kept=True) < 5 * PAGES < 20 * PAGES <= pages(kept=False)
    assert pages(kept=True, MALLOC_MMAP_THRESHOLD_=str(1 << 17)) >= 20 * PAGES, "what the user sets, stays"


def test_without_glibc_memory_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherLibrary:
        def __init__(self, name: str | None) -> None: ...

    monkeypatch.setattr("ctypes.CDLL", OtherLibrary)
    keep_freed_memory.__wrapped__()
