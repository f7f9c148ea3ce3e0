"""Load a task's texts: from a folder, from the hub, or generated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from baselines.validation import UserError
from benchmarks.data.demo_corpus import generate
from benchmarks.data.examples import Dataset, Example
from benchmarks.data.files import read_rows
from benchmarks.data.tasks import Hub, Layout, Task


def load(
    task: Task,
    *,
    data_dir: Path | None = None,
    offline: bool = False,
    train_limit: int | None = None,
    test_limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The task's training and test texts.

    The demo task is generated. Other tasks are read from `data_dir`, or downloaded from the hub at a pinned revision
    if no folder is given. A limit draws that many texts at random, with `seed`, and keeps the stored order.

    Raises:
        UserError: naming what is missing or malformed, and where.
    """
    if task.layout is None:
        train, test, origin = *generate(), "generated"
    elif data_dir is not None:
        train, test, origin = *_from_folder(task, task.layout, Path(data_dir)), "folder"
    else:
        assert task.hub is not None  # a user's own task is always loaded from its folder
        train, test = _from_hub(task, task.hub, offline)
        origin = f"{task.hub.repository}@{task.hub.revision[:8]}"
    train, test = _subset(train, train_limit, seed), _subset(test, test_limit, seed)
    return Dataset(task.key, task.columns, task.label_names, train, test, origin, fingerprint(train, test))


def fingerprint(*splits: Iterable[Example]) -> str:
    """SHA-256 over every id, text and label, split by split."""
    digest = hashlib.sha256()
    for split in splits:
        for example in split:
            digest.update(json.dumps([example.id, example.texts, example.label], ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _subset(examples: Sequence[Example], limit: int | None, seed: int) -> list[Example]:
    if limit is None or limit >= len(examples):
        return list(examples)
    drawn = np.random.default_rng(seed).choice(len(examples), size=limit, replace=False)
    return [examples[index] for index in sorted(drawn)]


def _from_folder(task: Task, layout: Layout, folder: Path) -> tuple[list[Example], list[Example]]:
    """Read both splits from `folder/<task>/`, or from `folder` itself if the files lie there."""
    if not folder.exists():
        raise UserError(f"the data folder {folder} does not exist")
    if not folder.is_dir():
        raise UserError(f"the data folder {folder} is a file; give the folder that holds {task.key}/{task.train_file}")
    names = (task.train_file, task.test_file)
    inside = folder / task.key
    home = folder if all((folder / name).exists() for name in names) and task.hub is not None else inside
    missing = [str(inside / name) for name in names if not (home / name).exists()]
    if missing:
        raise UserError(f"the data folder {folder} lacks what task {task.key!r} needs: {', '.join(missing)}")
    return tuple(
        _read_split(task, layout, home / name, split) for name, split in zip(names, ("train", "test"), strict=True)
    )


def _read_split(task: Task, layout: Layout, path: Path, split: str) -> list[Example]:
    examples = []
    for number, texts, written in read_rows(path, layout):
        if written not in task.label_values:
            allowed = ", ".join(task.label_values)
            raise UserError(f"{path}, row {number}: unknown label {written[:80]!r}; allowed: {allowed}")
        _refuse_empty(texts, f"{path}, row {number}")
        texts = [" ".join(texts)] if layout.joined else texts
        examples.append(Example(f"{split}-{number - 1}", tuple(texts), task.label_values.index(written)))
    if not examples:
        raise UserError(f"{path} holds no rows")
    return examples


def _refuse_empty(texts: Sequence[str], where: str) -> None:
    if not all(text.strip() for text in texts):
        raise UserError(f"{where}: the text is empty")


def _from_hub(task: Task, hub: Hub, offline: bool) -> tuple[list[Example], list[Example]]:
    """Load both splits with the hub's own library, at the pinned revision."""
    import datasets

    place = f"{hub.repository}@{hub.revision}"
    previous = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = previous or offline
    try:
        loaded = datasets.load_dataset(hub.repository, hub.configuration, revision=hub.revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = "and --offline forbids fetching it" if offline else f"and fetching it failed ({type(error).__name__})"
        raise UserError(
            f"task {task.key!r} needs the data set {place} from the hub, which is not in the local cache {reason}; "
            f"give a folder with --data, or take the generated task 'demo'"
        ) from error
    finally:
        datasets.config.HF_HUB_OFFLINE = previous
    labels = len(task.label_names)
    return _hub_split(hub, loaded[hub.train], "train", labels), _hub_split(hub, loaded[hub.test], "test", labels)


def _hub_split(hub: Hub, rows: Iterable[dict], split: str, labels: int) -> list[Example]:
    examples = []
    for number, row in enumerate(rows):
        missing = [name for name in (*hub.text_columns, hub.label_column) if name not in row]
        if missing:
            raise UserError(f"{hub.repository}, {split}: no column {missing[0]!r}; its columns are: {', '.join(row)}")
        texts, label = tuple(row[name] for name in hub.text_columns), row[hub.label_column]
        where = f"{hub.repository}, {split} row {number + 1}"
        if not all(isinstance(text, str) for text in texts):
            raise UserError(f"{where}: a text is no text but {next(each for each in texts if type(each) is not str)!r}")
        if label not in range(labels):
            raise UserError(f"{where}: unknown label {label!r}; allowed: 0 to {labels - 1}")
        _refuse_empty(texts, where)
        examples.append(Example(f"{split}-{number}", texts, int(label)))
    return examples
