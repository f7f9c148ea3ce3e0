"""The command: verbs, exit codes, one sentence for a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_up_victims import Made
from transformers import BertConfig, BertForSequenceClassification

import earlyrobust
from benchmarks.results.store import Store
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    """A two-layer BERT with a real tokenizer."""
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    save_classifier(BertForSequenceClassification(config), folder, find_backbone("minilm").load_tokenizer())
    return str(folder)


def command(*arguments: str, capsys: pytest.CaptureFixture) -> tuple[int, str, str]:
    """Exit code, output and errors of one call."""
    with pytest.raises(SystemExit) as end:
        earlyrobust.main(arguments)
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def small(tiny: str, out: Path) -> list[str]:
    sizes = ["--train-texts", "40", "--test-texts", "20", "--attacked", "2", "--threads", "1", "--runs", "1"]
    return ["--preset", "demo", "--backbone", tiny, "--out", str(out), *sizes]


def test_a_table_is_made_and_repeated(tiny, tmp_path, capsys, monkeypatch) -> None:
    arguments = [
        "reproduce",
        "table1",
        *small(tiny, tmp_path),
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


def test_variants_of_one_method_are_run_and_what_only_reads_is_not(tiny, tmp_path, capsys) -> None:
    arguments = [*small(tiny, tmp_path), "--recipes", "textfooler"]
    code, output, errors = command("reproduce", "table3", *arguments, "--variants", "random_ticket", capsys=capsys)
    assert code == 0, errors
    assert "plan: 1 trainings (0 stored already), 1 attacks" in output
    (row,) = json.loads((tmp_path / "table3.json").read_text())["rows"]
    assert row["variant"] == "Random ticket" and row["textfooler_aua_percent"] is not None
    code, output, _ = command("reproduce", "table6", *arguments, capsys=capsys)
    assert code == 0 and "plan" not in output
    assert len({row["task"] for row in json.loads((tmp_path / "table6.json").read_text())["rows"]}) == 5
    assert len(list(Store(tmp_path).trainings())) == 1


@pytest.mark.parametrize("option", ["--defenses", "--variants", "--json"])
def test_all_experiments_take_no_option_of_one(option: str, capsys) -> None:
    for verb in ("reproduce", "plan"):
        code, _, errors = command(verb, "all", option, "x", capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1)
        assert f"{option} is for one experiment, and 'all' was asked for" in errors


def test_a_report_is_made_of_what_a_run_stored(tiny, tmp_path, capsys) -> None:
    assert command("run", *small(tiny, tmp_path), "--defense", "fine_tune", capsys=capsys)[0] == 0
    code, output, errors = command("report", "--out", str(tmp_path), "--examples", "1", capsys=capsys)
    assert code == 0, errors
    for name in ("attacks.md", "attacks.csv", "attacks.json", "index.html"):
        assert (tmp_path / name).is_file()
        assert name in output
    stored = {record.recipe_title for record in Store(tmp_path).attacks()}
    assert {row["attack"] for row in json.loads((tmp_path / "attacks.json").read_text())["rows"]} == stored
    assert "C14 not measured" in output and "to measure it: earlyrobust reproduce table2" in output
    for name in ("claims", "claims_parts", "paper_numbers"):
        for suffix in ("html", "md", "csv", "json", "tex"):
            assert (tmp_path / f"{name}.{suffix}").is_file()
    assert len(json.loads((tmp_path / "claims.json").read_text())["rows"]) == 14


def test_a_folder_is_compared_with_itself_and_with_another(tmp_path, capsys) -> None:
    same, better = Made().add("freelb", texts=60, clean=50, aua=20), Made().add("freelb", texts=60, clean=50, aua=40)
    first, second = same.store(tmp_path / "a"), better.store(tmp_path / "b")
    written = tmp_path / "c.json"
    code, output, errors = command("compare", str(first), str(first), "--json", str(written), capsys=capsys)
    assert code == 0 and "0 differences outside their intervals" in output, errors
    code, output, _ = command("compare", str(first), str(second), "--json", str(written), capsys=capsys)
    assert code == 1 and "1 differences outside their intervals" in output
    (row,) = [row for row in json.loads(written.read_text())["rows"] if row["outside_interval"] == "yes"]
    assert (row["quantity"], row["difference"]) == ("Textfooler Aua %", pytest.approx(100 / 3))


def test_a_comparison_with_nothing_ends_with_one_sentence_and_code_2(tmp_path, capsys) -> None:
    first = Made().add("freelb", texts=4, clean=2, aua=2).store(tmp_path / "a")
    other = Made().add("pgd", texts=4, clean=2, aua=2).store(tmp_path / "b")
    for folder, sentence in ((other, "share no task"), (tmp_path / "none", "there is no folder")):
        code, _, errors = command("compare", str(first), str(folder), capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1) and sentence in errors


def test_a_report_on_nothing_ends_with_one_sentence_and_code_2(tmp_path, capsys) -> None:
    cases = ((tmp_path / "none", "there is no folder"), (tmp_path, "holds no finished training or attack"))
    for folder, sentence in cases:
        code, _, errors = command("report", "--out", str(folder), capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1) and sentence in errors
    code, _, errors = command("report", "--paper-numbers", str(tmp_path), capsys=capsys)
    assert code == 2 and "holds no CSV file of published numbers" in errors
    code, _, errors = command("report", "--examples", "-1", capsys=capsys)
    assert code == 2 and "--examples must be 0 or more, got -1" in errors
    assert not list(tmp_path.iterdir())


def test_a_defense_from_a_file_stands_in_a_table(tiny, tmp_path, capsys) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dataclasses import dataclass\nfrom baselines.fine_tune import FineTune\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(FineTune, key='mine'):\n    title = 'Mine'\n"
    )
    arguments = [
        "run",
        *small(tiny, tmp_path / "out"),
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


@pytest.mark.parametrize("what", ["defenses", "tasks", "recipes", "presets", "experiments"])
def test_listings(what: str, tmp_path, capsys) -> None:
    code, output, _ = command("ls", what, "--json", str(tmp_path / "l.json"), capsys=capsys)
    assert code == 0 and output
    assert json.loads((tmp_path / "l.json").read_text())["rows"]


def test_details_and_differences(capsys) -> None:
    assert "search.steps" in command("show", "early_robust", "--task", "imdb", capsys=capsys)[1]
    assert "threshold" in command("diff-recipes", "textfooler", "textbugger", capsys=capsys)[1]


BROKEN = {
    "missing column": ("text\tlabel\na\t1\n", "has no column 'sentence'"),
    "unknown label": ("sentence\tlabel\na\t7\n", "unknown label '7'"),
    "empty text": ("sentence\tlabel\n \t1\n", "the text is empty"),
    "zero rows": ("sentence\tlabel\n", "holds no rows"),
    "binary": (b"\x89PNG\xff\xfe", "is not UTF-8 text"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_data_ends_with_one_sentence_and_code_2(case: str, tiny, tmp_path, capsys) -> None:
    content, sentence = BROKEN[case]
    (tmp_path / "sst2").mkdir()
    for name in ("train.tsv", "validation.tsv"):
        (tmp_path / "sst2" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = [*small(tiny, tmp_path / "out"), "--tasks", "sst2", "--data", str(tmp_path)]
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
def test_a_mistake_ends_with_one_sentence_and_code_2(case: str, tiny, tmp_path, capsys, monkeypatch) -> None:
    more, sentence = MISTAKES[case]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    base = small(tiny, tmp_path / "out")
    for flag in more[::2]:
        if flag in base:
            del base[base.index(flag) : base.index(flag) + 2]
    code, _, errors = command("reproduce", "table1", *base, *more, capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert sentence in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--defense", "freelb", "--set", "steps=many"], "FreeLB.steps must be a whole number, got 'many'"),
        (["--defense", "freelb", "--set", "steps=0"], "FreeLB.steps must be 1 or more, got 0"),
        (["--defense", "freelb", "--set", "stepz=1"], "unknown setting of FreeLB 'stepz'; did you mean 'step"),
        (["--defense", "freelb", "--set", "steps"], "a setting is written FIELD=VALUE, got 'steps'"),
        (["--defense", "nowhere.py"], "the defense file 'nowhere.py' does not exist"),
    ],
)
def test_bad_settings_end_with_one_sentence_and_code_2(arguments, sentence, tiny, tmp_path, capsys) -> None:
    code, _, errors = command("run", *small(tiny, tmp_path / "out"), *arguments, capsys=capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert sentence in errors
    assert not (tmp_path / "out" / "trainings").exists(), "nothing was started"


def test_an_unknown_architecture_is_refused_by_name(tmp_path, capsys) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    code, _, errors = command("reproduce", "table1", *small(str(tmp_path), tmp_path / "out"), capsys=capsys)
    assert code == 2
    assert "unknown architecture 'gpt2'; known: bert, distilbert, electra, roberta" in errors


def test_a_missing_verb_or_wrong_type_is_usage(capsys) -> None:
    assert command(capsys=capsys)[0] == 2
    assert command("reproduce", "table1", "--runs", "many", capsys=capsys)[0] == 2


def test_an_interrupted_run_says_it_continues(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.runs.setup.resolve", interrupt)
    code, _, errors = command("reproduce", "table1", capsys=capsys)
    assert code == 75
    assert "the same command continues" in errors


def test_output_may_be_cut_off() -> None:
    """As by `| head`: the command ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, str(ROOT / "earlyrobust.py"), "ls", "recipes"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, earlyrobust\n"
        "try:\n    earlyrobust.main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit(bool({'torch', 'transformers', 'pandas', 'datasets', 'textattack'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


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


def test_verify_tells_a_sound_folder_from_a_damaged_one(tiny, tmp_path, capsys) -> None:
    assert command("run", *small(tiny, tmp_path), "--defense", "fine_tune", capsys=capsys)[0] == 0
    code, output, errors = command("verify", str(tmp_path), capsys=capsys)
    assert (code, errors) == (0, "") and "1 trainings and 3 attacks were read; no complaints." in output
    (path, *_) = sorted(tmp_path.glob("attacks/*/outcomes.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"label":', b'"lavel":', 1))
    code, output, _ = command("verify", str(tmp_path), "--json", str(tmp_path / "found.json"), capsys=capsys)
    assert code == 1 and "1 complaint." in output
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert row["place"] == f"attacks/{path.parent.name}" and "line 1 is damaged" in row["what"]
    code, _, errors = command("report", "--out", str(tmp_path), capsys=capsys)
    assert code == 1 and "the command that made it moves it away and redoes it" in errors
    code, output, _ = command("run", *small(tiny, tmp_path), "--defense", "fine_tune", capsys=capsys)
    assert code == 0 and list(tmp_path.glob("quarantine/attacks-*-1/outcomes.jsonl"))
    assert command("verify", str(tmp_path), capsys=capsys)[0] == 0


def test_verify_refuses_a_folder_without_results(tmp_path, capsys) -> None:
    code, _, errors = command("verify", str(tmp_path), capsys=capsys)
    assert code == 2 and "holds no results" in errors


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


def test_a_victim_from_outside_is_a_row(tiny, tmp_path, capsys) -> None:
    (tmp_path / "mine.py").write_text("def predict(texts):\n    return [[0.2, 0.8] for text in texts]\n")
    arguments = [
        *small(tiny, tmp_path / "out"),
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
    code, _, errors = command("evaluate", *arguments, "--model", tiny, capsys=capsys)
    assert code == 2 and "--model and --callable" in errors and errors.count("\n") == 1


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
        (["--bundle", "new"], "--bundle packs real texts; give --data DIR, which holds sst2/"),
        (["--data", "texts"], "--data is packed by --bundle and was given without it; give --bundle DIR too"),
        (["--from", "absent"], "'absent' holds no bundle"),
        (["--only", "clocks"], "unknown part of the evidence 'clocks'; did you mean 'clock'?"),
    ],
)
def test_mistakes_in_what_evidence_is_asked(arguments, sentence, tmp_path, capsys) -> None:
    code, _, errors = command("evidence", "--out", str(tmp_path / "out"), *arguments, capsys=capsys)
    assert code == 2 and sentence in errors


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
        *(f"table1_run{run}" for run in range(1, 6)),
    }
    assert set(states.values()) == {"done", "not available"}
    page = (tmp_path / "README.md").read_text("utf-8")
    assert "## Not shown" in page and "## Shown" not in page and "## Missed" not in page
