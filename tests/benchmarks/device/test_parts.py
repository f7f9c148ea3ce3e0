"""Every part can be named, gives plain values, and says what it cannot do."""

from __future__ import annotations

import ast
import json
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tape import FakeGraphs

from baselines.fine_tune import FineTune
from baselines.robust_ticket import RobustTicket
from benchmarks.device import parts as module
from benchmarks.device.parts import KNOWN, PARTS, SIZES, Place, board_energy, outcomes_of, plan_of, table1_cells
from benchmarks.runs.defenses import TABLE_ORDER
from benchmarks.runs.runner import train
from benchmarks.runs.setup import resolve


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


def test_throughput_needs_no_weights_of_table_1_and_leaves_none(place: Place) -> None:
    """Weights do not travel from machine to machine, records do."""
    setup = resolve(replace(place.options(), defenses="fine_tune"))
    cell = next(each for each in table1_cells(setup, 1) if each.defense.key == "fine_tune")
    record = train(setup, cell)
    setup.store.weights_path(record.key).unlink()
    result = KNOWN["attacks"].work(place, lambda line: None)
    (timings,) = result["timings"].values()
    assert {each["recipe"] for each in timings} == {"textfooler", "bertattack_official"}
    assert all(each["queries"] > 0 for each in timings)
    assert setup.store.training(record.key) == record and not setup.store.weights_path(record.key).is_file()


def test_what_cannot_be_recorded_is_named_and_what_breaks_is_no_refusal(place: Place, monkeypatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class ReadsBack(FineTune):
        title = "Reads back"

        def step(self, model, batch):
            loss = super().step(model, batch)
            return loss * loss.item()

    monkeypatch.setattr(module, "CudaGraphs", FakeGraphs)
    model = module.random_bert(place.sizes.encoder)
    refused = module._refused({"plain": FineTune(), "RobusT": RobustTicket()}, model, "fp32")
    assert refused.keys() == {"RobusT"} and "its penalty's weight" in refused["RobusT"]
    with pytest.raises(RuntimeError, match="Reads back, stage 'train' cannot be captured: operation not permitted"):
        module._refused({"reads back": ReadsBack()}, model, "fp32")


def test_the_files_of_gpu_tests_import_nothing_that_such_a_machine_may_lack() -> None:
    marked = [path for path in (module.ROOT / "tests").rglob("test_*.py") if module.MARK in path.read_text("utf-8")]
    needed = {name for path in marked for name in imported(path)}
    ours = {"baselines", "method", "benchmarks", "reports", "tests"}
    support = {path.stem for path in (module.ROOT / "tests" / "support").glob("*.py")}
    assert len(marked) >= 3
    assert needed <= ours | support | set(sys.stdlib_module_names) | {"pytest", "torch", "numpy"}


def imported(path: Path) -> set[str]:
    """The packages that a file names in its imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_outcomes_of_tests_are_read_from_the_report() -> None:
    report = ElementTree.fromstring(
        '<testsuites><testsuite><testcase classname="a" name="b"/>'
        '<testcase classname="a" name="c"><failure message="not equal&#10;more"/></testcase>'
        '<testcase classname="a" name="d"><skipped message="no GPU"/></testcase></testsuite></testsuites>'
    )
    assert outcomes_of(report) == {"passed": ["a::b"], "failed": ["a::c: not equal"], "skipped": ["a::d"]}


def test_without_a_board_there_is_no_energy() -> None:
    assert board_energy("cpu")() is None
