"""Data augmentation trains as fine-tuning does, on texts that others make."""

from __future__ import annotations

import pytest
from gradients import assert_equal, gradients, passes

from baselines.augmentation import Augmentation
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts, Substitutes
from baselines.training import Passes


def test_its_step_is_fine_tuning(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    assert_equal(gradients(Augmentation().step, model, one), gradients(FineTune().step, model, one))
    assert passes(Augmentation().step, model, one) == Passes(1, 1, 0)


def test_it_needs_adversarial_texts() -> None:
    assert Augmentation(share=0.5).needs == {AdversarialTexts("textfooler", 0.5, 5, "all")}
    assert Augmentation().need(Substitutes) is None


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Augmentation.share must be in \[0, 1\], got 2.0"):
        Augmentation(share=2.0)
    with pytest.raises(ValueError, match=r"Augmentation\.least_words must be 0 or more, got -1"):
        Augmentation(least_words=-1)


def test_all_that_an_attack_makes_of_all_texts_is_added_as_released() -> None:
    released = Augmentation()
    assert (released.share, released.least_words, released.added) == (1.0, 5, "all")
