"""A user's own task: a folder with two labelled files, from which the classes are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baselines.validation import UserError, require, unknown
from benchmarks.data.files import KINDS, kind_of, read_rows, warn_of_odd_classes
from benchmarks.data.tasks import TASKS, Layout, Task, find_task

COLUMNS = ("text",)
LABEL = "label"


def find_any_task(name: str, data_dir: Path | None, columns: Sequence[str] | None, label: str | None) -> Task:
    """The suite's task called `name`, otherwise the user's task in `data_dir/name/`.

    Args:
        columns, label: the text columns and the label column of a user's own task; `text` and `label` when None.
    Raises:
        UserError: for an unknown name, columns given for a task of the suite, or malformed files.
    """
    if name in TASKS:
        for option, value in (("--columns", columns), ("--label", label)):
            require(value is None, option, f"left out for {name!r}, whose columns are known", value)
        return find_task(name)
    is_folder_name = name == Path(name).name and name not in ("", ".", "..")
    if data_dir is None or not is_folder_name or not (data_dir / name).is_dir():
        refusal = unknown("task", name, TASKS)
        raise UserError(f"{refusal}, or a folder with train.csv and test.csv inside the folder given with --data")
    return own_task(name, data_dir / name, tuple(columns or COLUMNS), label or LABEL)


def own_task(name: str, folder: Path, columns: tuple[str, ...], label: str) -> Task:
    """The task in a folder with `train` and `test`, both .csv or .tsv with a header, .jsonl or .parquet.

    Its classes are the labels of the training file, sorted by number if all are numbers, otherwise alphabetically.
    Length, batch size and number of attacked texts are SST-2's unless options change them.

    Raises:
        UserError: for a missing file, more than two columns, fewer than two classes, or rows that cannot be read.
    """
    require(len(columns) <= 2, "--columns", "one or two columns", ",".join(columns))
    train, test = _file(folder, "train"), _file(folder, "test")
    require(train.suffix == test.suffix, f"{folder}", "train and test files of one kind", f"{train.name}, {test.name}")
    layout = Layout(kind_of(train), columns, label)
    classes = sorted({written for _, _, written in read_rows(train, layout)}, key=_order)
    require(len(classes) >= 2, f"the column {label!r} of {train}", "of two or more classes", ", ".join(classes))
    warn_of_odd_classes(train, tuple(classes))
    sizes = find_task("sst2")
    return Task(
        key=name,
        title=name,
        columns=columns,
        label_names=tuple(classes),
        label_values=tuple(classes),
        max_length=sizes.max_length,
        batch_size=sizes.batch_size,
        attacked=sizes.attacked,
        train_file=train.name,
        test_file=test.name,
        layout=layout,
    )


def _file(folder: Path, split: str) -> Path:
    found = [path for suffix in KINDS if (path := folder / f"{split}{suffix}").is_file()]
    if len(found) != 1:
        names = " or ".join(f"{split}{suffix}" for suffix in KINDS)
        raise UserError(f"the task folder {folder} must hold one file {names}, got {len(found)}")
    return found[0]


def _order(label: str) -> tuple[bool, int, str]:
    """Sort key: numbers by value, before words in alphabetical order."""
    is_number = label.isascii() and label.removeprefix("-").isdigit()
    return (not is_number, int(label) if is_number else 0, label)
