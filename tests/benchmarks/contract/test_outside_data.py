"""Test data is reached by an import, by a file or by a socket; each is seen, and code and batches are not."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from benchmarks.contract import Broken, checks
from benchmarks.contract.outside_data import outside_reads
from benchmarks.experiments.defenses import find_defense

SOUND = '''"""Fine-tuning that looks elsewhere."""

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from baselines.defense import Defense


@dataclass(frozen=True, kw_only=True)
class Looks(Defense, key="looks"):
    """Source: made up."""

    title = "Looks"
    paper = "made up"

    def step(self, model, batch):
        pass  # here
        loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
        loss.backward()
        return loss.detach()


# there
'''


def written(folder: Path, **changes: str) -> type:
    """A defense from a file in which some comments were replaced."""
    text = SOUND
    for place, code in changes.items():
        text = text.replace({"here": "pass  # here", "there": "# there"}[place], code)
    path = folder / "looks.py"
    path.write_text(text)
    return find_defense(str(path))


def test_batches_alone_are_enough(tmp_path: Path) -> None:
    checks.sees_training_texts_alone(written(tmp_path))


def test_a_look_for_a_package_is_no_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install has an entry in the import path that is no folder."""
    monkeypatch.setattr("sys.path", [*sys.path, "__editable__.finder.__path_hook__"])
    look = "import importlib.metadata; list(importlib.metadata.distributions(name='none-such'))"
    checks.sees_training_texts_alone(written(tmp_path, here=look))


@pytest.mark.parametrize(
    "code",
    ["from benchmarks.data.loading import load", "import datasets", "import reports.frame as frame"],
)
def test_an_import_of_data_is_named_with_its_line(tmp_path: Path, code: str) -> None:
    with pytest.raises(Broken, match=rf"line 18 of its file imports {code.split()[1]}"):
        checks.sees_training_texts_alone(written(tmp_path, here=code))


def test_a_file_read_in_a_step_is_named(tmp_path: Path) -> None:
    data = tmp_path / "test.tsv"
    data.write_text("a film\t1\n")
    with pytest.raises(Broken, match=rf"it opens {data}; .* while it trains"):
        checks.sees_training_texts_alone(written(tmp_path, here=f"open({str(data)!r}).close()"))


def test_a_file_read_when_it_is_loaded_is_named(tmp_path: Path) -> None:
    data = tmp_path / "test.tsv"
    data.write_text("a film\t1\n")
    with pytest.raises(Broken, match=rf"it opens {data} while it trains"):
        checks.sees_training_texts_alone(written(tmp_path, there=f"open({str(data)!r}).close()"))


def test_a_connection_is_named_and_nothing_is_heard_outside(tmp_path: Path) -> None:
    kind = written(tmp_path)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with outside_reads(kind) as reads, socket.create_connection(server.getsockname()):
            pass
        assert reads == [f"connects to {server.getsockname()}"]
        with socket.create_connection(server.getsockname()):
            pass
    (tmp_path / "later.txt").write_text("unheard")
    assert len(reads) == 1
