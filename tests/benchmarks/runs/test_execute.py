"""The whole of Table 1 on a tiny backbone, in processes, repeated from the store."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.runs.execute import execute
from benchmarks.runs.experiments import Terms, cells
from benchmarks.runs.plan import make_plan
from benchmarks.runs.progress import Reporter
from benchmarks.runs.runner import attack_model, stored_attacks
from benchmarks.runs.setup import resolve


def test_processes_give_the_outcomes_of_one_process_and_nothing_is_redone(
    options, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = resolve(options)
    planned = cells(setup.preset, ["demo"], ["fine_tune", "early_bert"], runs=1)
    output = io.StringIO()
    trained = execute(setup, make_plan(setup, planned), Reporter(Console(file=output, width=200)))
    assert [record.defense for record in trained] == [cell.defense.key for cell in planned]
    assert "trained in" in output.getvalue() and "TextFooler in" in output.getvalue()

    for record in trained:
        for recipe, stored in stored_attacks(setup, record):
            parallel = [outcome.as_json() for outcome in setup.store.outcomes(stored.key)]
            setup.store.outcomes_path(stored.key).unlink()
            (setup.store.root / "attacks" / stored.key / "record.json").unlink()
            serial = attack_model(setup, record, recipe)
            assert [outcome.as_json() for outcome in setup.store.outcomes(serial.key)] == parallel

    monkeypatch.setattr("benchmarks.runs.execute.executor_for", lambda *a: pytest.fail("something was done again"))
    assert execute(setup, make_plan(setup, planned), Reporter(Console(file=io.StringIO()))) == trained


def test_cells_that_differ_in_their_attacks_share_one_training(options) -> None:
    setup = resolve(replace(options, recipes="textfooler"))
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    planned = [cell, replace(cell, terms=Terms(subset="first")), replace(cell, terms=Terms(max_length=8))]
    plan = make_plan(setup, planned)
    assert plan.lines()[0] == "plan: 1 trainings (0 stored already), 3 attacks (0 stored already)"
    first, *others = execute(setup, plan, Reporter(Console(file=io.StringIO())))
    assert others == [first, first]
    attacks = {
        record.identity["examples"]: record for record in setup.store.attacks() if "max_length" in record.identity
    }
    assert len(list(setup.store.attacks())) == 3 and len(attacks) == 1
    assert make_plan(setup, planned).lines()[1] == "nothing left to run"
    stored = [next(stored_attacks(setup.under(each.terms), first))[1] for each in planned]
    assert len({record.key for record in stored}) == 3
    assert stored[1].example_ids == [example.id for example in setup.tasks["demo"].dataset.test[:3]]
