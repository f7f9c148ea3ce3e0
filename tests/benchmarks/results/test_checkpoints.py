"""Checkpoints: all of a state comes back, a damaged or strange one is left, writing keeps its share."""

from __future__ import annotations

import pytest
import torch

from baselines.defense import Progress
from benchmarks.results import checkpoints as module
from benchmarks.results.checkpoints import Checkpoints

STATE = {
    "finished": False,
    "losses": torch.tensor([0.1, 0.2]),
    "nested": [{"mask": torch.tensor([True, False]), "step": torch.tensor(3.0)}, (1, 2.5, None, "text", 0.1)],
    "empty": torch.empty(0),
}


def same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def test_tensors_and_values_come_back_and_resumptions_are_counted(tmp_path) -> None:
    keeper = Checkpoints(tmp_path / "c", {"torch": "2"})
    assert keeper.load(0) is None and keeper.flags == []
    keeper.save(0, STATE)
    for number in (1, 2):
        keeper = Checkpoints(tmp_path / "c", {"torch": "2"})
        assert same(STATE, keeper.load(0))
        assert keeper.flags == [f"resumed {number} times"]
        keeper.save(0, STATE)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["stage-0.safetensors"]
    keeper.remove()
    assert not (tmp_path / "c").exists()


def test_a_stage_counts_only_where_all_before_it_were_finished(tmp_path) -> None:
    keeper = Checkpoints(tmp_path, {})
    keeper.save(0, STATE | {"finished": True})
    keeper.save(1, STATE)
    keeper.save(2, STATE)
    again = Checkpoints(tmp_path, {})
    assert again.load(0) and again.load(1)
    assert again.load(2) is None, "stage 1 was not finished, so 2 is of another training"
    (tmp_path / "stage-0.safetensors").unlink()
    again = Checkpoints(tmp_path, {})
    assert again.load(0) is None and again.load(1) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "garbage", "empty", "elsewhere"])
def test_one_that_does_not_serve_is_named_and_left(tmp_path, caplog, damage: str) -> None:
    Checkpoints(tmp_path, {"torch": "2"}).save(0, STATE)
    path = tmp_path / "stage-0.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    changed = {"flip": bytes(raw), "cut": bytes(raw[:-1]), "garbage": b"no checkpoint", "empty": b""}
    if damage in changed:
        path.write_bytes(changed[damage])
    keeper = Checkpoints(tmp_path, {"torch": "3" if damage == "elsewhere" else "2"})
    assert keeper.load(0) is None and keeper.flags == []
    assert "cannot be used" in caplog.text and str(path) in caplog.text
    assert damage != "elsewhere" or "it was made elsewhere: torch was '2', is '3'" in caplog.text


def test_writing_waits_for_a_boundary_and_takes_no_more_than_its_share(tmp_path, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    keeper = Checkpoints(tmp_path, {}, least_seconds=10)

    def is_due(seconds: float, update: int) -> bool:
        now[0] = seconds
        return keeper.due(Progress(update, updates_per_epoch=100, total_updates=300, learning_rate=0.1))

    assert not is_due(9.9, 5) and is_due(10, 5)
    assert not is_due(10, 6), "a mini-epoch is five updates here"

    def slowly(*_: object) -> None:
        now[0] += 1

    monkeypatch.setattr(module, "_write", slowly)
    keeper.save(0, STATE)  # ends at 11 seconds
    assert not is_due(60.9, 10) and is_due(61, 10), "one second of writing in fifty"


def test_a_stop_is_always_due(tmp_path) -> None:
    assert Checkpoints(tmp_path, {}, stop=lambda: True).due(Progress(1, 100, 100, 0.1))


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "c").write_text("")
    with pytest.raises(RuntimeError, match=r"stage-0\.safetensors cannot be written"):
        Checkpoints(tmp_path / "c", {}).save(0, STATE)


def test_a_training_in_parts_begins_anew_and_is_found_in_parts(tmp_path) -> None:
    keeper = Checkpoints(tmp_path / "c", {})
    assert keeper.parts == 1
    keeper.save(0, {"finished": False})
    keeper.restart(parts=4)
    assert (keeper.parts, keeper.load(0)) == (4, None)
    assert Checkpoints(tmp_path / "c", {}).parts == 4
    for damaged in ("", "x", "0", "-3"):
        (tmp_path / "c" / "parts").write_text(damaged)
        assert Checkpoints(tmp_path / "c", {}).parts == 1
