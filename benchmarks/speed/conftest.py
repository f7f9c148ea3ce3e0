"""The options of `pytest benchmarks/speed`."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed.bench_suite import SIZES, Size


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--shape` and `--threads`."""
    parser.addoption("--shape", choices=tuple(SIZES), default="tiny", help="what the steps are measured on")
    parser.addoption("--threads", type=int, default=1, help="threads of torch on a CPU")


def pytest_configure(config: pytest.Config) -> None:
    """Fix the number of threads."""
    torch.set_num_threads(config.getoption("--threads"))


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    """The size asked for."""
    return SIZES[request.config.getoption("--shape")]
