"""A defense is started and held to the contract."""

from __future__ import annotations

import json

from command import command


def test_a_new_defense_is_written_and_checked(tmp_path, capsys, monkeypatch) -> None:
    from benchmarks.contract import checks

    monkeypatch.setattr(checks, "CHECKS", (checks.names_itself_and_its_source, checks.settings_survive_json))
    code, output, _ = command("new-defense", "push", "--out", str(tmp_path), capsys=capsys)
    path = tmp_path / "push.py"
    assert code == 0 and output.splitlines()[-1] == f"next: earlyrobust check {path}"
    assert command("check", str(path), capsys=capsys)[0] == 0
    path.write_text(path.read_text().replace("paper =", "papers ="))
    listed = tmp_path / "check.json"
    code, output, _ = command("check", str(path), "--json", str(listed), capsys=capsys)
    assert code == 1 and "1 of 2 checks passed." in output
    first, second = json.loads(listed.read_text())["rows"]
    assert (first["passed"], first["what"]) == ("no", "Push.paper is missing; set it in the class")
    assert second["passed"] == "yes"
    code, _, errors = command("new-defense", "push", "--out", str(tmp_path), capsys=capsys)
    assert code == 2 and "exists already and is not overwritten" in errors
    assert command("check", "freelab", capsys=capsys)[0] == 2
