"""What the suite knows is listed."""

from __future__ import annotations

import json

import pytest
from command import command

from reports.paper_index import paper_index


@pytest.mark.parametrize("what", ["defenses", "tasks", "recipes", "presets", "experiments"])
def test_listings(what: str, tmp_path, capsys) -> None:
    code, output, _ = command("ls", what, "--json", str(tmp_path / "l.json"), capsys=capsys)
    assert code == 0 and output
    assert json.loads((tmp_path / "l.json").read_text())["rows"]


def test_details_and_differences(capsys) -> None:
    assert "search.steps" in command("show", "early_robust", "--task", "imdb", capsys=capsys)[1]
    assert "threshold" in command("diff-recipes", "textfooler", "textbugger", capsys=capsys)[1]


def test_the_paper_index_goes_where_it_is_asked_to(tmp_path, capsys) -> None:
    page = tmp_path / "papers.md"
    assert command("paper-index", str(page), capsys=capsys)[:2] == (0, f"{page}\n")
    assert page.read_text("utf-8") == paper_index()
