"""Listings and details."""

from __future__ import annotations

import pytest

from benchmarks.data.assets import Asset
from benchmarks.experiments.defenses import TABLE_ORDER, known_defenses
from reports.listings import asset_listing, details, dotted, flat, listing, recipe_differences


@pytest.mark.parametrize("what", ["defenses", "tasks", "recipes", "presets", "experiments", "evidence"])
def test_everything_known_is_listed(what: str) -> None:
    assert listing(what).rows


def test_every_discovered_defense_is_listed_those_of_table_1_first() -> None:
    keys = [row[0] for row in listing("defenses").rows]
    assert keys == list(known_defenses())
    assert tuple(keys[:7]) == TABLE_ORDER


def test_a_defense_s_settings_are_those_of_the_task() -> None:
    rows = dict(details("early_robust", "imdb").rows)
    assert rows["neuron_sparsity"] == "0.4"
    assert rows["search.steps"] == "5"
    assert (rows["search.defense"], rows["fine_tuning.defense"]) == ("freelb", "fine_tune")


def test_recipes_are_shown_and_compared() -> None:
    assert "note" in dict(details("textfooler").rows)
    parts = {row[0] for row in recipe_differences("textfooler", "bertattack_official").rows}
    assert "sentence.threshold" in parts and "ranking" not in parts
    assert recipe_differences("textfooler", "textfooler").rows == ()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: listing("defences"), "unknown listing 'defences'; did you mean 'defenses'"),
        (lambda: details("textfoler"), "unknown defense or recipe 'textfoler'; did you mean 'textfooler'"),
        (lambda: recipe_differences("textfooler", "hotflip"), "unknown recipe 'hotflip'"),
    ],
)
def test_unknown_names_are_refused(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_assets_are_listed_with_state_size_and_trust(tmp_path) -> None:
    pinned = Asset("one", "https://x", "one.bin", "0" * 64, 2_500_000)
    table = asset_listing([pinned, Asset("two", "https://x", "two.bin")], tmp_path)
    assert table.rows == (
        ("one", "missing", "2.5 MB", "pinned"),
        ("two", "missing", "unknown", "as first fetched"),
    )
    assert "assets.lock.json" in table.caption[0]
    assert asset_listing([pinned], tmp_path).caption == ()


def test_nested_values_are_dotted_and_shown_as_text() -> None:
    values = {"epochs": 2, "search": {"steps": 3, "norm": {"kind": None}}}
    assert dotted(values) == {"epochs": 2, "search.steps": 3, "search.norm.kind": None}
    assert flat(values) == [("epochs", "2"), ("search.steps", "3"), ("search.norm.kind", "None")]
