"""Adversarial training texts: made by attacks on a fine-tuned model, kept in the store beside its records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.defense import Defense
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts
from baselines.validation import UserError
from benchmarks.attacks.recipes import Recipe, find_recipe
from benchmarks.data.examples import Example
from benchmarks.results.metrics import joins
from benchmarks.results.records import Outcome


def base_defense(defense: Defense) -> FineTune:
    """The fine-tuning whose model is attacked: the same epochs and optimiser."""
    return FineTune(**defense.schedule())


def training_recipe(wanted: AdversarialTexts) -> Recipe:
    """The attack on the training texts.

    Raises:
        ValueError: for an unknown recipe, or one that the suite's own engine does not run.
    """
    recipe = find_recipe(wanted.recipe)
    if recipe.library is not None:
        raise UserError(
            f"AdversarialTexts.recipe must be one of the suite's own recipes, got {recipe.key!r}; "
            f"see 'earlyrobust ls recipes'"
        )
    return recipe


def drawn_texts(examples: Sequence[Example], wanted: AdversarialTexts, seed: int) -> list[Example]:
    """The share of the longer training texts that is attacked, drawn with the training's seed, in stored order."""
    long = [example for example in examples if len(example.texts[-1].split()) >= wanted.least_words]
    drawn = np.random.default_rng(seed).choice(len(long), size=round(wanted.share * len(long)), replace=False)
    return [long[index] for index in sorted(drawn)]


def adversarial_examples(outcomes: Sequence[Outcome], added: str) -> list[Example]:
    """The attacked texts to add, with the labels of the texts they were made from, by id.

    Args:
        added: "all" except texts with an attack error, or those of "successful" attacks.
    """
    return [
        Example(f"{outcome.example_id}-adversarial", tuple(outcome.perturbed), outcome.label)
        for outcome in sorted(outcomes, key=lambda outcome: outcome.example_id)
        if joins(outcome, added)
    ]
