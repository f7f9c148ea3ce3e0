"""A folder of made-up runs of experiments of every kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stored_experiments import CHOICES, store_training

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.options import Options
from benchmarks.jobs.resolve import resolve


@pytest.fixture(scope="session")
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
