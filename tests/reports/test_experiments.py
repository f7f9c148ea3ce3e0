"""The report of every kind of experiment: its figures show its table's numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import attack, outcome, training

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.options import Options
from benchmarks.jobs.job import TrainJob
from benchmarks.jobs.resolve import Study, resolve
from benchmarks.results.store import Store
from reports.experiments import report_on
from reports.tables import Number

pytest.importorskip("matplotlib")

CHOICES = {
    "table1": {"defenses": "fine_tune,early_robust"},
    "figure3": {"variants": "gamma=0.3,gamma=0.1"},
    "figure2": {},
    "figure5": {},
}


def store_training(study: Study, job: TrainJob) -> None:
    """A made-up training and made-up attacks, no two alike, where real ones would lie."""
    number = len(list(study.store.trainings()))
    boundaries = 20 if job.defense.key == "early_robust" and job.defense.search_to_cap else 6
    distances = [[abs(one - other) / (boundaries + number) for one in range(boundaries)] for other in range(boundaries)]
    search = {
        "mask_distances": {"heads": distances, "neurons": distances},
        "kept": {"heads": [4, 2], "neurons": [60, 30 - number]},
        "draw_epoch": 0.3 + number,
        "stop_epoch": 0.4 + number,
        "converged": True,
    }
    stages = [{"name": "search", "epochs": 0.3, "trace": search}] if job.defense.key == "early_robust" else []
    record = training(
        job.defense.key,
        job.seed,
        10.0 + number,
        title=job.defense.title,
        key=job.key,
        identity=job.identity,
        task=job.task,
        stages=stages,
        clean_correct="1" * (10 + number) + "0" * 10,
    )
    study.store.put_training(record)
    for each in study.attacks:
        if each.training != job.key:
            continue
        made = attack(record, each.recipe.key, key=each.key, identity=each.identity, example_ids=each.example_ids)
        study.store.put_attack(made)
        for example in each.example_ids:
            status = "failed" if len(example) % 2 == number % 2 else "successful"
            study.store.append_outcome(each.key, replace(outcome(0, status), example_id=example))


@pytest.fixture(scope="module")
def store_options(tiny_backbone, tmp_path_factory) -> Options:
    """Options of a folder in which every chosen job is stored, one seed each."""
    out = tmp_path_factory.mktemp("out")
    sizes = {"train_texts": 40, "test_texts": 20, "attacked": 2, "runs": 1, "threads": 1}
    options = Options(preset="demo", backbone=str(tiny_backbone), out=out, recipes="textfooler", **sizes)
    for key, chosen in CHOICES.items():
        study = resolve(replace(options, **chosen), EXPERIMENTS[key])
        for job in study.trainings:
            if job.record(study.store) is None:
                store_training(study, job)
    return options


def report(options: Options, key: str, **more):
    return report_on(resolve(replace(options, **CHOICES[key] | more), EXPERIMENTS[key]))


def drawn(axes) -> dict[str, list[list[float]]]:
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}


def test_trainings_are_shared(store_options) -> None:
    """Fine-tune, EarlyRobust, one more γ and the long search; figure 5 and γ = 0.1 are EarlyRobust itself."""
    assert len(list(Store(store_options.out).trainings())) == 4


def test_methods_get_their_table_and_figures_with_the_table_s_numbers(store_options) -> None:
    found = report(store_options, "table1")
    assert [row[1] for row in found.table.rows] == ["Fine-tune", "EarlyRobust"] and not found.table.incomplete
    figures = found.figures()
    assert set(figures) == {"table1_pareto", "table1_speedup"}
    records = {record["method"]: record for record in found.table.records()}
    (axes,) = figures["table1_pareto"].axes
    own = records["EarlyRobust"]
    assert drawn(axes)["EarlyRobust"] == [[own["training_seconds"], own["textfooler_aua_percent"]]]
    (axes,) = figures["table1_speedup"].axes
    ratios = [1 / own["predicted_fine_tuning_costs"], 1 / own["measured_fine_tuning_costs"]]
    assert drawn(axes)["Fine-tune"] == [pytest.approx(ratios)]


def test_no_speedup_is_drawn_without_early_robust(store_options) -> None:
    assert set(report(store_options, "table1", defenses="fine_tune").figures()) == {"table1_pareto"}


def test_no_panel_is_drawn_for_an_attack_that_is_not_there(store_options) -> None:
    found = report(store_options, "table1", recipes="textfooler,textbugger")
    assert found.table.incomplete
    (axes,) = found.figures()["table1_pareto"].axes
    assert axes.get_title() == "Demo, TextFooler"


def test_curves_are_drawn_over_their_hyperparameter_in_order(store_options) -> None:
    found = report(store_options, "figure3")
    assert not found.table.incomplete
    (figure,) = found.figures().values()
    accuracy, epochs = figure.axes
    values = {row[1]: row for row in found.table.rows}
    clean = [row[2].mean for row in (values["γ = 0.1"], values["γ = 0.3"])]
    assert drawn(accuracy)["Clean"] == [[0.1, clean[0]], [0.3, clean[1]]]
    assert "Aua, TextFooler" in drawn(accuracy) and set(drawn(epochs)) == {"drawn", "stopped"}


def test_maps_show_twenty_mini_epochs_of_heads_and_neurons(store_options) -> None:
    found = report(store_options, "figure2")
    assert len(found.table.rows) == 2 * 20 and not found.table.incomplete
    (figure,) = found.figures().values()
    images = [image for axes in figure.axes for image in axes.get_images()]
    assert [image.get_array().shape for image in images] == [(20, 20)] * 2
    cells = [[cell.mean for cell in row[3:]] for row in found.table.rows[:20]]
    assert images[0].get_array().tolist() == cells
    assert any("none attacked" in line for line in found.table.caption)


def test_layers_are_drawn_as_the_table_has_them(store_options) -> None:
    found = report(store_options, "figure5")
    (figure,) = found.figures().values()
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    columns = [[row[index] for row in found.table.rows] for index in (2, 3)]
    assert heights == [cell.mean for column in columns for cell in column if isinstance(cell, Number)]
    assert len(heights) == 4


def test_nothing_stored_is_an_incomplete_table_without_figures(store_options, tmp_path) -> None:
    for key in ("table1", "figure5"):
        found = report(replace(store_options, out=tmp_path / "empty"), key)
        assert found.table.incomplete and found.figures() == {}
