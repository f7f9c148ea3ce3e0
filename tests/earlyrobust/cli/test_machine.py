"""What a machine lacks is fetched and checked, and its evidence gathered part by part."""

from __future__ import annotations

import json

import pytest
from command import command


def test_prepare_fetches_checks_and_says_what_each_hash_rests_on(served_assets, tmp_path, capsys) -> None:
    folder, listed = str(served_assets.folder), tmp_path / "assets.json"
    code, output, errors = command("prepare", "--assets", folder, "--json", str(listed), capsys=capsys)
    assert code == 0, errors
    rows = json.loads(listed.read_text())["rows"]
    assert {row["state"] for row in rows} == {"checked"}
    trust = {row["asset"]: row["sha-256"] for row in rows}
    assert trust["synonyms"] == "as first fetched" and trust["masked_model/model.safetensors"] == "pinned"
    assert "no hash is published" in output
    asked = len(served_assets.server.asked)
    assert command("prepare", "--assets", folder, capsys=capsys)[0] == 0
    assert command("prepare", "--assets", folder, "--offline", capsys=capsys)[0] == 0
    assert len(served_assets.server.asked) == asked, "what is there is only checked"


def test_prepare_fetches_a_part_and_names_what_is_missing_offline(served_assets, capsys) -> None:
    folder = str(served_assets.folder)
    code, output, errors = command("prepare", "--assets", folder, "--offline", capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert "missing" in output and "lacks archives/paragramcf.zip (missing)" in errors
    assert not served_assets.folder.exists() and served_assets.server.asked == []
    assert command("prepare", "--assets", folder, "--only", "stop_words", capsys=capsys)[0] == 0
    assert [path for path, _ in served_assets.server.asked] == ["/stop_words"]
    assert command("prepare", "--assets", folder, "--only", "stop_words", "--offline", capsys=capsys)[0] == 0


def test_prepare_ends_with_one_sentence_where_it_cannot_fetch(served_assets, capsys) -> None:
    served_assets.server.files.clear()
    code, _, errors = command("prepare", "--assets", str(served_assets.folder), capsys=capsys)
    assert (code, errors.count("\n")) == (1, 1)
    assert "synonyms cannot be fetched from http" in errors and "the server answered 404" in errors
    code, _, errors = command("prepare", "--assets", "x", "--only", "synonym", capsys=capsys)
    assert code == 2 and "unknown resource 'synonym'; did you mean 'synonyms'" in errors


def test_evidence_goes_part_by_part_and_says_what_is_left(tmp_path, capsys) -> None:
    arguments = ["evidence", "--out", str(tmp_path), "--device", "cpu", "--only", "gpu_tests,table1_run1"]
    code, output, errors = command(*arguments, "--minutes", "0.1", capsys=capsys)
    assert code == 75, errors
    assert "table1_run1: left out: it takes about 1.0 minutes" in output
    assert "gpu_tests: not available: no CUDA device" in output
    assert output.splitlines()[-1] == str(tmp_path / "README.md")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bundle", "new"], "--out must be left out beside --bundle, which only packs"),
        (["--data", "texts"], "--data is for --bundle and was given without it; give --bundle DIR too"),
        (["--megabytes", "90"], "--megabytes is for --bundle and was given without it; give --bundle DIR too"),
        (
            ["--bundle", "new", "--out", "evidence", "--data", "texts", "--megabytes", "0"],
            "--megabytes must be more than 0",
        ),
        (["--from", "absent"], "'absent' holds no bundle"),
        (["--only", "clocks"], "unknown part of the evidence 'clocks'; did you mean 'clock'?"),
    ],
)
def test_mistakes_in_what_evidence_is_asked(arguments, sentence, tmp_path, capsys) -> None:
    code, _, errors = command("evidence", "--out", str(tmp_path / "out"), *arguments, capsys=capsys)
    assert code == 2 and sentence in errors


def test_a_bundle_is_made_of_real_texts(capsys) -> None:
    code, _, errors = command("evidence", "--bundle", "new", capsys=capsys)
    assert code == 2 and "--bundle packs real texts; give --data DIR, which holds sst2/" in errors


@pytest.mark.slow
def test_all_of_the_evidence_is_gathered_on_a_cpu_in_its_tiny_size(tmp_path, capsys) -> None:
    code, output, errors = command(
        "evidence", "--out", str(tmp_path), "--device", "cpu", "--minutes", "60", capsys=capsys
    )
    assert code == 0, output + errors
    states = {row["part"]: row["state"] for row in json.loads((tmp_path / "parts.json").read_text("utf-8"))["rows"]}
    assert {part for part, state in states.items() if state == "done"} == {
        "clock",
        "steps_filling_fp32",
        "steps_sequence128_fp32",
        "steps_sequence256_fp32",
        "minilm",
        "loops",
        "attacks",
        "profiles",
        "table1_run1",
        "table1_run2",
    }
    assert set(states.values()) == {"done", "not available"}
    page = (tmp_path / "README.md").read_text("utf-8")
    assert "## Not shown" in page and "## Shown" not in page and "## Missed" not in page


def test_an_unknown_benchmark_is_refused(capsys) -> None:
    code, _, errors = command("bench", "attack", capsys=capsys)
    assert code == 2 and "unknown benchmark 'attack'; did you mean 'attacks'?" in errors
    code, _, errors = command("bench", "steps", "--updates", "0", capsys=capsys)
    assert code == 2 and "--updates must be 1 or more, got 0" in errors


def test_hours_are_predicted_for_the_numbers_of_gpus_asked_for(tmp_path, capsys) -> None:
    written = tmp_path / "hours.json"
    code, output, errors = command("scale", "--tflops", "100", "--gpus", "1,16", "--json", str(written), capsys=capsys)
    assert code == 0 and output, errors
    assert {row["gpus"] for row in json.loads(written.read_text())["rows"]} == {1, 16}
    code, _, errors = command("scale", "--tflops", "100", "--gpus", "1,many", capsys=capsys)
    assert code == 2 and "--gpus" in errors
