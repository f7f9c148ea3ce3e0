"""Finished models are evaluated and taken out."""

from __future__ import annotations

import json

from command import command, small_texts


def test_a_victim_from_outside_is_a_row(tiny_backbone, tmp_path, capsys) -> None:
    (tmp_path / "mine.py").write_text("def predict(texts):\n    return [[0.2, 0.8] for text in texts]\n")
    arguments = [
        *small_texts(tiny_backbone, tmp_path / "out"),
        "--recipes",
        "textbugger",
        "--callable",
        f"{tmp_path / 'mine.py'}:predict",
    ]
    code, _, errors = command("evaluate", *arguments, "--name", "mine", capsys=capsys)
    assert code == 0, errors
    rows = json.loads((tmp_path / "out" / "externals.json").read_text())["rows"]
    assert [row["method"] for row in rows] == ["external: mine", "external: mine, calibrated"]
    assert "training_seconds" not in rows[0] and rows[0]["textbugger_aua_percent"] is not None
    assert command("verify", str(tmp_path / "out"), capsys=capsys)[0] == 0
    code, _, errors = command("evaluate", *arguments, "--model", str(tiny_backbone), capsys=capsys)
    assert code == 2 and "--model and --callable" in errors and errors.count("\n") == 1


def test_nothing_is_exported_where_nothing_is_trained(tmp_path, capsys) -> None:
    code, _, errors = command("export", str(tmp_path), "--to", str(tmp_path / "new"), capsys=capsys)
    assert code == 2 and "holds no finished training" in errors and not (tmp_path / "new").exists()


def test_a_victim_is_evaluated_on_texts_that_no_attack_made(tiny_backbone, tmp_path, capsys) -> None:
    (tmp_path / "mine.py").write_text("def predict(texts):\n    return [[0.2, 0.8] for text in texts]\n")
    arguments = [
        *small_texts(tiny_backbone, tmp_path / "out"),
        "--callable",
        f"{tmp_path / 'mine.py'}:predict",
        "--set",
        "typos",
    ]
    code, out, errors = command("evaluate", *arguments, capsys=capsys)
    assert code == 2 and "--attacked changes nothing in 'evaluate --set'" in errors, (out, errors)
    place = arguments.index("--attacked")
    del arguments[place : place + 2]
    code, out, errors = command("evaluate", *arguments, capsys=capsys)
    assert code == 0, errors
    rows = json.loads((tmp_path / "out" / "set_typos.json").read_text())["rows"]
    assert [row["set"] for row in rows] == [f"typos in {rate} % of words" for rate in (5, 10, 20)]
    assert {row["difference_percent"] for row in rows} == {0.0}, "it reads every text as positive"
    assert command("verify", str(tmp_path / "out"), capsys=capsys)[0] == 0
    code, _, errors = command("evaluate", *arguments, "--no-calibrate", capsys=capsys)
    assert code == 2 and "--no-calibrate must be left out beside --set" in errors


def test_signs_of_a_failed_attack_end_with_1(tmp_path, capsys) -> None:
    """A function that counts a word is honest; one that is sure of everything is saturated."""
    (tmp_path / "mine.py").write_text(
        "def honest(texts):\n    return [[0.8, 0.2] if 'good' in text else [0.3, 0.7] for text in texts]\n"
        "def sure(texts):\n    return [[1.0, 0.0] if 'good' in text else [0.0, 1.0] for text in texts]\n"
    )
    rows = [f"a {('good', 'bad')[n % 2]} film of the year {n},{n % 2}" for n in range(16)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
    given = ["--data", str(tmp_path / "texts.csv"), "--limit", "12"]
    raised = {}
    for name in ("honest", "sure"):
        code, out, errors = command("suspect", f"{tmp_path / 'mine.py'}:{name}", *given, capsys=capsys)
        (line,) = [line for line in out.splitlines() if line.endswith("on 12 texts under TextFooler.")]
        raised[name] = "saturated" in line
        assert code == int("no flag" not in line), errors
    assert raised == {"honest": False, "sure": True}
    code, _, errors = command("suspect", f"{tmp_path / 'mine.py'}:sure", *given[:2], "--limit", "0", capsys=capsys)
    assert code == 2 and "--limit must be 1 or more" in errors
