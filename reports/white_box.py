"""A white-box attack beside the black-box attack on the same candidates: whose search failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.results.records import Outcome
from reports.attack_groups import AttackGroup
from reports.statistics import Estimate, two_level

# Recipes that choose among the same substitutes within the same bounds: by gradients, and by asking.
SAME_CANDIDATES = {"gbda_words": "textfooler_same_tokens"}


def difference(white: Sequence[Sequence[Outcome]], black: Sequence[Sequence[Outcome]]) -> Estimate:
    """Aua% under a white-box attack minus that under a black-box attack, with its interval.

    Args:
        white, black: the outcomes of each run, in the same order of runs and on the same texts.
    """
    return two_level(_withstood(white) - _withstood(black))


def _withstood(runs: Sequence[Sequence[Outcome]]) -> np.ndarray:
    """(R, N): 100 for a text that withstood, otherwise 0; in the order of the texts' ids."""
    ordered = [sorted(run, key=lambda outcome: outcome.example_id) for run in runs]
    return np.array([[100.0 * (outcome.status == "failed") for outcome in run] for run in ordered])


def white_box_notes(groups: Sequence[AttackGroup]) -> list[str]:
    """A sentence for each victim that met both attacks of a pair in `SAME_CANDIDATES`."""
    notes = []
    for white in groups:
        for black in groups:
            same = (white.task, white.method, white.texts) == (black.task, black.method, black.texts)
            seeds = sorted(set(white.runs) & set(black.runs))
            if same and seeds and SAME_CANDIDATES.get(white.recipe) == black.recipe:
                found = difference([white.runs[seed] for seed in seeds], [black.runs[seed] for seed in seeds])
                notes.append(
                    f"{white.method} ({white.task}): Aua % under {white.attack} minus that under {black.attack}, on "
                    f"the same candidates, is {found.value:.1f} (95 % interval {found.low:.1f} to {found.high:.1f}); "
                    f"{verdict(found)}."
                )
    return notes


def verdict(found: Estimate) -> str:
    """What a difference says about the two searches, as a clause."""
    if found.low > 0:
        return "the gradient is masked, or the search along it failed"
    return "the search by score starved" if found.high < 0 else "neither search is behind beyond chance"
