"""A labelled text, and a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One labelled text or pair of texts.

    Attributes:
        id: "<split>-<row>", unique within its task.
        texts: one text, or the two texts of a pair in the task's column order.
        label: in [0, C).
    """

    id: str
    texts: tuple[str, ...]
    label: int


@dataclass(frozen=True)
class Dataset:
    """A task's examples as loaded.

    Attributes:
        task: the task's name.
        columns: names of the text columns, one or two, in order.
        label_names: C names, indexed by label.
        train, test: the examples; "test" is the split Clean% is measured on.
        origin: source of the texts, for captions and identities ("generated, seed 0", "folder", a hub id).
        fingerprint: SHA-256 over every id, text and label.
    """

    task: str
    columns: tuple[str, ...]
    label_names: tuple[str, ...]
    train: Sequence[Example]
    test: Sequence[Example]
    origin: str
    fingerprint: str
