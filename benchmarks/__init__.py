"""Data, clock, results, victims, attacks and runs; `load` takes a trained model out of a folder of results."""

from __future__ import annotations

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`load`, imported when it is asked for, so that importing a wing stays light."""
    if name == "load":
        from benchmarks.jobs.stored_models import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
