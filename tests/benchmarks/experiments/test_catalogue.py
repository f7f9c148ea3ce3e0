"""The experiments of the paper: what each varies, and what they share."""

from __future__ import annotations

import hashlib
import pickle

import pytest

from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.tasks import find_task
from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN, asked_experiments, find_experiments
from benchmarks.experiments.experiment import Terms
from benchmarks.experiments.options import Options
from benchmarks.experiments.presets import DEMO, PAPER, PRESETS, SMALL
from benchmarks.results.store import canonical, content_key
from method.early_robust import RELEASED, EarlyRobust

PAPERS = [f"table{number}" for number in range(1, 9)] + [f"figure{number}" for number in range(2, 6)]


def planned(key: str, preset=DEMO, **options):
    """The cells of an experiment under a preset."""
    experiment = EXPERIMENTS[key]
    fitted = experiment.fit(preset)
    return experiment.cells(Options(**options), fitted, fitted.tasks)


def trainings(found) -> set[str]:
    return {
        content_key({"task": c.task, "seed": c.seed, "settings": c.defense.identity(), "d": c.defense.key})
        for c in found
    }


def test_table_1_s_cells_are_those_under_which_results_were_stored() -> None:
    """The hash is of tasks, seeds, order and settings of all fourteen cells."""
    found = [[c.task, c.defense.key, c.seed, c.defense.identity()] for c in planned("table1")]
    digest = hashlib.sha256(canonical({"cells": found}).encode()).hexdigest()
    assert digest == "84d2871e1a9c35f9641ec8ec06470f61a58f79662f820d8ba95eabb809323775"


def test_every_table_and_figure_of_the_paper_is_there() -> None:
    assert {each.key for each in find_experiments("all")} == {*PAPERS, "release-vs-paper"}
    assert find_experiments("reach") == (EXPERIMENTS["reach"],), "a study is run by its name alone"


def test_options_of_one_experiment_are_refused_for_all() -> None:
    assert asked_experiments("table3", Options(variants="random_ticket")) == (EXPERIMENTS["table3"],)
    assert asked_experiments("all", Options(tasks="sst2")) == find_experiments("all")
    with pytest.raises(ValueError, match="--variants is for one experiment, and 'all' was asked for"):
        asked_experiments("all", Options(variants="random_ticket"))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=lambda experiment: experiment.key)
def test_an_experiment_is_valid_in_every_preset(experiment, preset) -> None:
    fitted = experiment.fit(preset)
    found = planned(experiment.key, preset)
    assert all(find_task(task) for task in fitted.tasks) and all(find_recipe(recipe) for recipe in fitted.recipes)
    assert len({variant.key for variant in experiment.variants}) == len(experiment.variants)
    assert bool(found) == (experiment.kind != "settings")
    assert fitted.tasks == ("demo",) if preset is DEMO else "demo" not in fitted.tasks
    assert pickle.loads(pickle.dumps(experiment)) == experiment


@pytest.mark.parametrize("key", [each.key for each in find_experiments("all") if each.kind in ("variants", "layers")])
def test_the_plain_method_is_one_cell_everywhere(key: str) -> None:
    """It is trained for Table 1 and found by every experiment after it."""
    assert trainings([PLAIN.cell(DEMO, "demo", 42)]) <= trainings(planned(key)) & trainings(planned("table1"))


def test_shared_cells_are_planned_once() -> None:
    assert trainings(planned("table5")) == trainings(planned("table7")) == trainings(planned("table8"))
    assert len(planned("figure4")) == 5, "both curves pass through the plain method"
    assert len(planned("figure4", PAPER)) == 2 * 5 * 14
    union = set().union(*(trainings(planned(each.key)) for each in find_experiments("all")))
    assert len(union - trainings(planned("table1"))) == 23


def test_other_terms_of_attack_share_the_training() -> None:
    found = planned("release-vs-paper")
    same = [cell for cell in found if cell.defense == PLAIN.cell(DEMO, "demo", 42).defense]
    assert {cell.terms for cell in same} == {Terms(), Terms(max_length=512), Terms(subset="first")}
    assert len(found) == len(same) + 7


def test_the_demo_takes_coarse_curves_and_whoever_asks_gets_the_fine_points() -> None:
    assert [len(planned("figure3", preset)) for preset in (DEMO, SMALL)] == [3, 7 * 3 * 2]
    (cell,) = planned("figure3", variants="gamma=0.5")
    assert cell.defense.gamma == 0.5


def test_each_ablation_changes_what_it_names_and_nothing_else() -> None:
    plain = EarlyRobust.for_task("imdb")
    expected = {
        "no_adversarial_loss": {"search"},
        "no_regulariser": {"lambda_heads", "lambda_neurons"},
        "random_ticket": {"ticket", "ticket_seed"},
        "no_initialisation": {"without"},
        "no_structure": {"without"},
        "no_structure_released": {"without"},
        "heads_layerwise": {"head_scope"},
        "neurons_layerwise": {"neuron_scope"},
        "both_layerwise": {"head_scope", "neuron_scope"},
        "stop_rule": {"stop_rule", "search_to_cap"},
        "drawn_record": {"draw_epoch"},
        "schedule": {"weight_decay", "warmup_ratio"},
        "shuffling": {"search_shuffle"},
        "token_types": {"search_token_types"},
        "mask_rule": {"mask_rule"},
        "attack_length": set(),
        "first_texts": set(),
        "bertattack": set(),
        "released": set(RELEASED),
    }
    seen = set()
    for key in ("table3", "table4", "table5", "release-vs-paper"):
        for variant in EXPERIMENTS[key].variants[1:]:
            changed = variant.cell(PAPER, "imdb", 42).defense.settings()
            assert {name for name, value in plain.settings().items() if changed[name] != value} == expected[variant.key]
            seen.add(variant.key)
    assert seen == set(expected)
    search = EXPERIMENTS["table3"].variants[1].cell(PAPER, "imdb", 42).defense.search
    assert (search.ascent.steps, search.ascent.init_magnitude, search.learning_rate) == (
        1,
        0.0,
        plain.search.learning_rate,
    )


def test_all_as_released_is_the_method_s_own_released_settings() -> None:
    (released,) = [variant for variant in EXPERIMENTS["release-vs-paper"].variants if variant.key == "released"]
    cell = released.cell(PAPER, "sst2", 42)
    assert cell.defense == EarlyRobust.released()
    assert cell.terms == Terms("first", 512)


def test_random_tickets_are_drawn_anew_for_each_seed() -> None:
    random = {cell.seed: cell.defense for cell in planned("table3", SMALL) if cell.defense.ticket == "random"}
    assert {seed: defense.ticket_seed for seed, defense in random.items()} == {42: 42, 43: 43, 44: 44}


@pytest.mark.parametrize("key", ["figure3", "figure4"])
def test_the_reference_of_a_curve_is_the_plain_method(key: str) -> None:
    experiment = EXPERIMENTS[key]
    (reference,) = [variant for variant in experiment.variants if variant.key == experiment.reference]
    assert all(reference.cell(PAPER, task, 42) == PLAIN.cell(PAPER, task, 42) for task in experiment.tasks)


def test_figures_of_tickets_attack_nothing() -> None:
    assert EXPERIMENTS["figure2"].fit(PAPER).recipes == EXPERIMENTS["figure5"].fit(DEMO).recipes == ()
    (cell,) = planned("figure2")
    assert (cell.defense.search_to_cap, cell.defense.max_search_epochs) == (True, 1.0)
