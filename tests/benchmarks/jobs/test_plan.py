"""The plan knows what is stored."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from benchmarks.executors.execute import execute
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.experiment import cells
from benchmarks.jobs.plan import make_plan
from benchmarks.jobs.resolve import resolve


def test_a_plan_counts_what_is_left(options) -> None:
    setup = resolve(options)
    planned = cells(setup.preset, ["demo"], ["fine_tune", "early_bert"], runs=1)
    plan = make_plan(setup, planned)
    assert plan.lines()[0] == "plan: 2 trainings (0 stored already), 6 attacks (0 stored already)"
    assert plan.lines()[1].endswith("energy not available: there is no GPU in use")
    assert replace(plan, joules=7.2e6).lines()[1].endswith("GB of models; 2.00 kWh")
    assert plan.train_seconds > 0 and plan.attack_seconds > 0 and plan.disk_bytes > 0
    execute(setup, make_plan(setup, planned[:1]), Reporter(Console(file=io.StringIO())))
    assert make_plan(setup, planned).lines()[0] == "plan: 2 trainings (1 stored already), 6 attacks (3 stored already)"
    assert make_plan(setup, planned[:1]).lines()[1] == "nothing left to run"
