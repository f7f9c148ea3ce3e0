"""Records gathered into victims: what is one, and what two share."""

from __future__ import annotations

import numpy as np
from made_up import attack, outcome, training
from made_up_victims import Made

from reports.frame import AttackResult
from reports.measured import AS_THE_RUN, aua_matrices, clean_matrices, measure, shared_conditions


def test_seeds_are_one_victim_and_settings_and_surroundings_are_others() -> None:
    made = Made().add("freelb").add("freelb", settings={"steps": 7}).add("freelb", surroundings={"batch_size": 8})
    cells = measure(made.trainings, made.results)
    assert [sorted(cell.trainings) for cell in cells] == [[42, 43, 44]] * 3
    assert {(cell.settings["steps"], cell.surroundings["batch_size"]) for cell in cells} == {(5, 32), (7, 32), (5, 8)}
    assert all([sorted(each.runs) for each in cell.attacks] == [[42, 43, 44]] for cell in cells)


def test_tasks_and_methods_come_in_the_order_of_the_tables() -> None:
    made = Made().add("early_robust", task="imdb").add("pgd").add("fine_tune").add("fine_tune", task="imdb")
    cells = measure(made.trainings, made.results)
    expected = [("imdb", "fine_tune"), ("imdb", "early_robust"), ("sst2", "fine_tune"), ("sst2", "pgd")]
    assert [(cell.task, cell.defense) for cell in cells] == expected


def test_a_ticket_drawn_with_the_run_s_seed_is_one_victim() -> None:
    made = Made()
    for seed in (42, 43):
        made.add("early_robust", settings={"ticket": "random", "ticket_seed": seed}, seeds=(seed,))
    (cell,) = measure(made.trainings, made.results)
    assert sorted(cell.trainings) == [42, 43] and cell.settings["ticket_seed"] == AS_THE_RUN
    fixed = Made().add("early_robust", settings={"ticket": "random", "ticket_seed": 7})
    assert measure(fixed.trainings, fixed.results)[0].settings["ticket_seed"] == 7


def test_runs_on_adversarial_texts_of_their_own_are_one_victim_under_the_conditions_of_the_others() -> None:
    made = Made().add("fine_tune")
    for seed in (42, 43):
        texts = {"base": f"of seed {seed}", "seed": seed, "share": 0.1}
        made.add("augmentation", seeds=(seed,), surroundings={"adversarial_texts": texts})
    plain, augmented = measure(made.trainings, made.results)
    assert sorted(augmented.trainings) == [42, 43] and augmented.surroundings["adversarial_texts"] == {"share": 0.1}
    assert shared_conditions(augmented.surroundings) == plain.surroundings
    other = Made().add("augmentation").add("augmentation", surroundings={"adversarial_texts": {"share": 0.5}})
    assert len(measure(other.trainings, other.results)) == 2, "other texts are another victim"


def test_diverged_runs_and_partial_attacks_are_left_out() -> None:
    made = Made().add("pgd", seeds=(42,)).add("pgd", seeds=(43,), status="diverged", clean_correct="")
    made.results = [AttackResult(result.record, result.outcomes[:-1]) for result in made.results]
    (cell,) = measure(made.trainings, made.results)
    assert (list(cell.trainings), cell.attacks) == ([42], ())


def test_a_model_attacked_without_a_training_is_a_victim_of_its_own() -> None:
    model = training()
    records = [
        attack(
            model,
            key=f"t{temperature}{seed}",
            task="reviews",
            defense="my/model",
            seed=seed,
            identity={"model": "m", "temperature": temperature, "seed": seed},
        )
        for temperature in (1.0, 2.0)
        for seed in (1, 2)
    ]
    cells = measure({}, [AttackResult(record, [outcome(number) for number in range(4)]) for record in records])
    assert [(cell.task, cell.title, cell.surroundings["temperature"]) for cell in cells] == [
        ("reviews", "my/model", 1.0),
        ("reviews", "my/model", 2.0),
    ]
    assert [list(cell.attacks[0].runs) for cell in cells] == [[1, 2], [1, 2]]


def test_shared_attacks_are_averaged_over_runs_that_both_have() -> None:
    made = Made().add("pgd", aua=2, texts=4, recipes=("a", "b")).add("pgd", aua=0, texts=4, recipes=("c",))
    made.add("freelb", aua=1, texts=4, seeds=(42, 44, 45), recipes=("a", "c", "d"))
    cells = measure(made.trainings, made.results)
    first, second = aua_matrices(cells)
    assert np.array_equal(first, [[50, 50, 0, 0]] * 2), "the mean over the attacks a and c, in runs 42 and 44"
    assert np.array_equal(second, [[100, 0, 0, 0]] * 2)
    assert [matrix.shape for matrix in clean_matrices(cells)] == [(2, 4)] * 2


def test_of_attacks_on_different_texts_that_on_most_counts() -> None:
    made = Made().add("pgd", aua=1, texts=4)
    short = Made().add("pgd", aua=0, texts=2, attack_settings={"examples": "few"})
    cells = measure(made.trainings, made.results + short.results)
    assert len(cells[0].attacks) == 2
    assert aua_matrices(cells)[0].shape == (3, 4)


def test_unlike_attacks_and_unlike_seeds_share_nothing() -> None:
    made = Made().add("pgd").add("freelb", attack_settings={"query_budget": 5})
    assert aua_matrices(measure(made.trainings, made.results)) is None
    made = Made().add("pgd", seeds=(42,)).add("freelb", seeds=(43,))
    cells = measure(made.trainings, made.results)
    assert aua_matrices(cells) is None and clean_matrices(cells) is None
