"""Certificates of attacked texts: what a guard proves, and whether an attack has refuted it.

A certificate is about the guard with infinitely many copies. Its class is estimated from copies, so that a proof fails
with the chance `LEVEL` at most. The copies that choose a class and those that estimate its votes are drawn apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import binomtest

from baselines.guard import CopyingGuard
from baselines.primitives.bounds import upper_bound
from benchmarks.results.records import Outcome
from benchmarks.victims.guarded import GuardedVictim

LEVEL = 0.001
RELEASED_LEVEL = 0.05
SELECTING_COPIES = 100
ABSTENTION_LEVEL = 0.05


def with_certificate(victim: Any, outcome: Outcome) -> Outcome:
    """The outcome with the certificate of its text, if the victim's guard certifies and the attack did not break.

    The certificate holds: `right`, whether the certified class is the label; `radius` at `LEVEL` and `radius_released`
    at the release's level, in words, or None; `abstains`, whether the two leading votes do not differ beyond chance;
    `copies`, the number of copies that estimate; `distance`, the words changed in the end as the certificate counts
    them, None if it does not cover the change; `contradicted`, whether the attack has refuted the certificate.
    """
    guard = victim.guard if isinstance(victim, GuardedVictim) else None
    if not isinstance(guard, CopyingGuard) or not guard.certifying_copies or outcome.status == "error":
        return outcome
    text, copies = outcome.original, guard.certifying_copies
    selected = victim.votes(text, SELECTING_COPIES, "select")
    chosen = int(selected.argmax())
    right = int(victim.votes(text, copies, "estimate")[chosen])
    parts = (text, victim.model, victim.reader)
    radius = guard.radius(right, copies, LEVEL, *parts)
    distance = guard.distance(text, outcome.perturbed, victim.model, victim.reader)
    is_right = chosen == outcome.label
    found = {
        "right": is_right,
        "radius": radius,
        "radius_released": guard.radius(right, copies, RELEASED_LEVEL, *parts),
        "abstains": _abstains(selected),
        "copies": copies,
        "distance": distance,
        "contradicted": False,
    }
    within = distance is not None and radius is not None and distance <= radius
    if is_right and within and outcome.status == "successful":
        still_right = int(victim.votes(outcome.perturbed, copies, "refute")[chosen])
        found["contradicted"] = upper_bound(still_right, copies, LEVEL) < 0.5
    return replace(outcome, certificate=found)


def _abstains(votes: np.ndarray) -> bool:
    """Whether the two leading of the votes (C,) do not differ beyond chance, by a two-sided binomial test."""
    second, first = sorted(votes.tolist())[-2:]
    return bool(binomtest(first, first + second, 0.5).pvalue > ABSTENTION_LEVEL)
