"""Tables and figures are made and made again; a mistake in what is asked ends before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import command, small

from benchmarks.results.store import Store

ROOT = Path(__file__).resolve().parents[3]


def test_a_table_is_made_and_repeated(tiny_backbone, tmp_path, capsys, monkeypatch) -> None:
    arguments = [
        "reproduce",
        "table1",
        *small(tiny_backbone, tmp_path),
        "--defenses",
        "fine_tune,pgd",
        "--json",
        str(tmp_path / "t.json"),
    ]
    code, output, errors = command(*arguments, capsys=capsys)
    assert code == 0, errors
    lines = output.splitlines()
    assert lines[0] == "preset demo, as asked"
    assert lines[1].startswith("plan: 2 trainings (0 stored already), 6 attacks")
    assert lines[-2] == str(tmp_path / "index.html") and (tmp_path / "index.html").is_file()
    assert lines[-1] == f"verdicts on the paper's claims: earlyrobust report --out {tmp_path}"
    for suffix in ("md", "csv", "tex", "json", "html"):
        assert (tmp_path / f"table1.{suffix}").is_file()
    table = json.loads((tmp_path / "t.json").read_text())
    assert [row["method"] for row in table["rows"]] == ["Fine-tune", "PGD"]
    assert table["caption"][0] == "NOT COMPARABLE WITH THE PAPER: preset demo."
    files = {path: path.read_bytes() for path in tmp_path.glob("table1.*")}
    figures = {path: path.read_bytes() for path in tmp_path.glob("table1_pareto.*")}
    assert {path.suffix for path in figures} == {".svg", ".pdf", ".png"}
    code, output, _ = command(*arguments, capsys=capsys)
    assert code == 0 and "nothing left to run" in output
    assert {path: path.read_bytes() for path in files | figures} == files | figures
    for path in files:
        path.unlink()
    monkeypatch.setattr("reports.figures.find_spec", lambda name: None)
    code, output, _ = command(*arguments, capsys=capsys)
    assert code == 0 and "pip install 'earlyrobust[report]'" in output
    assert {path: path.read_bytes() for path in files} == files, "tables need no matplotlib"


def test_variants_of_one_method_are_run_and_what_only_reads_is_not(tiny_backbone, tmp_path, capsys) -> None:
    arguments = [*small(tiny_backbone, tmp_path), "--recipes", "textfooler"]
    code, output, errors = command("reproduce", "table3", *arguments, "--variants", "random_ticket", capsys=capsys)
    assert code == 0, errors
    assert "plan: 1 trainings (0 stored already), 1 attacks" in output
    (row,) = json.loads((tmp_path / "table3.json").read_text())["rows"]
    assert row["variant"] == "Random ticket" and row["textfooler_aua_percent"] is not None
    where = ["--preset", "demo", "--out", str(tmp_path)]
    code, output, _ = command("reproduce", "table6", *where, capsys=capsys)
    assert code == 0 and "plan" not in output
    assert len({row["task"] for row in json.loads((tmp_path / "table6.json").read_text())["rows"]}) == 5
    assert len(list(Store(tmp_path).trainings())) == 1


@pytest.mark.parametrize("option", ["--defenses", "--variants"])
def test_all_experiments_take_no_option_of_one(option: str, capsys) -> None:
    for verb in ("reproduce", "plan"):
        code, _, errors = command(verb, "all", option, "x", capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1)
        assert f"{option} is for one experiment, and 'all' names several" in errors


def test_a_defense_from_a_file_stands_in_a_table(tiny_backbone, tmp_path, capsys) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dataclasses import dataclass\nfrom baselines.fine_tune import FineTune\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(FineTune, key='mine'):\n    title = 'Mine'\n"
    )
    arguments = [
        "run",
        *small(tiny_backbone, tmp_path / "out"),
        "--defense",
        str(plugin),
        "--set",
        "epochs=1",
        "--set",
        "learning_rate=1e-3",
    ]
    code, _, errors = command(*arguments, capsys=capsys)
    assert code == 0, errors
    assert "Mine" in (tmp_path / "out" / "run.md").read_text()
    (record,) = Store(tmp_path / "out").trainings()
    assert (record.identity["settings"]["epochs"], record.identity["settings"]["learning_rate"]) == (1, 1e-3)
    assert len(record.identity["defense_source"]) == 64


BROKEN = {
    "missing column": ("text\tlabel\na\t1\n", "has no column 'sentence'"),
    "unknown label": ("sentence\tlabel\na\t7\n", "unknown label '7'"),
    "empty text": ("sentence\tlabel\n \t1\n", "the text is empty"),
    "zero rows": ("sentence\tlabel\n", "holds no rows"),
    "binary": (b"\x89PNG\xff\xfe", "is not UTF-8 text"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_data_ends_with_one_sentence_and_code_2(case: str, tiny_backbone, tmp_path, capsys) -> None:
    content, sentence = BROKEN[case]
    (tmp_path / "sst2").mkdir()
    for name in ("train.tsv", "validation.tsv"):
        (tmp_path / "sst2" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = [*small(tiny_backbone, tmp_path / "out"), "--tasks", "sst2", "--data", str(tmp_path)]
    code, _, errors = command("reproduce", "table1", *arguments, capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert sentence in errors and "Traceback" not in errors


MISTAKES = {
    "task": (["--tasks", "imbd"], "unknown task 'imbd'; did you mean 'imdb'?"),
    "defense": (["--defenses", "fine_tun"], "unknown defense 'fine_tun'; did you mean 'fine_tune'?"),
    "preset": (["--preset", "smal"], "unknown preset 'smal'; did you mean 'small'?"),
    "backbone": (["--backbone", "minilmm"], "unknown backbone 'minilmm'; did you mean 'minilm'?"),
    "no files": (["--tasks", "sst2", "--data", "tests"], "lacks what task 'sst2' needs: tests/sst2/train.tsv"),
    "runs": (["--runs", "0"], "--runs must be 1 or more, got 0"),
    "out is a file": (["--out", "LICENSE"], "the output folder LICENSE is a file"),
    "hub while offline": (["--backbone", "bert-base-uncased", "--offline"], "needs bert-base-uncased@"),
    "data while offline": (["--tasks", "imdb", "--offline"], "needs the data set stanfordnlp/imdb@"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_ends_with_one_sentence_and_code_2(case: str, tiny_backbone, tmp_path, capsys, monkeypatch) -> None:
    more, sentence = MISTAKES[case]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    base = small(tiny_backbone, tmp_path / "out")
    for flag in more[::2]:
        if flag in base:
            del base[base.index(flag) : base.index(flag) + 2]
    code, _, errors = command("reproduce", "table1", *base, *more, capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert sentence in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--defense", "freelb", "--set", "steps=many"], "Ascent.steps must be a whole number, got 'many'"),
        (["--defense", "freelb", "--set", "steps=0"], "FreeLB.steps must be 1 or more, got 0"),
        (["--defense", "freelb", "--set", "stepz=1"], "unknown setting of FreeLB 'stepz'; did you mean 'step"),
        (["--defense", "freelb", "--set", "steps"], "a setting is written FIELD=VALUE, got 'steps'"),
        (["--defense", "nowhere.py"], "the defense file 'nowhere.py' does not exist"),
    ],
)
def test_bad_settings_end_with_one_sentence_and_code_2(arguments, sentence, tiny_backbone, tmp_path, capsys) -> None:
    code, _, errors = command("run", *small(tiny_backbone, tmp_path / "out"), *arguments, capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert sentence in errors
    assert not (tmp_path / "out" / "trainings").exists(), "nothing was started"


def test_an_unknown_architecture_is_refused_by_name(tmp_path, capsys) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    code, _, errors = command("reproduce", "table1", *small(tmp_path, tmp_path / "out"), capsys=capsys)
    assert code == 2
    assert "unknown architecture 'gpt2'; known: albert, bert, deberta-v2, distilbert, electra" in errors


def test_a_plan_of_what_trains_nothing_says_so(capsys) -> None:
    assert command("plan", "table6", capsys=capsys) == (0, "table6: trains nothing\n", "")
