"""Needs are values: a defense names those it has, and the harness asks for one by its kind."""

from __future__ import annotations

import pytest

from baselines.augmentation import Augmentation
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts, BalancedBatches, Substitutes
from baselines.rift import Rift


def test_a_need_is_asked_for_by_its_kind() -> None:
    assert Rift().need(BalancedBatches) == BalancedBatches() and Rift(balanced=False).need(BalancedBatches) is None
    assert Augmentation(share=0.5).need(AdversarialTexts) == AdversarialTexts("textfooler", 0.5, 5, "all")
    assert FineTune().need(Substitutes) is None


def test_an_unknown_need_is_refused() -> None:
    class Greedy(FineTune):
        needs = frozenset({"substitutes"})

    with pytest.raises(ValueError, match=r"Greedy\.needs must be a value of baselines\.needs, got 'substitutes'"):
        Greedy()
