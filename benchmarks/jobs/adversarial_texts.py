"""Adversarial texts to train on: successful attacks on a fine-tuned model, kept in the store beside its records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.defense import Defense
from baselines.fine_tune import FineTune
from benchmarks.attacks.recipes import Recipe, find_recipe
from benchmarks.data.examples import Example
from benchmarks.experiments.experiment import Cell
from benchmarks.results.records import Outcome


def base_cell(cell: Cell) -> Cell:
    """The fine-tuning whose model is attacked: the same task, seed, epochs and optimiser."""
    return Cell(cell.task, FineTune(**cell.defense.schedule()), cell.seed)


def training_recipe(defense: Defense) -> Recipe:
    """The attack on the training texts.

    Raises:
        ValueError: for an unknown recipe, or one that the suite's own engine does not run.
    """
    recipe = find_recipe(defense.recipe)  # type: ignore[attr-defined]
    if recipe.library is not None:
        raise ValueError(
            f"{type(defense).__name__}.recipe must be one of the suite's own recipes, got {recipe.key!r}; "
            f"see 'earlyrobust ls recipes'"
        )
    return recipe


def drawn_texts(examples: Sequence[Example], cell: Cell) -> list[Example]:
    """The share of the training texts that is attacked, drawn with the cell's seed, in stored order."""
    count = round(cell.defense.share * len(examples))  # type: ignore[attr-defined]
    drawn = np.random.default_rng(cell.seed).choice(len(examples), size=count, replace=False)
    return [examples[index] for index in sorted(drawn)]


def adversarial_examples(outcomes: Sequence[Outcome]) -> list[Example]:
    """The texts of successful attacks with the labels of the texts they were made from, by id."""
    return [
        Example(f"{outcome.example_id}-adversarial", tuple(outcome.perturbed), outcome.label)
        for outcome in sorted(outcomes, key=lambda outcome: outcome.example_id)
        if outcome.status == "successful"
    ]
