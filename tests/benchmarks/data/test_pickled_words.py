"""A word list in a pickle is read as words or not at all."""

from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.pickled_words import PICKLED, PLAIN, convert_words


class Command:
    """A pickle that runs a command when it is loaded in the ordinary way."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self):
        return os.system, (f"touch {self.made}",)


def convert(folder: Path, value: object, protocol: int = 4) -> list[str]:
    (folder / PICKLED).write_bytes(pickle.dumps(value, protocol))
    convert_words(folder)
    return json.loads((folder / PLAIN).read_text("utf-8"))


@pytest.mark.parametrize(
    ("number", "protocol"),
    [(int, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    + [(kind, protocol) for kind in (np.int64, np.int32, np.uint8) for protocol in (3, 4, 5)],
)
def test_words_come_in_the_order_of_their_rows(tmp_path: Path, number: type, protocol: int) -> None:
    words = {"zebra": number(1), "café": number(0), "a": number(2)}
    assert convert(tmp_path, words, protocol) == ["café", "zebra", "a"]


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(ValueError, match=r"holds more than words.*system"):
        convert(tmp_path, {"word": 0, "evil": Command(made)})
    assert not made.exists() and not (tmp_path / PLAIN).exists()


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"a": "b"},
        {"a": True},
        {1: 0},
        {"a": 0, "b": 0},
        {"a": 1},
        {"a": 0.0},
        {"a": np.float64(0)},
        OrderedDict(a=0),
        {"a": print},
        {"a": np.array(0)},
    ],
    ids=str,
)
def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError) as refusal:
        convert(tmp_path, value)
    assert PICKLED in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 0})[:-3], b"cos\nsystem\n(S'true'\ntR."])
def test_a_broken_pickle_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PICKLED).write_bytes(content)
    with pytest.raises(ValueError, match="or is broken"):
        convert_words(tmp_path)
