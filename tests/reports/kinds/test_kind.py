"""A report has the figures of its kind where its table has rows."""

from __future__ import annotations

from benchmarks.experiments.catalogue import EXPERIMENTS
from reports.kinds.kind import Kind, Report
from reports.tables import Column, Table


class Doubled(Kind[int, int]):
    def gather(self, source: int) -> int:
        return 2 * source

    def table(self, data: int) -> Table:
        return Table("T", (Column("A", "a", False),), (("x",),) * data)

    def figures(self, data: int, table: Table) -> dict:
        return {self.experiment.key: data}

    @classmethod
    def rebuild(cls, store, content) -> Table:
        raise KeyError


def report(source: int) -> Report:
    kind = Doubled(EXPERIMENTS["figure2"])
    data = kind.gather(source)
    return Report(kind, data, kind.table(data))


def test_figures_are_drawn_of_what_was_gathered_where_there_are_rows() -> None:
    assert report(1).figures() == {"figure2": 2}
    assert report(0).figures() == {}
