"""A row per check; one that failed shows its fault and makes the table fail."""

from __future__ import annotations

from benchmarks.contract import Verdict
from reports.contract import contract_table

KEPT, FAILED = Verdict("keeps_a_promise", "Keeps it.", None), Verdict("keeps_another", "Keeps it too.", "it does not")


def test_a_fault_stands_in_the_place_of_the_promise() -> None:
    table = contract_table("mine.py", [KEPT, FAILED])
    assert table.rows == (("keeps a promise", "yes", "Keeps it."), ("keeps another", "no", "it does not"))
    assert table.incomplete and table.caption == ("1 of 2 checks passed.",)


def test_a_defense_that_keeps_all_passes() -> None:
    assert not contract_table("mine.py", [KEPT]).incomplete
