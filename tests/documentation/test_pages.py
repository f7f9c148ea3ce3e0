"""Links lead somewhere, the pages build, and the README alone leads to what a reader looks for."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documentation import PAGES, ROOT

LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

# What someone with the README alone must find, and a line that answers it.
QUESTIONS = {
    "run Table 1": r"^tox -e reproduce-table1$",
    "run one method on a CSV of one's own": r"^earlyrobust run --defense freelb .*--data DIR --tasks reviews$",
    "attack a checkpoint of one's own": r"^earlyrobust attack --model DIR_OR_ID --data texts\.csv",
    "add a method": r"^earlyrobust new-defense ",
    "resume": r"^To resume an interrupted run, repeat the command\.",
    "use a GPU": r"^earlyrobust reproduce table1 --preset paper --assets ASSETS$",
    "use a cluster": r"^earlyrobust reproduce .*--executor ray --ray-address auto$",
    "cite": r"\(CITATION\.cff\)",
}


def anchors(text: str) -> set[str]:
    """The names of a page's headings, as GitHub and mkdocs make them of plain words."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    text = FENCED.sub("", page.read_text("utf-8"))
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name} links to {path}"
        assert not anchor or anchor in anchors(target.read_text("utf-8")), f"{page.name} links to {path}#{anchor}"


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_readme_alone_answers(question: str) -> None:
    assert re.search(QUESTIONS[question], (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_every_page_has_a_place_in_the_navigation() -> None:
    def files(entries: list) -> list[str]:
        values = [next(iter(entry.values())) for entry in entries]
        return [name for value in values for name in (files(value) if isinstance(value, list) else [value])]

    placed = files(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert sorted(placed) == sorted(page.name for page in PAGES if page.parent.name == "docs")


def test_each_promise_names_tests_that_are_there() -> None:
    rows = [line for line in (ROOT / "docs" / "promises.md").read_text("utf-8").splitlines() if line.startswith("| R")]
    assert [row.split()[1] for row in rows] == [f"R{number}" for number in range(1, 12)]
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {name}"


def test_the_files_that_make_table_1_are_there_and_are_at_most_ten() -> None:
    section = (ROOT / "docs" / "table.md").read_text("utf-8").partition("## How Table 1 is made")[2]
    rows = re.findall(r"^\| `([\w/]+)\.py` \| `(\w+)` \|", section, re.MULTILINE)
    assert 0 < len(rows) <= 10
    for file, name in rows:
        assert hasattr(importlib.import_module(file.replace("/", ".")), name), f"{file}.py has no {name}"


def test_the_pages_build_without_a_warning_and_ask_no_other_host(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("mkdocs")
    if not command.exists():
        pytest.skip("mkdocs-material is not installed beside this Python; tox -e docs builds the pages")
    site = tmp_path / "site"
    asked = [command, "build", "--strict", "--quiet", "--site-dir", site]
    result = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for page in site.glob("*.html"):
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"((?:https?:)?//[^\"]+)", page.read_text("utf-8"))
        assert not fetched, page.name
    assert (site / "search" / "search_index.json").is_file()
