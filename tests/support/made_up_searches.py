"""Made-up trainings whose search wrote down distances between masks and what the ticket keeps."""

from __future__ import annotations

from made_up import training

from benchmarks.experiments.catalogue import PLAIN
from benchmarks.results.records import TrainingRecord
from reports.variant_runs import VariantRuns


def searched(seed: int, distances: list[list[float]], kept: dict[str, list[int]]) -> TrainingRecord:
    """A training with these distances, the same for heads and neurons, and so many kept in each layer."""
    trace = {"mask_distances": {"heads": distances, "neurons": distances}, "kept": kept}
    return training(
        "early_robust", seed, stages=[{"name": "search", "trace": trace}, {"name": "fine_tune", "trace": {}}]
    )


SEARCHES = VariantRuns(
    "sst2",
    PLAIN,
    (
        searched(42, [[0, 0.2], [0.2, 0]], {"heads": [4, 2], "neurons": [8, 4]}),
        searched(43, [[0, 0.4], [0.4, 0]], {"heads": [2, 2], "neurons": [8, 0]}),
    ),
    (),
)
