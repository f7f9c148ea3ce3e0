"""Every part can be named, gives plain values, and says what it cannot do."""

from __future__ import annotations

import json

import pytest

from benchmarks.device.parts import KNOWN, PARTS
from benchmarks.device.place import Place


def test_every_part_has_its_own_key_and_all_fit_into_half_an_hour_of_a_gpu_but_the_last() -> None:
    assert len(KNOWN) == len(PARTS)
    reached = 0.0
    for part in PARTS[: list(KNOWN).index("table1_run3") + 1]:
        reached += part.minutes
    assert reached < 20  # what the targets need, with the machine's starts still to come
    assert all(part.minutes <= 8 for part in PARTS)  # one command may take ten minutes


def test_what_a_cpu_cannot_show_needs_cuda() -> None:
    needing = {part.key for part in PARTS if part.needs_cuda}
    assert {"minilm_captured", "gpu_tests", "steps_filling_tf32", "steps_filling_bf16"} <= needing
    assert "clock" not in needing and "table1_run1" not in needing


@pytest.mark.parametrize("key", ["minilm", "profiles"])
def test_timings_are_plain_values(key: str, place: Place) -> None:
    said: list[str] = []
    result = KNOWN[key].work(place, said.append)
    assert json.loads(json.dumps(result)) == json.loads(json.dumps(result, allow_nan=False))
    assert said
    if key == "profiles":
        assert len(result["profiles"]) == 5  # the captured one needs a GPU
    else:
        assert {each["block"] for each in result["timings"]} == set(range(place.sizes.blocks))
