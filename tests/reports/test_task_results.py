"""Main cells, variants and contrasts on one task."""

from __future__ import annotations

import pytest
from made_up_victims import Made

from reports.measured import measure
from reports.task_results import TaskResults, contrast, setting, task_results


def results_of(made: Made) -> TaskResults:
    (task,) = task_results(measure(made.trainings, made.results))
    return task


def test_the_main_cell_is_the_one_nearest_to_the_published_settings() -> None:
    made = Made().add("early_robust", settings={"epochs": 2, "gamma": 0.3}).add("early_robust", settings={"epochs": 2})
    made.add("early_robust", settings={"epochs": 2, "gamma": 0.3, "head_scope": "layerwise"})
    task = results_of(made)
    assert task.main("early_robust").settings["gamma"] == 0.1 and task.main("pgd") is None
    assert [cell.settings["gamma"] for cell in task.variants("gamma")] == [0.3]
    assert list(task.by("gamma")) == [0.1, 0.3] and task.by("patience") == {}


def test_a_setting_that_came_later_sets_a_variant_apart() -> None:
    made = Made().add("early_robust", extra={"without": "structure"}).add("early_robust")
    task = results_of(made)
    assert task.main("early_robust").settings.get("without") is None
    found = task.variant({"without": "structure"})
    assert found is not None and setting(found, "without") == "structure"
    assert setting(task.main("early_robust"), "without") is None
    assert task.variant({"without": "initialisation"}) is None


def test_a_variant_may_differ_in_what_is_named_and_in_nothing_else() -> None:
    made = Made().add("early_robust").add("early_robust", settings={"ticket": "random", "ticket_seed": 3})
    task = results_of(made)
    assert task.variant({"ticket": "random"}) is None
    assert task.variant({"ticket": "random"}, "ticket_seed") is not None


def test_a_contrast_is_the_paired_difference_of_means() -> None:
    made = Made().add("early_robust", aua=120).add("fine_tune", aua=100, clean=170)
    task = results_of(made)
    ours, tuned = task.main("early_robust"), task.main("fine_tune")
    found = contrast("Aua %", [ours], [tuned])
    assert (found.value, found.runs, found.texts) == (10, 3, 200)
    assert found.low > 5, "the same texts fall in every run: what they share is taken out"
    assert contrast("Aua %", [tuned], [ours]).value == -10
    assert contrast("Clean %", [ours], [tuned]).value == pytest.approx(5)
    assert contrast("Aua %", [ours, tuned], [tuned]).value == pytest.approx(5)


def test_what_shares_no_attack_has_no_contrast() -> None:
    task = results_of(Made().add("early_robust").add("fine_tune", recipes=()))
    assert contrast("Aua %", [task.main("early_robust")], [task.main("fine_tune")]) is None


def test_of_two_places_the_one_with_more_runs_counts() -> None:
    made = Made().add("fine_tune", surroundings={"data": "small"}).add("fine_tune").add("pgd")
    task = results_of(made)
    assert (task.title, len(task.cells), task.left_out) == ("SST-2", 2, 1)


def test_what_single_defenses_need_is_no_other_condition() -> None:
    made = Made().add("fine_tune").add("ascc", surroundings={"substitutes": {"sha256": "s"}})
    (found,) = task_results(measure(made.trainings, made.results))
    assert [cell.defense for cell in found.cells] == ["fine_tune", "ascc"] and not found.left_out
