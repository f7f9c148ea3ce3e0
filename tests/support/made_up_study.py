"""Records of a device's evidence as it might come back, with chosen seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks.clock.cost import EncoderShape
from benchmarks.device.study import PartRecord
from benchmarks.speed.stage_speed import MethodTiming, StageSteps

CONDITIONS = {
    "size": "full",
    "device": "NVIDIA Made-Up",
    "machine": {"processor": "x", "cores": 16, "memory_gib": 128, "gpus": ["NVIDIA Made-Up"]},
    "cuda": "13.0",
    "versions": {"torch": "2.11.0"},
    "commit": "abc",
    "bundle": None,
}


def record(key: str, result: dict[str, Any], *, size: str = "full", **changes: Any) -> PartRecord:
    """A part that was done."""
    values = {
        "key": key,
        "title": key,
        "status": "done",
        "why": "",
        "seconds": 10.0,
        "started_at": "2026-01-01T00:00:00+00:00",
        "conditions": CONDITIONS | {"size": size},
        "watch": {"invalid": [], "warnings": []},
        "result": result,
    }
    return PartRecord(**(values | changes))


def steps(key: str, seconds: dict[str, dict[str, tuple[float, float]]], **changes: Any) -> PartRecord:
    """A part that timed stages: (epochs, seconds of an update) by method and stage, the same in three blocks."""
    timings = [
        asdict(MethodTiming(method, block, {n: StageSteps(*each) for n, each in stages.items()}, 0.1, 500.0, 2**30))
        for block in range(3)
        for method, stages in seconds.items()
    ]
    result = {
        "encoder": asdict(EncoderShape()),
        "batch": {"texts": 128, "tokens": 128},
        "precision": "fp32",
        "captured": key.endswith("captured"),
        "refused": {},
        "timings": timings,
    }
    return record(key, result, **changes)
