"""A study does the most important parts first, stores each, goes on where it stopped, and never fakes one."""

from __future__ import annotations

import json
import tarfile
import time
from pathlib import Path

import pytest

from benchmarks.device import study as module
from benchmarks.device.parts import Part
from benchmarks.device.place import RESULTS, Place
from benchmarks.device.study import chosen_parts, place_for, put_together, stored, work_through


def says(value: int):
    return lambda place, say: {"value": value}


def hangs(place, say):
    time.sleep(30)


def breaks(place, say):
    raise RuntimeError("it broke")


def is_wrong(place, say):
    return {}["key"]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> dict[str, Part]:
    """Parts run in this process, and can be given another work."""
    known: dict[str, Part] = {}
    monkeypatch.setattr(module, "KNOWN", known)
    monkeypatch.setattr(module, "call_in_fresh_process", lambda call, *given: call(*given, lambda: None))
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)
    return known


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_for(tmp_path / "out", None, "cpu")


def run(place: Place, known: dict[str, Part], minutes: float, *parts: Part):
    known.update({part.key: part for part in parts})
    said: list[str] = []
    return work_through(place, parts, minutes, said.append), said


def test_parts_are_stored_and_not_done_twice(place, in_process) -> None:
    (first,), _ = run(place, in_process, 1, Part("a", "A", 0.1, says(1)))
    assert (first.status, first.result) == ("done", {"value": 1})
    assert first.conditions["size"] == "tiny" and first.conditions["versions"]["torch"]
    (again,), _ = run(place, in_process, 1, Part("a", "A", 0.1, says(2)))
    assert again == first == stored(place.out, "a")


def test_what_needs_cuda_is_not_available_and_not_faked(place, in_process) -> None:
    (found,), _ = run(place, in_process, 1, Part("a", "A", 0.1, says(1), needs_cuda=True))
    assert (found.status, found.why, found.result) == ("not available", "no CUDA device", {})


def test_a_part_that_does_not_fit_is_left_out_and_a_shorter_one_is_done(place, in_process) -> None:
    found, said = run(place, in_process, 0.5, Part("long", "L", 100, says(1)), Part("short", "S", 0.01, says(2)))
    assert [each.status for each in found] == ["left out", "done"]
    assert said[0] == "long: left out: it takes about 25.0 minutes and 0.4 are left"
    assert stored(place.out, "long") is None


def test_one_like_it_tells_how_long_a_part_takes(place, in_process) -> None:
    """On a device that is faster than estimated more runs fit into the time."""
    first, again = Part("a", "A", 0.1, says(1)), Part("b", "B", 100, says(2), like="a")
    found, _ = run(place, in_process, 1, again, first, again)
    assert [each.status for each in found] == ["left out", "done", "done"]


def test_a_part_that_overruns_is_cut_off_and_the_next_is_done(place, in_process) -> None:
    found, _ = run(place, in_process, 1, Part("slow", "S", 0.01, hangs), Part("next", "N", 0.01, says(2)))
    assert [each.status for each in found] == ["left out", "done"]
    assert "cut off after" in found[0].why and stored(place.out, "slow") is None


def test_a_part_that_fails_says_why_and_is_done_again(place, in_process) -> None:
    (failed,), _ = run(place, in_process, 1, Part("a", "A", 0.1, breaks))
    assert (failed.status, failed.why) == ("failed", "RuntimeError: it broke")
    (mended,), _ = run(place, in_process, 1, Part("a", "A", 0.1, says(1)))
    assert mended.status == "done"


def test_a_bug_in_one_part_costs_the_others_nothing(place, in_process) -> None:
    found, _ = run(place, in_process, 1, Part("a", "A", 0.1, is_wrong), Part("b", "B", 0.1, says(1)))
    assert [each.status for each in found] == ["failed", "done"] and found[0].why == "KeyError: 'key'"


def test_evidence_under_other_conditions_is_refused(place, monkeypatch) -> None:
    known = module.versions()
    monkeypatch.setattr(module, "versions", lambda: known | {"torch": "0.1"})
    with pytest.raises(ValueError, match=r"other conditions: versions\.torch was .* is '0\.1'"):
        place_for(place.out, None, "cpu")


def test_another_machine_of_the_kind_goes_on(place) -> None:
    path = place.out / "conditions.json"
    known = json.loads(path.read_text("utf-8"))
    known["machine"]["memory_gib"] = 1
    path.write_text(json.dumps(known), "utf-8")
    assert place_for(place.out, None, "cpu") == place


def test_a_damaged_record_is_named(place) -> None:
    (place.out / "parts").mkdir()
    (place.out / "parts" / "a.json").write_text("{", "utf-8")
    with pytest.raises(RuntimeError, match=r"a\.json is damaged .*redoes the part"):
        stored(place.out, "a")


def test_no_time_and_an_unknown_part_are_refused(place) -> None:
    with pytest.raises(ValueError, match="--minutes must be more than 0, got 0"):
        work_through(place, [], 0, print)
    with pytest.raises(ValueError, match="unknown part of the evidence 'clocks'; did you mean 'clock'"):
        chosen_parts(["clocks"])


def test_records_go_into_one_file_without_weights_and_come_back(place, tmp_path: Path) -> None:
    results = place.out / RESULTS / "trainings" / "key"
    (results / "model").mkdir(parents=True)
    (results / "model" / "model.safetensors").write_text("heavy", "utf-8")
    (results / "record.json").write_text("light", "utf-8")
    path = put_together(place.out)
    with tarfile.open(path) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    assert files == [f"{RESULTS}/trainings/key/record.json"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (path.name, "conditions.json"):
        (elsewhere / name).write_bytes((place.out / name).read_bytes())
    place_for(elsewhere, None, "cpu")
    assert (elsewhere / RESULTS / "trainings" / "key" / "record.json").read_text("utf-8") == "light"


def test_what_starts_processes_of_its_own_is_done_without_another_around_it(place, in_process, monkeypatch) -> None:
    def refuse(*given):
        raise AssertionError("a process was started")

    monkeypatch.setattr(module, "call_in_fresh_process", refuse)
    (found,), _ = run(place, in_process, 1, Part("a", "A", 0.1, says(1), spreads=True))
    assert (found.status, found.result, found.watch) == ("done", {"value": 1}, {})


def test_the_device_is_named_without_holding_it() -> None:
    assert module._device_name("cuda", {"gpus": ["NVIDIA A"]}) == "NVIDIA A"
    assert module._device_name("cpu", {"gpus": "not available", "processor": "x"}) == "x"
