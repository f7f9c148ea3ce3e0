"""Table 1 is all of it, weights that stayed behind are made again, and what cannot be read is not made up."""

from __future__ import annotations

import ast
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from demo_jobs import context_of, job_of
from tape import FakeGraphs

from baselines.fine_tune import FineTune
from baselines.robust_ticket import RobustTicket
from benchmarks.device import works as module
from benchmarks.device.place import Place
from benchmarks.device.works import attacks, board_energy, outcomes_of
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train


def test_a_training_whose_weights_did_not_come_along_is_done_again(place: Place) -> None:
    study = resolve(replace(place.options(), defenses="fine_tune"), EXPERIMENTS["table1"], [42])
    (job,) = study.trainings
    record = train(study.context, job)
    assert module._set_weightless_aside(study) == []
    study.store.weights_path(record.key).unlink()
    (said,) = module._set_weightless_aside(study)
    assert "is redone" in said and study.store.training(record.key) is None


@pytest.mark.integration
def test_throughput_needs_no_weights_of_table_1_and_leaves_none(place: Place) -> None:
    """Weights do not travel from machine to machine, records do."""
    context = context_of(place.options())
    record = train(context, job_of(context))
    context.store.weights_path(record.key).unlink()
    result = attacks(place, lambda line: None)
    (timings,) = result["timings"].values()
    assert {each["recipe"] for each in timings} == {"textfooler", "bertattack_official"}
    assert all(each["queries"] > 0 for each in timings)
    assert context.store.training(record.key) == record and not context.store.weights_path(record.key).is_file()


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
    ours = {"baselines", "method", "benchmarks", "reports", "earlyrobust", "tests"}
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
