"""Sets without an attack: labels are found by name, originals where they are known, and bad files are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from baselines.validation import UserError
from benchmarks.data.attack_free import attack_free_sets, name_of_set, read_advglue
from benchmarks.data.examples import Dataset, Example
from benchmarks.data.tasks import AG_NEWS, QNLI, QQP, SST2

NLI = replace(QNLI, key="mnli", columns=("premise", "hypothesis"))


def written(folder: Path, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dev.json").write_text(json.dumps(content))
    return folder


def test_numbers_are_glue_s_and_names_are_matched(tmp_path: Path) -> None:
    names = ("contradiction", "entailment", "neutral")  # as an own task sorts them
    nli = replace(NLI, label_names=names, label_values=names)
    rows = [{"premise": "p", "hypothesis": "h", "label": label} for label in (0, 1, 2)]
    folder = written(tmp_path / "glue", {"mnli": rows, "qnli": [{"question": "q", "sentence": "s", "label": 1}]})
    assert [each.label for each in read_advglue(folder, nli).examples] == [1, 2, 0]
    assert read_advglue(folder, QNLI).examples == (Example("glue-0", ("q", "s"), 1),)
    named = [{"premise": "p", "hypothesis": "h", "label": label} for label in ("Neutral", "entailment")]
    assert [each.label for each in read_advglue(written(folder, {"mnli": named}), nli).examples] == [2, 1]


def test_other_tasks_write_labels_as_their_files_do(tmp_path: Path) -> None:
    for labels, numbers in ((["1", "4"], [0, 3]), (["Sports", "World"], [1, 0])):
        folder = written(tmp_path, {"ag_news": [{"text": "a", "label": label} for label in labels]})
        assert [each.label for each in read_advglue(folder, AG_NEWS).examples] == numbers


def test_originals_are_known_where_every_row_has_one(tmp_path: Path) -> None:
    rows = [
        {"question1": "a b", "question2": "c", "original_question1": "a", "label": 1},
        {"question1": "d", "question2": "e f", "original_question1": "", "original_question2": "e", "label": 0},
    ]
    found = read_advglue(written(tmp_path / "plus", {"qqp": rows}), QQP)
    assert found.title == "plus" and [each.texts for each in found.examples] == [("a b", "c"), ("d", "e f")]
    assert [(each.texts, each.label) for each in found.originals] == [(("a", "c"), 1), (("d", "e"), 0)]
    del rows[0]["original_question1"]
    assert read_advglue(written(tmp_path / "plus", {"qqp": rows}), QQP).originals is None


def test_typos_keep_the_test_texts_as_originals(tmp_path: Path) -> None:
    test = [Example("test-0", ("a fine film of many words",), 1)]
    made = attack_free_sets("typos", SST2, Dataset("sst2", ("sentence",), ("n", "p"), [], test, "folder", ""), None)
    assert [each.title for each in made] == [f"typos in {rate} % of words" for rate in (5, 10, 20)]
    assert all(each.originals == tuple(test) and each.examples[0].label == 1 for each in made)


@pytest.mark.parametrize(
    "content, complaint",
    [
        ([], "an object with a list of rows"),
        ({"qqp": []}, "has no texts of 'sst2'; its tasks are: qqp"),
        ({"sst2": []}, "a list of rows, each an object"),
        ({"sst2": [{"label": 0}]}, "row 1: no 'sentence'"),
        ({"sst2": [{"sentence": " ", "label": 0}]}, "sentence must be a text that is not empty"),
        ({"sst2": [{"sentence": "a", "label": None}]}, "label must be a class name or number"),
        ({"sst2": [{"sentence": "a", "label": 2}]}, "label '2'"),
        ({"sst2": [{"sentence": "a", "label": True}]}, "label must be a class name or number"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, content: object, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        read_advglue(written(tmp_path, content), SST2)
    assert complaint in str(caught.value) and "dev.json" in str(caught.value)


def test_a_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    nothing = Dataset("sst2", ("sentence",), ("n", "p"), [], [], "folder", "")
    for chosen, data, complaint in (
        ("typo", None, "typos, advglue or a folder"),
        ("advglue", None, "--data DIR is missing"),
        ("advglue", tmp_path, "cannot be read"),
    ):
        with pytest.raises(UserError, match=complaint):
            attack_free_sets(chosen, SST2, nothing, data)
    (tmp_path / "dev.json").write_text("{")
    with pytest.raises(UserError, match="not readable as JSON"):
        attack_free_sets(str(tmp_path), SST2, nothing, None)
    assert name_of_set("advglue") == "advglue" and name_of_set(str(tmp_path)) == tmp_path.name
    with pytest.raises(UserError, match="--set"):
        name_of_set("/")
