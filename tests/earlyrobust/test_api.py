"""The public API from training to data frames, on a tiny model; what it does is what the command does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import command, small

import earlyrobust as er
from benchmarks.results.store import Store

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"preset": "demo", "train_texts": 40, "test_texts": 20, "quiet": True}


@pytest.fixture(scope="module")
def trained(tiny_backbone, tmp_path_factory) -> er.Training:
    out = tmp_path_factory.mktemp("results")
    return er.train("freelb", "demo", backbone=str(tiny_backbone), out=out, steps=2, options={"threads": 1}, **SIZES)


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, earlyrobust\n"
        "assert {'train', 'attack', 'evaluate', 'reproduce', 'load', 'results'} <= set(dir(earlyrobust))\n"
        "sys.exit(bool({'torch', 'transformers', 'pandas', 'numpy', 'textattack'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_training_has_its_model_and_numbers_and_is_not_repeated(trained, tiny_backbone, capsys) -> None:
    assert trained.status == "finished" and 0 <= trained.clean_percent <= 100 and trained.seconds > 0
    assert trained.record.identity["settings"]["steps"] == 2 and trained.record.seed == 42
    assert not trained.model.training and trained.tokenizer.model_max_length == trained.record.identity["max_length"]
    how = {"backbone": str(tiny_backbone), "out": trained.out, "options": {"threads": 1}, **SIZES}
    again = er.train("freelb", "demo", steps=2, **how)
    assert again.record.started_at == trained.record.started_at
    assert capsys.readouterr().out == ""
    assert repr(again).startswith("Training('freelb', task='demo', seed=42, status='finished', clean_percent=")
    with pytest.raises(er.UserError, match="unknown setting of FreeLB 'stepz'; did you mean 'steps'"):
        er.train("freelb", "demo", stepz=2, **how)


def test_a_training_asks_for_nothing_that_only_an_attack_needs(tiny_backbone, tmp_path) -> None:
    how = {"backbone": str(tiny_backbone), "out": tmp_path, "options": {"threads": 1}, **SIZES, "preset": "paper"}
    assert er.train("fine_tune", "demo", epochs=1, **how).status == "finished"


def test_options_that_change_nothing_are_refused(tiny_backbone, tmp_path) -> None:
    with pytest.raises(ValueError, match="--recipes changes nothing in 'train'"):
        er.train("fine_tune", "demo", options={"recipes": "nonsense"}, out=tmp_path, **SIZES)
    with pytest.raises(ValueError, match="--runs changes nothing in 'evaluate'"):
        er.evaluate(str(tiny_backbone), runs=3, out=tmp_path, **SIZES)
    with pytest.raises(ValueError, match="--attacked changes nothing in 'figure2'"):
        er.reproduce("figure2", attacked=3, out=tmp_path, **SIZES)
    with pytest.raises(ValueError, match=r"--json '.*' is a folder; give a file"):
        er.reproduce("table6", json=tmp_path, out=tmp_path, preset="demo", quiet=True)


def test_one_experiment_is_reproduced_at_a_time(tmp_path) -> None:
    with pytest.raises(ValueError, match="experiment must be one experiment"):
        er.reproduce("all", out=tmp_path)


def test_its_model_is_attacked_at_the_trainings_length(trained) -> None:
    texts, labels = ["a good film", "a bad film"], [1, 0]
    outcomes = er.attack(trained.model, texts, labels, "textbugger", quiet=True)
    assert outcomes.record.identity["max_length"] == trained.record.identity["max_length"]
    assert [each.original for each in outcomes] == [("a good film",), ("a bad film",)]
    assert list(er.attack(trained, texts, labels, "textbugger", quiet=True)) == list(outcomes)


def test_a_loaded_model_is_the_trained_one(trained) -> None:
    loaded = er.load(trained.out, defense="freelb", seed=42)
    texts = ["a good film", "a dull end"]
    inputs = loaded.tokenizer(texts, padding=True, return_tensors="pt")
    assert (loaded(**inputs).logits == trained.model(**inputs).logits).all()
    with pytest.raises(ValueError, match="unknown stored defense 'pgd'"):
        er.load(trained.out, defense="pgd")


def reads_good(texts: list[str]) -> list[list[float]]:
    return [[0.1, 0.9] if "good" in text else [0.9, 0.1] for text in texts]


def test_a_function_is_attacked(capsys) -> None:
    outcomes = er.attack(reads_good, ["a good film"], [1])
    assert (outcomes.aua_percent, outcomes.clean_percent) == (0, 100)
    assert capsys.readouterr().out == "1 texts\n"


def test_a_function_that_fails_at_times_is_asked_again(monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    asked = []

    def busy_at_times(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        if len(asked) % 2:
            raise ConnectionError("busy")
        return reads_good(texts)

    outcomes = er.attack(busy_at_times, ["a good film"], [1], retries=1, quiet=True)
    assert list(outcomes) == list(er.attack(reads_good, ["a good film"], [1], quiet=True))
    with pytest.raises(RuntimeError, match="busy"):
        er.attack(busy_at_times, ["a good film"], [1], retries=0, quiet=True)


def test_calibration_is_fitted_to_other_texts(trained) -> None:
    held_out = ([f"a text number {number}" for number in range(8)], [number % 2 for number in range(8)])
    how = {"calibrate": held_out, "quiet": True}
    outcomes = er.attack(trained.model, ["a good film"], [1], **how)
    assert outcomes.record.identity["temperature"] > 1
    with pytest.raises(ValueError, match="texts that are not attacked, got '1 that are'"):
        er.attack(trained.model, [held_out[0][0]], [0], **how)


def test_a_stored_attack_is_the_commands(trained, tmp_path, capsys) -> None:
    data, model = tmp_path / "texts.csv", Store(trained.out).model_folder(trained.record.key)
    data.write_text("text,label\na good film,1\na bad film,0\n")
    ours = er.attack(model, data, recipe="textbugger", out=tmp_path / "out", quiet=True)
    where = ["--data", str(data), "--recipe", "textbugger", "--out", str(tmp_path / "out")]
    code, output, errors = command("attack", "--model", str(model), *where, capsys=capsys)
    assert code == 0, errors
    assert "2 texts, 2 attacked already" in output and ours.record.key in output
    assert er.results(tmp_path / "out").attacks.key.tolist() == [ours.record.key]


def test_a_table_is_made_and_everything_stored_is_a_frame(tiny_backbone, tmp_path, capsys) -> None:
    how = {"defenses": ["fine_tune"], "recipes": "textfooler", "runs": 1, "attacked": 2, "threads": 1}
    report = er.reproduce("table1", out=tmp_path, backbone=str(tiny_backbone), **how, **SIZES)
    assert report.complete and report.to_pandas().method.tolist() == ["Fine-tune"]
    assert {"table1.md", "table1.json", "table1_pareto.svg"} <= {path.name for path in report.files}
    found = er.results(tmp_path)
    assert found.trainings[["task", "defense", "seed"]].values.tolist() == [["demo", "fine_tune", 42]]
    (attack,) = found.attacks.to_dict("records")
    assert attack["training_key"] == found.trainings.key[0] and attack["recipe"] == "textfooler"
    assert 0 <= attack["aua_percent"] <= attack["clean_percent"] <= 100
    assert capsys.readouterr().out == ""
    same = [*small(tiny_backbone, tmp_path), "--defenses", "fine_tune", "--recipes", "textfooler"]
    code, output, _ = command("reproduce", "table1", *same, capsys=capsys)
    assert code == 0 and "nothing left to run" in output
    also = tmp_path / "also.json"
    assert er.reproduce("table6", preset="demo", out=tmp_path, json=also, quiet=True).complete
    assert also.read_bytes() == (tmp_path / "table6.json").read_bytes()


def test_a_finished_model_is_a_row_on_the_suites_texts(tiny_backbone, tmp_path) -> None:
    (tmp_path / "mine.py").write_text("def predict(texts):\n    return [[0.2, 0.8] for text in texts]\n")
    how = {"backbone": str(tiny_backbone), "recipes": "textbugger", "attacked": 2, "threads": 1, **SIZES}
    function = f"{tmp_path / 'mine.py'}:predict"
    report = er.evaluate(function=function, name="mine", calibrate=False, out=tmp_path / "out", **how)
    assert report.to_pandas().method.tolist() == ["external: mine"]
    with pytest.raises(ValueError, match="one of --model and --callable"):
        er.evaluate(out=tmp_path / "out", **how)


def test_a_folder_without_results_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        er.results(tmp_path / "nowhere")
