"""What a store has of variants."""

from __future__ import annotations

import math

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.jobs.resolve import resolve
from reports.kinds.variants import variant_table
from reports.variant_runs import gather


def test_the_store_is_gathered_and_what_it_lacks_is_counted(options) -> None:
    study = resolve(options, EXPERIMENTS["release-vs-paper"])
    runs = gather(study.store, study.rows)
    assert [each.missing for each in runs] == [1] * len(study.experiment.variants)
    assert math.isnan(variant_table(study.experiment, runs, {"textfooler": "TextFooler"}, []).rows[0][2].mean)
