"""Options given by name, and progress that may be silent."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from baselines.validation import UserError
from earlyrobust.running import options_of, path_or_none, reporter, work_through


def test_lists_of_names_and_paths_become_what_options_hold() -> None:
    found = options_of({"tasks": ["sst2", "imdb"], "out": "here", "data": None, "runs": 2, "defenses": "pgd"})
    assert (found.tasks, found.out, found.data, found.runs, found.defenses) == (
        "sst2,imdb",
        Path("here"),
        None,
        2,
        "pgd",
    )
    assert path_or_none("x") == Path("x") and path_or_none(None) is None


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown option 'atacked'; did you mean 'attacked'"):
        options_of({"atacked": 3})


def test_a_quiet_reporter_says_nothing(capsys: pytest.CaptureFixture) -> None:
    reporter(quiet=True).say("a line")
    reporter(quiet=False).say("another")
    assert capsys.readouterr().out == "another\n"


def test_a_tracker_is_refused_before_the_work(options, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    study = SimpleNamespace(context=SimpleNamespace(options=replace(options, track="wandb")))
    with pytest.raises(ValueError, match="pip install wandb"):
        work_through(study, reporter(quiet=True))
