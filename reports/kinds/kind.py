"""What a kind of report is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from benchmarks.experiments.experiment import Experiment
from benchmarks.results.store import Store
from reports.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Source = TypeVar("Source")
Data = TypeVar("Data")


class Kind(ABC, Generic[Source, Data]):
    """A kind of report on experiments. Its source is a study, or options alone if nothing is trained.

    Attributes:
        experiment: the experiment.
        draws: whether the report has figures.
    """

    draws: ClassVar[bool] = True

    def __init__(self, experiment: Experiment):
        self.experiment = experiment

    @abstractmethod
    def gather(self, source: Source) -> Data:
        """Read all that table and figures show: the stored records of the study's runs, and their conditions."""

    @abstractmethod
    def table(self, data: Data) -> Table:
        """The table, with the keys of its records; a missing record leaves a blank and makes the table incomplete."""

    def figures(self, data: Data, table: Table) -> dict[str, Figure]:
        """The figures by file name, drawn from a table that has rows; empty for a kind without figures."""
        return {}

    @classmethod
    @abstractmethod
    def rebuild(cls, store: Store, content: Mapping[str, Any]) -> Table:
        """Make the table again, without title and caption, from the records that its JSON names.

        Raises:
            KeyError: for a missing record.
        """


@dataclass(frozen=True)
class Report(Generic[Source, Data]):
    """The report on one experiment.

    Attributes:
        kind: the kind of report.
        data: the gathered records and conditions.
        table: its table.
    """

    kind: Kind[Source, Data]
    data: Data
    table: Table

    def figures(self) -> dict[str, Figure]:
        """The figures by file name; empty for a table without rows."""
        return self.kind.figures(self.data, self.table) if self.table.rows else {}
