"""Stored attacks, gathered: what is one group, and what tells two apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import attack, outcome, training

from benchmarks.results.store import Store
from reports.attack_groups import LONGEST_MODEL_NAME, attack_groups, stored_results
from reports.frame import AttackResult


def outcomes(count: int = 4) -> list:
    return [outcome(number) for number in range(count)]


def groups_of(results: list[AttackResult], victims: list) -> list:
    return attack_groups({record.key: record for record in victims}, results)


def test_seeds_are_one_group_and_methods_come_in_the_tables_order() -> None:
    victims = [training("freelb", 43, title="FreeLB"), training("freelb", 42, title="FreeLB"), training("fine_tune")]
    groups = groups_of([AttackResult(attack(record), outcomes()) for record in victims], victims)
    assert [(group.method, list(group.runs)) for group in groups] == [("Fine Tune", [42]), ("FreeLB", [42, 43])]
    assert groups[0].task == "SST-2" and groups[0].label_names == ("negative", "positive")


def test_settings_of_one_title_are_told_apart_by_what_differs() -> None:
    victims = [training("freelb", title="FreeLB", settings={"steps": steps, "epochs": 3}) for steps in (2, 5)]
    groups = groups_of([AttackResult(attack(record), outcomes()) for record in victims], victims)
    assert {group.method for group in groups} == {"FreeLB (steps=2)", "FreeLB (steps=5)"}


def test_settings_that_most_have_go_without_saying() -> None:
    usual = {"steps": 2, "epochs": 3}
    changes = ({}, {}, {}, {"steps": 5}, {"epochs": 9, "norm": "l2"})
    victims = [training("freelb", seed, title="FreeLB", settings=usual | each) for seed, each in enumerate(changes)]
    groups = groups_of([AttackResult(attack(record), outcomes()) for record in victims], victims)
    assert [(group.method, list(group.runs)) for group in groups] == [
        ("FreeLB", [0, 1, 2]),
        ("FreeLB (steps=5)", [3]),
        ("FreeLB (epochs=9, norm=l2)", [4]),
    ]


def test_a_setting_that_is_absent_says_so_where_most_have_it() -> None:
    changes = ({"norm": "l2"}, {"norm": "l2"}, {})
    victims = [training("freelb", seed, title="FreeLB", settings=each) for seed, each in enumerate(changes)]
    groups = groups_of([AttackResult(attack(record), outcomes()) for record in victims], victims)
    assert {group.method for group in groups} == {"FreeLB", "FreeLB (no norm)"}


def test_recipes_of_one_title_are_told_apart_and_texts_by_number_and_hash() -> None:
    victim = training()
    records = [
        attack(
            victim, key=name, identity={"training": victim.key, "recipe": {"threshold": value}, "examples": name * 64}
        )
        for name, value in (("a", 0.8), ("b", 0.9))
    ]
    groups = groups_of([AttackResult(record, outcomes()) for record in records], [victim])
    assert {group.attack for group in groups} == {
        "Textfooler (recipe.threshold=0.8, examples=4 texts aaaaaaaa)",
        "Textfooler (recipe.threshold=0.9, examples=4 texts bbbbbbbb)",
    }


def test_another_model_goes_by_its_own_names_and_its_temperatures_are_two_methods() -> None:
    model = training()
    records = [
        attack(
            model,
            key=f"t{temperature}",
            task="reviews",
            defense="my/model",
            identity={"model": "m", "temperature": temperature, "columns": ["a", "b"], "seed": 42},
        )
        for temperature in (1.0, 2.0)
    ]
    groups = groups_of([AttackResult(record, outcomes()) for record in records], [])
    assert [group.method for group in groups] == ["my/model (temperature=1.0)", "my/model (temperature=2.0)"]
    assert {(group.task, group.label_names, group.columns) for group in groups} == {("reviews", (), ("a", "b"))}


def test_a_long_path_goes_by_its_end_and_two_of_one_end_are_told_apart() -> None:
    records = [
        attack(training(), key=name, defense=f"/{name}/{'long/' * 9}model", identity={"model": name * 64})
        for name in "ab"
    ]
    methods = [group.method for group in groups_of([AttackResult(each, outcomes()) for each in records], [])]
    assert [len(method.split()[0]) for method in methods] == [LONGEST_MODEL_NAME] * 2
    assert [method.split("long/model ")[1] for method in methods] == ["(model=aaaaaaaa)", "(model=bbbbbbbb)"]


def test_partial_attacks_are_left_out_and_outcomes_put_in_the_order_drawn() -> None:
    victims = [training(), training("pgd")]
    results = [
        AttackResult(attack(victims[0]), outcomes()[::-1]),
        AttackResult(attack(victims[1]), outcomes(3)),
    ]
    (group,) = groups_of(results, victims)
    assert [each.example_id for each in group.runs[42]] == ["test-0", "test-1", "test-2", "test-3"]


def test_a_store_is_read_and_none_is_made(tmp_path: Path) -> None:
    cases = ((tmp_path / "none", "there is no folder"), (tmp_path, "holds no finished training or attack"))
    for folder, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            stored_results(folder)
    assert not list(tmp_path.iterdir())
    store, victim = Store(tmp_path), training()
    store.put_training(victim)
    record = attack(victim, texts=1)
    store.append_outcome(record.key, outcome(0))
    store.put_attack(record)
    assert stored_results(tmp_path) == ({victim.key: victim}, [AttackResult(record, [outcome(0)])])
