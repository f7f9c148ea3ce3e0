"""Each look finds what is there, and what is not becomes a sentence."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks.jobs import doctor
from benchmarks.jobs.doctor import examine

LOOKS = ["Python", "packages", "backbone", "TextAttack", "GPU", "GPU's driver", "cores and memory", "results folder"]


def found(out) -> dict[str, doctor.Finding]:
    return {each.what: each for each in examine(out)}


def test_a_good_machine_has_nothing_failed(tmp_path) -> None:
    findings = found(tmp_path / "out")
    assert list(findings) == LOOKS
    assert [each.what for each in findings.values() if each.state == "failed"] == []
    assert findings["packages"].state == findings["backbone"].state == "ok"


def test_a_folder_that_is_a_file_is_a_failure_and_the_rest_is_looked_at(tmp_path) -> None:
    (tmp_path / "out").write_text("")
    findings = found(tmp_path / "out")
    assert findings["results folder"].state == "failed" and "is a file" in findings["results folder"].detail
    assert findings["Python"].state == "ok"


def test_a_missing_package_names_the_command(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = doctor.versions()
    monkeypatch.setattr(doctor, "versions", lambda: installed | {"textattack": "not installed"})
    finding = found(tmp_path)["packages"]
    assert finding.state == "failed" and finding.detail.startswith("missing: textattack; pip install")


def test_a_busy_machine_is_a_warning(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (2.0 * doctor.usable_cores(), 0.0, 0.0))
    assert found(tmp_path)["cores and memory"].state == "warning"


def test_a_driver_without_answer_is_a_failure(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise RuntimeError("NVML is not available: driver not loaded")

    cuda = SimpleNamespace(is_available=lambda: True, get_device_name=lambda: "a GPU")
    monkeypatch.setattr(doctor, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(doctor, "cuda_device", lambda: lost)
    findings = found(tmp_path)
    assert findings["GPU"].detail == "a GPU"
    assert findings["GPU's driver"].state == "failed" and "driver not loaded" in findings["GPU's driver"].detail
