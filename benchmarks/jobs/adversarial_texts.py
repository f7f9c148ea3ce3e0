"""Adversarial training texts: which texts are attacked, on which model, and which attacked texts are trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.defense import Defense
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts
from baselines.validation import UserError
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.examples import Example
from benchmarks.jobs.job import TrainJob
from benchmarks.results.metrics import broken_among, joining, tally, too_many_broke
from benchmarks.results.records import Outcome
from benchmarks.results.store import Store


def base_defense(defense: Defense) -> FineTune:
    """The fine-tuning whose model is attacked: the same epochs and optimiser."""
    return FineTune(**defense.schedule())


def training_recipe(wanted: AdversarialTexts) -> Recipe:
    """The attack on the training texts.

    Raises:
        UserError: for an unknown recipe, or one that the suite's own engine does not run.
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


@dataclass(frozen=True)
class AddedTexts:
    """The adversarial texts of a training; the defaults are those of a training without any.

    Attributes:
        examples: the texts to add.
        about: what the training's record says of them.
        complaint: why the training cannot use them: too many attacks broke; None if it can.
    """

    examples: Sequence[Example] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    complaint: str | None = None


def added_texts(store: Store, job: TrainJob) -> AddedTexts:
    """The adversarial texts of a training, from the stored attack that made them."""
    texts = job.texts
    if texts is None or texts.added is None:
        return AddedTexts()
    home = texts.home(store)
    assert home.attack(texts.key) is not None, "a training comes after the attack that makes its texts"
    outcomes = home.outcomes(texts.key)
    broken = broken_among(outcomes)
    complaint = f"too few adversarial texts: {broken}; the same command attacks them again, and trains then"
    return AddedTexts(
        adversarial_examples(joining(outcomes, texts.added)),
        {"adversarial_texts": tally(outcomes, texts.added)},
        complaint if too_many_broke(outcomes) else None,
    )


def adversarial_examples(outcomes: Sequence[Outcome]) -> list[Example]:
    """Attacked texts, with the labels of the texts they were made from, by id."""
    return [
        Example(f"{outcome.example_id}-adversarial", tuple(outcome.perturbed), outcome.label)
        for outcome in sorted(outcomes, key=lambda outcome: outcome.example_id)
    ]
