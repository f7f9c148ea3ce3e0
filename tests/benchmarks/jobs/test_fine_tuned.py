"""The first fine-tuned model is trained once, and found again."""

from __future__ import annotations

import pytest
from demo_jobs import context_of

from benchmarks.experiments.experiment import FIRST_SEED
from benchmarks.jobs import fine_tuned
from benchmarks.jobs.fine_tuned import first_fine_tuned


def test_it_is_trained_where_the_store_has_none(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context, said = context_of(options), []
    job = first_fine_tuned(context, "demo", said.append)
    assert (job.defense.key, job.seed) == ("fine_tune", FIRST_SEED) and job.record(context.store) is not None
    monkeypatch.setattr(fine_tuned, "train", lambda *_: pytest.fail("was trained again"))
    assert first_fine_tuned(context, "demo", said.append).key == job.key
    assert said == ["demo: training the victim"]
