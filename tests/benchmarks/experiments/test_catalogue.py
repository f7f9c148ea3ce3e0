"""The experiments of the paper: what each varies, and what they share."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from planned import Planned, planned

from baselines.validation import UserError
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.tasks import find_task
from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN, asked_experiments, find_experiments
from benchmarks.experiments.experiment import USUAL, AttackProtocol
from benchmarks.experiments.options import Options
from benchmarks.experiments.presets import DEMO, PAPER, PRESETS, SMALL
from benchmarks.results.store import content_key
from method.early_robust import RELEASED, EarlyRobust

PAPERS = [f"table{number}" for number in range(1, 9)] + [f"figure{number}" for number in range(2, 6)]


def trainings(found) -> set[str]:
    return {
        content_key({"task": c.task, "seed": c.seed, "settings": c.defense.identity(), "d": c.defense.key})
        for c in found
    }


def test_every_table_and_figure_of_the_paper_is_there() -> None:
    assert {each.key for each in find_experiments("all")} == {*PAPERS, "release-vs-paper"}
    assert find_experiments("reach") == (EXPERIMENTS["reach"],), "a study is run by its name alone"


def test_options_of_one_experiment_are_refused_for_all() -> None:
    assert asked_experiments("table3", Options(variants="random_ticket")) == (EXPERIMENTS["table3"],)
    assert asked_experiments("all", Options(tasks="sst2")) == find_experiments("all")
    with pytest.raises(ValueError, match="--variants is for one experiment, and 'all' names several"):
        asked_experiments("all", Options(variants="random_ticket"))


def test_options_that_no_asked_experiment_reads_are_refused() -> None:
    for name in ("recipes", "attacked", "synonyms", "nltk_data", "encoder"):
        with pytest.raises(UserError, match=f"--{name.replace('_', '-')} changes nothing in 'figure2'; leave it out"):
            asked_experiments("figure2", Options(**{name: "x"}))
    for name in ("data", "runs", "backbone", "train_texts", "track", "defenses", "nltk_data"):
        with pytest.raises(UserError, match=f"--{name.replace('_', '-')} changes nothing in 'table6'"):
            asked_experiments("table6", Options(**{name: "x"}))
    with pytest.raises(UserError, match="--no-wait changes nothing in 'table6'"):
        asked_experiments("table6", Options(wait=False))
    read = Options(tasks="sst2", batch_size=3, max_length=9, schedule="published", preset="small", device="cpu")
    assert asked_experiments("table6", read)
    assert asked_experiments("all", Options(recipes="textfooler", data=Path("x")))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=lambda experiment: experiment.key)
def test_an_experiment_is_valid_in_every_preset(experiment, preset) -> None:
    fitted = experiment.fit(preset)
    found = planned(experiment, preset)
    assert all(find_task(task) for task in fitted.tasks) and all(find_recipe(recipe) for recipe in fitted.recipes)
    assert len({variant.key for variant in experiment.variants}) == len(experiment.variants)
    assert bool(found) == (experiment.trains)
    assert fitted.tasks == ("demo",) if preset is DEMO else "demo" not in fitted.tasks
    assert pickle.loads(pickle.dumps(experiment)) == experiment


@pytest.mark.parametrize("key", [each.key for each in find_experiments("all") if each.kind in ("variants", "layers")])
def test_the_plain_method_is_one_training_everywhere(key: str) -> None:
    """It is trained for Table 1 and found by every experiment after it."""
    assert trainings([Planned("demo", 42, PLAIN.defense_for(DEMO, "demo", 42), PLAIN.protocol)]) <= trainings(
        planned(EXPERIMENTS[key])
    ) & trainings(planned(EXPERIMENTS["table1"]))


def test_shared_trainings_are_planned_once() -> None:
    assert (
        trainings(planned(EXPERIMENTS["table5"]))
        == trainings(planned(EXPERIMENTS["table7"]))
        == trainings(planned(EXPERIMENTS["table8"]))
    )
    assert len(planned(EXPERIMENTS["figure4"])) == 5, "both curves pass through the plain method"
    assert len(planned(EXPERIMENTS["figure4"], PAPER)) == 2 * 5 * 14
    union = set().union(*(trainings(planned(each)) for each in find_experiments("all")))
    assert len(union - trainings(planned(EXPERIMENTS["table1"]))) == 23


def test_other_protocols_share_the_training() -> None:
    found = planned(EXPERIMENTS["release-vs-paper"])
    same = [each for each in found if each.defense == PLAIN.defense_for(DEMO, "demo", 42)]
    assert {each.protocol for each in same} == {USUAL, AttackProtocol(max_length=512), AttackProtocol(subset="first")}
    assert len(found) == len(same) + 7


def test_the_demo_takes_coarse_curves_and_whoever_asks_gets_the_fine_points() -> None:
    assert [len(planned(EXPERIMENTS["figure3"], preset)) for preset in (DEMO, SMALL)] == [3, 7 * 3 * 2]
    (each,) = planned(EXPERIMENTS["figure3"], variants="gamma=0.5")
    assert each.defense.gamma == 0.5


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
            changed = variant.defense_for(PAPER, "imdb", 42).settings()
            assert {name for name, value in plain.settings().items() if changed[name] != value} == expected[variant.key]
            seen.add(variant.key)
    assert seen == set(expected)
    search = EXPERIMENTS["table3"].variants[1].defense_for(PAPER, "imdb", 42).search
    found = (search.ascent.steps, search.ascent.init_magnitude, search.learning_rate)
    assert found == (1, 0.0, plain.search.learning_rate)


def test_all_as_released_is_the_method_s_own_released_settings() -> None:
    (released,) = [variant for variant in EXPERIMENTS["release-vs-paper"].variants if variant.key == "released"]
    assert released.defense_for(PAPER, "sst2", 42) == EarlyRobust.released()
    assert released.protocol == AttackProtocol("first", 512)


def test_random_tickets_are_drawn_anew_for_each_seed() -> None:
    random = {
        each.seed: each.defense for each in planned(EXPERIMENTS["table3"], SMALL) if each.defense.ticket == "random"
    }
    assert {seed: defense.ticket_seed for seed, defense in random.items()} == {42: 42, 43: 43, 44: 44}


@pytest.mark.parametrize("key", ["figure3", "figure4"])
def test_the_reference_of_a_curve_is_the_plain_method(key: str) -> None:
    experiment = EXPERIMENTS[key]
    (reference,) = [variant for variant in experiment.variants if variant.key == experiment.reference]
    assert all(
        reference.defense_for(PAPER, task, 42) == PLAIN.defense_for(PAPER, task, 42) for task in experiment.tasks
    )


def test_figures_of_tickets_attack_nothing() -> None:
    assert EXPERIMENTS["figure2"].fit(PAPER).recipes == EXPERIMENTS["figure5"].fit(DEMO).recipes == ()
    (each,) = planned(EXPERIMENTS["figure2"])
    assert (each.defense.search_to_cap, each.defense.max_search_epochs) == (True, 1.0)
