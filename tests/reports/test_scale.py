"""Predicted hours: FLOPs by hand, the bounds on machines, and the table in the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clock.cost import EncoderShape, encoder_flops, epoch_units
from benchmarks.experiments.experiment import Variant
from benchmarks.experiments.presets import PAPER, SMALL
from reports.scale import bounds, scale_table, training_flops, with_table, work_of
from reports.tables import Table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "scale.md"


@pytest.fixture(scope="module")
def table() -> Table:
    """The table of the document: every preset and experiment on 1, 8 and 64 GPUs."""
    return scale_table(100)


def test_a_forward_pass_is_that_of_the_specification() -> None:
    assert encoder_flops(EncoderShape(), 128) == pytest.approx(22.35e9, rel=1e-3)  # published to four digits
    assert encoder_flops(EncoderShape(), 256) == pytest.approx(45.90e9, rel=1e-3)


def test_a_training_is_its_epochs_of_three_passes_and_a_look_at_the_test_texts() -> None:
    plain = Variant("", "", "fine_tune").defense_for(PAPER, "sst2", 42)
    assert training_flops(PAPER, "sst2", plain) == (10 * 3 * 67_349 + 872) * encoder_flops(EncoderShape(), 128)
    freelb = Variant("", "", "freelb").defense_for(SMALL, "sst2", 42)
    minilm = EncoderShape(layers=6, hidden=384, heads=12, neurons=1536)
    units = epoch_units(freelb, shape=minilm, tokens=128)
    assert training_flops(SMALL, "sst2", freelb) == (units * 3 * 4000 + 872) * encoder_flops(minilm, 128)


def test_hours_are_bounded_by_all_work_by_a_block_and_by_the_longest_training() -> None:
    work = [("a", 2.0), ("a", 1.0), ("b", 1.0)]
    assert max(bounds(work, 1, 8).values()) == bounds(work, 1, 8)["the number of GPUs"] == 4
    assert max(bounds(work, 3, 8).values()) == bounds(work, 3, 8)["the longest training"] == 2
    assert max(bounds(work, 2, 1).values()) == bounds(work, 2, 1)["blocks kept on one machine"] == 3
    assert max(bounds([], 1, 8).values()) == 0


def test_every_training_is_reckoned_once() -> None:
    table1, everything = (work_of(PAPER, name, 1e14) for name in ("table1", "all"))
    assert (len(table1.trainings), len(table1.attacks)) == (105, 315)
    assert len({block for block, _ in table1.trainings}) == 15
    assert len(everything.trainings) > 105
    halved = work_of(PAPER, "table1", 2e14)
    assert sum(halved.attacks) == pytest.approx(sum(table1.attacks) / 2)  # rounding of sums


def test_more_gpus_never_take_longer_and_never_less_than_the_longest_training(table: Table) -> None:
    rows = [row for row in table.records() if row["experiment"] == "table1"]
    for preset in ("small", "paper"):
        one, eight, many = (row for row in rows if row["preset"] == preset)
        assert one["hours"] == pytest.approx(one["gpu_hours"])  # rounding of sums
        assert one["hours"] > eight["hours"] > many["hours"]
        assert many["training_hours"] >= many["longest_training_hours"]


def test_the_document_holds_what_the_command_writes(table: Table) -> None:
    text = DOCUMENT.read_text("utf-8")
    assert "earlyrobust scale --tflops 100 --document docs/scale.md" in text
    assert with_table(text, table) == text


@pytest.mark.parametrize(("tflops", "gpus", "machine"), [(0, (1,), 8), (1, (), 8), (1, (0,), 8), (1, (1,), 0)])
def test_what_is_not_positive_is_refused(tflops, gpus, machine) -> None:
    with pytest.raises(ValueError, match=r"--(tflops|gpus|gpus-per-machine) must be"):
        scale_table(tflops, gpus, machine)


def test_a_document_without_marks_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="each once and in this order"):
        with_table("text", table)
