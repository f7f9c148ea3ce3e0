"""What reports on variants share: their caption."""

from __future__ import annotations

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.jobs.resolve import resolve
from reports.kinds.of_variants import variant_caption
from reports.variant_runs import gather


def test_the_caption_says_what_was_run_elsewhere_or_not_at_all(options) -> None:
    study = resolve(options, EXPERIMENTS["release-vs-paper"])
    runs = gather(study.store, study.rows)
    caption = "\n".join(variant_caption(study.provenance, study.experiment, runs, ["Changes are from x."]))
    assert "The experiment is about SST-2, IMDB; this run of it is on Demo." in caption
    assert "Stored order: in Demo" in caption and "(50 % would in a shuffled set" in caption
    assert "What 'BERT-Attack' is was not compared" in caption and "Changes are from x." in caption
