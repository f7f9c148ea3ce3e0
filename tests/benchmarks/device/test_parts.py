"""Every part can be named, gives plain values, and says what it cannot do."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.device import parts as module
from benchmarks.device.parts import KNOWN, PARTS, SIZES, Place, board_energy, outcomes_of, plan_of, table1_cells
from benchmarks.runs.defenses import TABLE_ORDER
from benchmarks.runs.setup import resolve
from benchmarks.runs.training import train


@pytest.fixture
def place(tmp_path: Path, tiny_backbone: Path) -> Place:
    """The tiny size on generated texts."""
    return Place("cpu", "tiny", tmp_path / "out", None, str(tiny_backbone))


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
        assert {each["block"] for each in result["timings"]} == set(range(SIZES["tiny"].blocks))


def test_table_1_is_all_methods_and_a_plan_takes_no_time(place: Place) -> None:
    setup = resolve(place.options())
    cells = table1_cells(setup, 2)
    assert sorted({cell.defense.key for cell in cells}) == sorted(TABLE_ORDER) and len(cells) == 2 * len(TABLE_ORDER)
    plan = plan_of(setup, cells)
    assert [each.cell for each in plan.cells] == cells and plan.train_seconds == 0
    assert [recipe.key for recipe in setup.recipes] == ["textfooler", "bertattack_official"]


def test_a_training_whose_weights_did_not_come_along_is_done_again(place: Place) -> None:
    setup = resolve(replace(place.options(), defenses="fine_tune"))
    cell = next(each for each in table1_cells(setup, 1) if each.defense.key == "fine_tune")
    record = train(setup, cell)
    assert module._set_weightless_aside(setup, plan_of(setup, [cell]).cells) == []
    setup.store.weights_path(record.key).unlink()
    (said,) = module._set_weightless_aside(setup, plan_of(setup, [cell]).cells)
    assert "is redone" in said and setup.store.training(record.key) is None


def test_outcomes_of_tests_are_read_from_the_report() -> None:
    report = ElementTree.fromstring(
        '<testsuites><testsuite><testcase classname="a" name="b"/>'
        '<testcase classname="a" name="c"><failure message="not equal&#10;more"/></testcase>'
        '<testcase classname="a" name="d"><skipped message="no GPU"/></testcase></testsuite></testsuites>'
    )
    assert outcomes_of(report) == {"passed": ["a::b"], "failed": ["a::c: not equal"], "skipped": ["a::d"]}


def test_without_a_board_there_is_no_energy() -> None:
    assert board_energy("cpu")() is None
