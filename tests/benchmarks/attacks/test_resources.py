"""The offline profile."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import offline_resources
from benchmarks.attacks.stop_words import StopWords
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.data.tasks import find_task


@pytest.mark.parametrize("key", ["bertattack", "bertattack@0.3.11"])
def test_bertattack_without_a_masked_model_is_refused_with_the_next_step(resources, key: str) -> None:
    with pytest.raises(ValueError, match="earlyrobust prepare"):
        resources.check(find_recipe(key))


@pytest.mark.parametrize("key", ["textfooler", "textbugger", "bertattack_official"])
def test_the_other_recipes_need_no_masked_model(resources, key: str) -> None:
    resources.check(find_recipe(key))


def test_each_recipe_gets_its_stop_words(resources) -> None:
    chosen = dataclasses.replace(resources, nltk_stop_words=StopWords(frozenset({"x"}), "other"))
    assert chosen.stop_words_for(find_recipe("textbugger")) == {"x"}
    assert chosen.stop_words_for(find_recipe("textfooler")) == resources.textfooler_stop_words.words
    assert "a test and other" in chosen.describe()


def test_identity_is_plain_and_changes_with_a_part(resources) -> None:
    other = dataclasses.replace(resources, synonyms=NeighbourList({}, "none"))
    assert json.dumps(resources.identity()) != json.dumps(other.identity())


def test_synonyms_come_from_the_task_then_the_file_then_the_vectors(tiny_backbone, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text('{"good": ["grand"]}')
    demo = offline_resources(find_task("demo"), tiny_backbone, synonyms=path)
    listed = offline_resources(find_task("sst2"), tiny_backbone, synonyms=path)
    vectors = offline_resources(find_task("sst2"), tiny_backbone)
    assert "own synonym groups" in demo.describe()
    assert listed.synonyms.neighbours("good", 5) == ["grand"]
    assert "antonyms" in vectors.describe()


def test_a_folder_without_nltk_data_is_refused(tiny_backbone, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither NLTK's tagger"):
        offline_resources(find_task("demo"), tiny_backbone, nltk_data=tmp_path)


def test_nltk_data_is_used_where_given(tiny_backbone, shared_resources: Path) -> None:
    resources = offline_resources(find_task("demo"), tiny_backbone, nltk_data=shared_resources / "nltk_data")
    assert "NLTK's perceptron" in resources.describe() and "NLTK's list" in resources.describe()
