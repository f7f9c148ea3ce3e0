"""The page says what was shown, missed and not shown, and every table stands on it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import asdict
from pathlib import Path

import pytest
from demo_jobs import attack_on
from made_up_study import record, steps

from benchmarks.device.parts import KNOWN, PARTS
from benchmarks.device.place import Place
from benchmarks.device.study import place_for
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train
from reports import device_page
from reports.device_page import page, parts_table, profile_table, steps_table, targets_table, write_evidence
from reports.device_targets import Target, targets

METHODS = {
    "Fine-tune": {"train": (10.0, 0.1)},
    "FreeLB-5": {"train": (10.0, 0.5)},
    "EarlyRobust": {"search": (1.0, 0.5), "fine_tune": (10.0, 0.08)},
}
PROFILE = {
    "what": "Fine-tune, 128 texts of 128 tokens, fp32",
    "wall_seconds": 0.2,
    "busy_seconds": 0.1,
    "launches": 300.0,
    "kernels": [{"name": "gemm", "calls": 72.0, "seconds": 0.05}],
}
MISSED = Target("a quantity", "at least 2", 1.5, 1.4, 1.6, float("nan"), "missed", "a note", "Fine-tune")


def test_a_training_costs_its_stages_and_speedups_are_ratios_of_costs() -> None:
    rows = {row["method"]: row for row in steps_table([steps("steps_filling_fp32", METHODS)]).records()}
    assert rows["FreeLB-5"]["measured_fine_tuning_costs"] == pytest.approx(5)
    assert rows["EarlyRobust"]["measured_fine_tuning_costs"] == pytest.approx(1.3)
    assert rows["FreeLB-5"]["speedup"] == pytest.approx(5 / 1.3)
    assert rows["FreeLB-5"]["early_speedup"] == pytest.approx(5 / 0.95)
    assert rows["EarlyRobust"]["phi_wall"] == pytest.approx(0.8)
    assert rows["EarlyRobust"]["phi"] == pytest.approx(0.75, abs=0.05)
    assert rows["Fine-tune"]["phi"] is None
    assert rows["Fine-tune"]["watts"] == 500 and rows["Fine-tune"]["peak_memory_gib"] == 1


def test_where_fine_tuning_was_not_timed_there_is_no_cost() -> None:
    """A recording may be refused."""
    timed = {name: stages for name, stages in METHODS.items() if name != "Fine-tune"}
    rows = {row["method"]: row for row in steps_table([steps("steps_filling_fp32", timed)]).records()}
    assert rows["FreeLB-5"]["measured_fine_tuning_costs"] is rows["EarlyRobust"]["phi_wall"] is None
    assert rows["FreeLB-5"]["speedup"] == pytest.approx(5 / 1.3)


def test_a_missed_target_is_explained_by_its_profile() -> None:
    (row,) = targets_table([MISSED], [PROFILE]).records()
    assert row["note"] == (
        "a note; profile of Fine-tune, 128 texts of 128 tokens, fp32: the device computes 50 % of the time, 300 "
        "launches an update, longest gemm"
    )
    (other,) = targets_table([MISSED], [PROFILE | {"what": "PGD-3, short"}]).records()
    assert other["note"] == "a note"


def test_kernels_have_their_share_of_the_computing() -> None:
    (row,) = profile_table(record("profiles", {"profiles": [PROFILE]})).records()
    assert (row["kernel"], row["milliseconds"], row["computing_percent"]) == ("gemm", 50, 50)


def test_what_speaks_against_times_stands_beside_the_part() -> None:
    table = parts_table([record("clock", {}, watch={"invalid": ["hot"], "warnings": ["capped"]})])
    assert table.records()[0]["why"] == "hot; capped"


def test_the_page_says_what_was_and_was_not_shown() -> None:
    done = steps("steps_filling_fp32", METHODS)
    left = record("clock", {}, status="left out", why="no time")
    records = {"clock": left, "steps_filling_fp32": done}
    met = Target("another", "at least 1", 2.0, float("nan"), float("nan"), 2.1, "met")
    text = page(records, [MISSED, met, *targets({}, {})], {"parts": parts_table([left, done])}, None)
    assert text.startswith("# Evidence on NVIDIA Made-Up\n")
    shown, missed = text.index("## Shown"), text.index("## Missed")
    assert "- another is 2.00, predicted 2.10; the goal is at least 1." in text[shown:missed]
    assert "- a quantity is 1.50 [1.40, 1.60]; the goal is at least 2 (a note)." in text[missed:]
    assert "## Not shown" in text and "- clock: left out, no time" in text and "## What was measured" in text
    assert "tiny" not in text


def test_the_tiny_size_says_so_first() -> None:
    text = page({"clock": record("clock", {}, size="tiny")}, [], {}, None)
    assert "nothing about a GPU" in text.splitlines()[2]


def test_the_page_holds_table_1_and_verdicts_and_its_records_are_packed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(device_page, "missing_library", lambda: "matplotlib")
    place = place_for(tmp_path / "out", None, "cpu")
    (place.out / "results" / "trainings").mkdir(parents=True)
    write_evidence(place)  # a run that was cut off before its first training ended
    assert "Verdicts" not in (place.out / "README.md").read_text("utf-8")
    study = resolve(place.options(), EXPERIMENTS["table1"], [42])
    for job in study.trainings[:2]:
        record = train(study.context, job)
        attack_on(study.context, job, study.context.recipes[0])
    write_evidence(place)
    text = (place.out / "README.md").read_text("utf-8")
    assert "## Verdicts on the paper's claims\n\n**Of the tiny size" in text and record.title in text
    assert json.loads((place.out / "claims.json").read_text("utf-8"))["sources"]["trainings"]
    with tarfile.open(place.out / "records.tar.gz") as archive:
        assert any(record.key in name for name in archive.getnames())


def test_evidence_is_written_from_what_is_stored(tmp_path: Path) -> None:
    place: Place = place_for(tmp_path / "out", None, "cpu")
    (place.out / "parts").mkdir()
    known = record("profiles", {"profiles": [PROFILE]}, size="tiny")
    (place.out / "parts" / "profiles.json").write_text(json.dumps(asdict(known)), "utf-8")
    paths = write_evidence(place)
    assert paths[-1].name == "README.md" and all(path.is_file() for path in paths)
    parts = {row["part"]: row["state"] for row in json.loads((place.out / "parts.json").read_text("utf-8"))["rows"]}
    assert parts.keys() == KNOWN.keys() and parts["profiles"] == "done"
    assert sum(state == "left out" for state in parts.values()) == len(PARTS) - 1
    assert "gemm" in (place.out / "README.md").read_text("utf-8")
