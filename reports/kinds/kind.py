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
    """One kind of report on an experiment. It is made of a study, or of options alone where nothing is trained.

    Attributes:
        experiment: what is reported on.
        draws: whether it has figures.
    """

    draws: ClassVar[bool] = True

    def __init__(self, experiment: Experiment):
        self.experiment = experiment

    @abstractmethod
    def gather(self, source: Source) -> Data:
        """All that table and figures show: what the store has of a study's runs now, and what they rest on."""

    @abstractmethod
    def table(self, data: Data) -> Table:
        """The table, which names the records it was made of; what is missing is blank and makes it incomplete."""

    def figures(self, data: Data, table: Table) -> dict[str, Figure]:
        """The figures by file name, with the numbers of the table, which has rows; none for a table read as numbers."""
        return {}

    @classmethod
    @abstractmethod
    def rebuild(cls, store: Store, content: Mapping[str, Any]) -> Table:
        """The table made again from the records that its JSON names, apart from title and caption.

        Raises:
            KeyError: for a record that is not there.
        """


@dataclass(frozen=True)
class Report(Generic[Source, Data]):
    """What one experiment shows.

    Attributes:
        kind: the kind of report.
        data: what it gathered.
        table: its table.
    """

    kind: Kind[Source, Data]
    data: Data
    table: Table

    def figures(self) -> dict[str, Figure]:
        """The figures by file name; none where the table has no row."""
        return self.kind.figures(self.data, self.table) if self.table.rows else {}
