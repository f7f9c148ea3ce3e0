"""Table 6: what is published, what a preset runs, where each is from."""

from __future__ import annotations

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.options import DEFAULTS, Options
from benchmarks.experiments.presets import DEMO, PAPER
from reports.experiments import report_of
from reports.kinds.settings import SCRIPT, STAND_IN, hyperparameter_table

TASKS = ("imdb", "sst2", "ag_news", "qnli", "qqp")


def rows(preset, options: Options = DEFAULTS) -> dict[tuple[str, str], tuple[str, ...]]:
    table = hyperparameter_table(EXPERIMENTS["table6"], preset, options, TASKS)
    return {(row[0], row[1]): row[2:] for row in table.rows}


def test_the_paper_preset_runs_what_is_published_but_for_the_schedule_that_all_share() -> None:
    found = rows(PAPER, Options(schedule="published"))
    assert all(published == used for published, used, _ in found.values())
    shared = {name for (_, name), (published, used, _) in rows(PAPER).items() if published != used}
    assert shared == {"weight_decay", "warmup_ratio"}, "which are every method's own"
    assert found["IMDB", "lambda_neurons"] == ("0.0002", "0.0002", SCRIPT)
    assert found["IMDB", "neuron_sparsity"][0] == "0.4" and found["AG News", "neuron_sparsity"][0] == "0.2"
    assert found["SST-2", "batch_size"][:2] == ("32", "32")


def test_values_known_for_imdb_alone_are_marked_elsewhere() -> None:
    marked = {name for (task, name), row in rows(PAPER).items() if row[2] == STAND_IN and task == "QQP"}
    assert marked == {"search.init_magnitude", "search.steps", "search.step_size", "lambda_heads", "lambda_neurons"}
    assert not [row for (task, _), row in rows(PAPER).items() if task == "IMDB" and row[2] == STAND_IN]


def test_what_a_preset_and_the_options_change_stands_beside_it() -> None:
    assert rows(DEMO)["IMDB", "search.steps"][:2] == ("5", "3")
    assert rows(DEMO, Options(batch_size=4))["IMDB", "batch_size"][:2] == ("8", "4")


def test_preset_and_tasks_are_those_asked_for() -> None:
    found = report_of(EXPERIMENTS["table6"], Options(preset="paper", tasks="sst2", device="cpu"))
    assert found.data.chosen == "preset paper, as asked" and found.figures() == {}
    assert found.table.rows == hyperparameter_table(EXPERIMENTS["table6"], PAPER, DEFAULTS, ["sst2"]).rows
    found = report_of(EXPERIMENTS["table6"], Options(device="cpu"))
    assert found.data.chosen.startswith("preset demo, chosen because no CUDA device")
    assert len({row[0] for row in found.table.rows}) == 5
