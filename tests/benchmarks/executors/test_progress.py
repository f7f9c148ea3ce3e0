"""Progress on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks.executors import progress
from benchmarks.executors.progress import Reporter


def test_a_plain_line_comes_every_thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    output = io.StringIO()
    with Reporter(Console(file=output, width=200)).work("training", 100) as bar:
        for _ in range(100):
            now[0] += 1
            bar.advance()
    assert output.getvalue().splitlines() == [f"  training: {done} of 100" for done in (30, 60, 90)]


def test_a_terminal_gets_a_bar() -> None:
    output = io.StringIO()
    reporter = Reporter(Console(file=output, force_terminal=True, width=100))
    with reporter.work("attacks", 2) as bar:
        bar.advance(2)
    assert "attacks" in output.getvalue() and "2/2" in output.getvalue()


def test_lines_are_not_read_as_markup() -> None:
    output = io.StringIO()
    Reporter(Console(file=output)).say("[bold]x[/bold]")
    assert output.getvalue() == "[bold]x[/bold]\n"


def test_several_pieces_of_work_are_shown_at_once_and_go_when_they_end() -> None:
    output = io.StringIO()
    with Reporter(Console(file=output, force_terminal=True, width=100)).progress() as add_task:
        first, second = add_task("first", 2), add_task("second", None)
        first.advance(2)
        second.progress.refresh()
        assert "first" in output.getvalue() and "second" in output.getvalue()
        first.end()
        assert [task.description for task in second.progress.tasks] == ["second"]


def test_a_long_text_gives_a_sign_of_life_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    output = io.StringIO()
    with Reporter(Console(file=output, width=200)).work("attack, texts", 1) as bar:
        for _ in range(3):
            now[0] += 30
            bar.advance(0, queries=1000)
    assert output.getvalue().splitlines() == [f"  attack, texts: 0 of 1, {done},000 queries" for done in (1, 2, 3)]


def test_a_terminal_shows_queries_beside_the_bar() -> None:
    output = io.StringIO()
    with Reporter(Console(file=output, force_terminal=True, width=100)).work("attack", 1) as bar:
        bar.advance(0, queries=1234)
        bar.progress.refresh()
    assert "attack, 1,234 queries" in output.getvalue()
