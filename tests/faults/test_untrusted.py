"""What comes from elsewhere is text and nothing else: in every writer, in names, in archives, and in model folders."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from demo_jobs import context_of, job_of
from rich.console import Console

from baselines.defense import Defense
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.digests import sha256_of
from benchmarks.data.tasks import find_task
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.defenses import find_defense
from benchmarks.jobs import train as training
from benchmarks.results.store import Store
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import load_any_classifier
from earlyrobust.cli.answers import say
from earlyrobust.cli.ending import say_error
from earlyrobust.cli.main import main
from reports.figures import Panel, Series, draw_panels, missing_library, write_figure
from reports.tables import Column, Table, write_table
from reports.word_differences import terminal_words, word_differences

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("baselines", "method", "benchmarks", "reports", "earlyrobust")
SOURCES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</td></table><iframe src=//evil>",
    '=HYPERLINK("http://evil","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "\u202egnp.exe\u2066",
    "line\nline\r\u2028line",
    r"\input{/etc/passwd}%&$#_{}~^",
    "[bold red]x[/] [/nothing]",
    "$\\frac$ ${x",
    "| a | b |",
    'Traceback (most recent call last):\n  File "<x>"\nValueError: \x1b[31m</pre>',
]
STEERING = set("\x1b\x07\x9b\u202e\u2066\u2028")


class Elements(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes) -> None:
        self.found.append((tag, tuple(name for name, _ in attributes)))


def assert_harmless(page: str, like: str) -> None:
    """That a page has the very elements of one made of plain words."""
    assert Elements(page).found == Elements(like).found
    assert not STEERING & set(page)


def table_of(*texts: str) -> Table:
    columns = tuple(Column(text, f"key{number}", False) for number, text in enumerate(texts))
    return Table(texts[0], columns, (texts, texts), texts)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_every_rendering_of_a_table_shows_text_as_text(hostile: str, tmp_path: Path) -> None:
    table, plain = table_of(hostile), table_of("word")
    assert_harmless(table.to_html(), plain.to_html())
    for row in csv.reader(io.StringIO(table.to_csv())):
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert not STEERING & set("".join(row))
    assert json.loads(table.to_json())["rows"][0]["key0"] == hostile
    assert not re.search(r"(?<!\\)[&%$#_](?! )(?!\\)", table.to_latex().partition("midrule")[2].partition(r" \\")[0])
    assert r"\input" not in table.to_latex() and not STEERING & set(table.to_latex())
    assert "<script" not in table.to_markdown() and "<img" not in table.to_markdown()
    assert len(table.to_markdown().splitlines()) == len(plain.to_markdown().splitlines())
    shown = io.StringIO()
    table.print(Console(file=shown, width=100))
    assert not STEERING & set(shown.getvalue())
    write_table(table, tmp_path, "t")
    assert sorted(path.name for path in tmp_path.glob("t.*")) == ["t.csv", "t.html", "t.json", "t.md", "t.tex"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_so_do_marked_words_and_the_lines_of_a_run(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    for side in word_differences(hostile, "another text"):
        marked = terminal_words(side, "bold")
        assert not STEERING & set(marked.plain) and all(span.style in ("", "bold") for span in marked.spans)
    shown = io.StringIO()
    Reporter(Console(file=shown, width=200)).say(hostile)
    say(hostile)
    say_error(hostile)
    said = capsys.readouterr()
    assert not STEERING & set(shown.getvalue() + said.out + said.err)


@pytest.mark.skipif(missing_library() is not None, reason="matplotlib is not installed")
def test_figures_read_no_formula_in_a_name(tmp_path: Path) -> None:
    name = "$\\frac$ <b> ${x"
    figure = draw_panels(name, [[Panel(name, name, name, [Series(name, [0, 1], [1, 2])])]])
    paths = write_figure(figure, tmp_path, "f")
    assert "<b>" not in next(path for path in paths if path.suffix == ".svg").read_text()


NAMES = ["../x", "/etc/x", "a/b", "..", ".hidden", "", "a\\b", "a\0b", "x" * 300, "\x1b[2J"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    for find in (find_task, find_recipe, find_defense, lambda name: find_recipe(f"textattack:{name}")):
        with pytest.raises(ValueError) as refusal:
            find(name)
        assert "\x1b" not in str(refusal.value)
    with pytest.raises(ValueError, match="the table's name must be a plain name"):
        write_table(table_of("x"), tmp_path, name)
    with pytest.raises(SystemExit) as end:
        main(["run", "--defense", "fine_tune", "--preset", "demo", "--out", str(tmp_path), f"--name={name}"])
    assert end.value.code == 2
    assert not list(tmp_path.iterdir()), "nothing was written"
    if not name.isidentifier():
        with pytest.raises(ValueError, match="the key of Mine must be a name such as"):
            type("Mine", (Defense,), {}, key=name)


LOADERS = ("from_pretrained", "from_config")


def test_no_call_loads_code_with_a_model() -> None:
    loads = 0
    for path in SOURCES:
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            for keyword in call.keywords:
                if keyword.arg == "trust_remote_code":
                    assert isinstance(keyword.value, ast.Constant) and keyword.value.value is False, path
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in LOADERS and isinstance(call.func.value, ast.Name):
                loads += 1
                given = {keyword.arg for keyword in call.keywords}
                assert "trust_remote_code" in given or None in given, f"{path}, line {call.lineno}"
    assert loads >= 4
    assert 'options["trust_remote_code"] = False' in (ROOT / "benchmarks/victims/backbones.py").read_text("utf-8")


@pytest.mark.parametrize("kind", ["bert", "of_my_own"])
def test_code_in_a_model_folder_is_not_run(kind: str, tiny_backbone: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    folder, ran = tmp_path / "model", tmp_path / "ran"
    folder.mkdir()
    for path in tiny_backbone.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "mine.py").write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Mine: pass\n")
    config = json.loads((folder / "config.json").read_text())
    names = dict.fromkeys(("AutoConfig", "AutoModelForSequenceClassification", "AutoTokenizer"), "mine.Mine")
    config |= {"model_type": kind, "auto_map": names | {"AutoTokenizer": ["mine.Mine", "mine.Mine"]}}
    (folder / "config.json").write_text(json.dumps(config))
    if kind == "bert":
        find_backbone(str(folder)).new_classifier(2, 0)
        load_any_classifier(str(folder))
    else:
        with pytest.raises(ValueError, match="unknown architecture 'of_my_own'"):
            find_backbone(str(folder))
    assert not ran.exists()


def test_the_file_of_a_defense_stands_in_its_record(options, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\nfrom baselines.fine_tune import FineTune as Base\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(Base, key='mine'):\n    title = 'Mine'\n"
    )
    context = context_of(options)
    record = training.train(context, job_of(context, str(path), epochs="1"))
    assert record.source == {"path": str(path.resolve()), "sha256": sha256_of(path)}
    assert record.identity["defense_source"] == sha256_of(path)
    assert Store(options.out).training(record.key) == record


def test_a_clock_that_jumps_leaves_times_and_results_as_they_are(options, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock on the wall, set back and forth by years between updates; seconds are read from the steady one."""
    context = context_of(options)
    job = job_of(context, epochs="1")
    straight = training.train(replace(context, store=Store(options.out.with_name("straight"))), job)
    years, real = iter([1e8, -1e9, 3e8, -3e8] * 1000), time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(years))
    started = time.perf_counter()
    jumped = training.train(context, job)
    passed = time.perf_counter() - started
    assert jumped.weights_sha256 == straight.weights_sha256
    assert 0 < jumped.seconds["gpu"] <= jumped.seconds["wall"] <= passed
    assert all(value >= 0 for value in jumped.seconds["spans"].values())
    assert not os.path.exists(context.store.root / "locks" / f"trainings-{jumped.key}")
