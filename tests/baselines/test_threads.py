"""Threads of a stretch of work."""

from __future__ import annotations

import pytest
import torch

from baselines.threads import cpu_threads


def test_threads_are_as_before_even_where_the_work_breaks() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
