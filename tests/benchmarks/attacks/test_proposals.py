"""A file of rewrites is read strictly, and must have a row for each attacked text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from baselines.validation import UserError
from benchmarks.attacks.proposals import read_proposals
from benchmarks.data.examples import Example

ROW = {"text": "a good film", "rewrites": ["a fine film", "a film"]}
WHOLE = {"model": "someone", "prompts": ["Rewrite it."], "rewrites": [ROW, {"text": ["a", "b"], "rewrites": []}]}


def written(folder: Path, content: Any) -> Path:
    (folder / "rewrites.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "rewrites.json"


def test_rewrites_are_found_by_their_texts(tmp_path: Path) -> None:
    found = read_proposals(written(tmp_path, WHOLE))
    assert found.rewrites == {("a good film",): (("a fine film",), ("a film",)), ("a", "b"): ()}
    assert found.describe() == f"rewrites by someone (file {found.sha256[:8]})"
    found.require_all([Example("test-0", ("a", "b"), 0)])
    with pytest.raises(UserError, match="no rewrites of 1 of 2 texts, the first being test-1: 'another'"):
        found.require_all([Example("test-0", ("a good film",), 0), Example("test-1", ("another",), 1)])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not readable as JSON"),
        ([], "an object with model, prompts, rewrites"),
        (WHOLE | {"model": 1}, "model must be text"),
        (WHOLE | {"prompts": "one"}, "prompts must be a list of texts"),
        (WHOLE | {"rewrites": {}}, "rewrites must be a list of rows"),
        (WHOLE | {"rewrites": ["a"]}, "row 1 must be an object with text"),
        (WHOLE | {"rewrites": [ROW, ROW]}, "row 2 must be on a text of its own"),
        (WHOLE | {"rewrites": [ROW | {"rewrites": ["a"] * 21}]}, "row 1 must be with at most 20 rewrites"),
        (WHOLE | {"rewrites": [ROW | {"rewrites": [["a", "b"]]}]}, "of as many columns as its text"),
        (WHOLE | {"rewrites": [ROW | {"rewrites": [1]}]}, "row 1 must be with texts"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(UserError, match=r"rewrites\.json") as caught:
        read_proposals(written(tmp_path, content))
    assert complaint in str(caught.value)
