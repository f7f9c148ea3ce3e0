"""Table 1 is all of it, weights that stayed behind are made again, and what cannot be read is not made up."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from benchmarks.device import works as module
from benchmarks.device.place import Place
from benchmarks.device.works import board_energy, outcomes_of, table1_cells
from benchmarks.runs.defenses import TABLE_ORDER
from benchmarks.runs.plan import look_up
from benchmarks.runs.setup import resolve
from benchmarks.runs.training import train


def test_table_1_is_all_methods(place: Place) -> None:
    setup = resolve(place.options())
    cells = table1_cells(setup, 2)
    assert sorted({cell.defense.key for cell in cells}) == sorted(TABLE_ORDER) and len(cells) == 2 * len(TABLE_ORDER)
    assert [recipe.key for recipe in setup.recipes] == ["textfooler", "bertattack_official"]


def test_a_training_whose_weights_did_not_come_along_is_done_again(place: Place) -> None:
    setup = resolve(replace(place.options(), defenses="fine_tune"))
    cell = next(each for each in table1_cells(setup, 1) if each.defense.key == "fine_tune")
    record = train(setup, cell)
    assert module._set_weightless_aside(setup, look_up(setup, [cell])) == []
    setup.store.weights_path(record.key).unlink()
    (said,) = module._set_weightless_aside(setup, look_up(setup, [cell]))
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
