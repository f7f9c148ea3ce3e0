"""The tasks: their texts and labels, and where and in which format they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.validation import unknown

Kind = Literal["csv", "tsv", "jsonl", "parquet"]


@dataclass(frozen=True)
class Layout:
    """The format of a split's file.

    Attributes:
        kind: "tsv" is GLUE's (header, tabs, no quoting); "csv" is ordinary CSV, with or without a header;
            "jsonl" has a JSON object on each line.
        text_columns: names of the text columns in the file, or their positions if there is no header.
        label_column: name or position of the label's column.
        joined: whether the text columns are joined into one text with a space (AG News: title and description).
    """

    kind: Kind
    text_columns: tuple[str, ...] | tuple[int, ...]
    label_column: str | int
    joined: bool = False

    @property
    def has_header(self) -> bool:
        """Whether the first line names the columns."""
        return isinstance(self.label_column, str)


@dataclass(frozen=True)
class Hub:
    """A task's place on the hub: repository, pinned revision, configuration and the names of its splits."""

    repository: str
    revision: str
    configuration: str | None
    train: str
    test: str
    text_columns: tuple[str, ...]
    label_column: str = "label"


@dataclass(frozen=True)
class Task:
    """A text-classification task.

    Attributes:
        key, title: its name in commands and in tables.
        columns: names of the text columns an attack sees, in order.
        label_names: C names, indexed by label.
        label_values: how the labels are written in files, in the same order.
        max_length: truncation length in tokens. Source: EarlyRobust, section 4; robust_ticket for 128/256.
        batch_size: texts per batch, as hard-coded in the release.
        attacked: texts attacked in the paper.
        train_file, test_file: file names in the task's data folder.
        layout: how the files are written; None for the generated task.
        hub: where to fetch it; None for the generated task and for a user's own.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    label_names: tuple[str, ...]
    label_values: tuple[str, ...]
    max_length: int
    batch_size: int
    attacked: int
    train_file: str = ""
    test_file: str = ""
    layout: Layout | None = None
    hub: Hub | None = None


_SENTIMENT = ("negative", "positive")


def _glue(name: str, *columns: str) -> Hub:
    return Hub("nyu-mll/glue", "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c", name, "train", "validation", columns)


SST2 = Task(
    key="sst2",
    title="SST-2",
    columns=("sentence",),
    label_names=_SENTIMENT,
    label_values=("0", "1"),
    max_length=128,
    batch_size=32,
    attacked=872,
    train_file="train.tsv",
    test_file="validation.tsv",
    layout=Layout("tsv", ("sentence",), "label"),
    hub=_glue("sst2", "sentence"),
)

AG_NEWS = Task(
    key="ag_news",
    title="AG News",
    columns=("text",),
    label_names=("World", "Sports", "Business", "Sci/Tech"),
    label_values=("1", "2", "3", "4"),
    max_length=256,
    batch_size=8,
    attacked=500,
    train_file="train.csv",
    test_file="test.csv",
    layout=Layout("csv", (1, 2), 0, joined=True),
    hub=Hub("fancyzhx/ag_news", "eb185aade064a813bc0b7f42de02595523103ca4", None, "train", "test", ("text",)),
)

IMDB = Task(
    key="imdb",
    title="IMDB",
    columns=("text",),
    label_names=_SENTIMENT,
    label_values=("0", "1"),
    max_length=256,
    batch_size=8,
    attacked=500,
    train_file="train.csv",
    test_file="test.csv",
    layout=Layout("csv", ("text",), "label"),
    hub=Hub("stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31", None, "train", "test", ("text",)),
)

QNLI = Task(
    key="qnli",
    title="QNLI",
    columns=("question", "sentence"),
    label_names=("entailment", "not_entailment"),
    label_values=("entailment", "not_entailment"),
    max_length=128,
    batch_size=32,
    attacked=500,
    train_file="train.tsv",
    test_file="validation.tsv",
    layout=Layout("tsv", ("question", "sentence"), "label"),
    hub=_glue("qnli", "question", "sentence"),
)

QQP = Task(
    key="qqp",
    title="QQP",
    columns=("question1", "question2"),
    label_names=("not_duplicate", "duplicate"),
    label_values=("0", "1"),
    max_length=128,
    batch_size=32,
    attacked=500,
    train_file="train.tsv",
    test_file="validation.tsv",
    layout=Layout("tsv", ("question1", "question2"), "is_duplicate"),
    hub=_glue("qqp", "question1", "question2"),
)

DEMO = Task(
    key="demo",
    title="Demo",
    columns=("text",),
    label_names=_SENTIMENT,
    label_values=("0", "1"),
    max_length=64,
    batch_size=16,
    attacked=40,
)

TASKS = {task.key: task for task in (IMDB, SST2, AG_NEWS, QNLI, QQP, DEMO)}


def find_task(name: str) -> Task:
    """The task called `name`.

    Raises:
        UserError: for an unknown name.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def title_of(name: str) -> str:
    """The task's name in tables; a user's own task keeps its given name."""
    return TASKS[name].title if name in TASKS else name
