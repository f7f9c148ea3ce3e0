"""Small measurements that show whether a victim's robustness may be a failure of the attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.random_search import RandomSearch
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import GBDA_WORDS
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.words import Text
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome
from benchmarks.victims.calibration import fit_temperature
from benchmarks.victims.mixtures import WhiteBox

SAME = 1e-4
ASKED_TWICE = 32
ALONE = 8
DONORS = 8


@dataclass(frozen=True)
class Measurements:
    """What was measured of a victim on N texts; None stands for what could not be.

    Attributes:
        recipe: the attack.
        labels: gold labels (N,).
        probabilities: the answers (N, C) to the unchanged texts.
        repeated: largest difference of two answers to the same text.
        company: largest difference of an answer from that in another order of the texts, or alone.
        direct: the attack's outcomes; None if answers are not repeatable, as all that follows.
        margin: under the margin score. tempered: with the victim's confidence fitted to other texts.
        temperature: the fitted one.
        white, black: along the gradient, and by margin, on the same candidates and without a budget.
        random: random substitutions with as many queries.
        replaced: which texts (N,) withstood having all their words replaced.
        transferred: which texts (N,) withstood the adversarial texts of another model.
    """

    recipe: Recipe
    labels: np.ndarray
    probabilities: np.ndarray
    repeated: float
    company: float
    direct: tuple[Outcome, ...] | None = None
    margin: tuple[Outcome, ...] | None = None
    tempered: tuple[Outcome, ...] | None = None
    temperature: float | None = None
    white: tuple[Outcome, ...] | None = None
    black: tuple[Outcome, ...] | None = None
    random: tuple[Outcome, ...] | None = None
    replaced: np.ndarray | None = None
    transferred: np.ndarray | None = None


def measure(
    victim: Any,
    examples: Sequence[Example],
    recipe: Recipe,
    resources: Resources,
    *,
    columns: Sequence[str],
    seed: int,
    held_out: Sequence[Example] = (),
    source: Any = None,
) -> Measurements:
    """Measure a victim on some texts.

    Args:
        victim: a `Victim` or a `CallableVictim`.
        recipe: the attack, a search by probability.
        held_out: other texts, to which the temperature is fitted; none leaves that out.
        source: another victim, which is attacked too; its adversarial texts are then shown to this one.
    """
    texts = [example.texts for example in examples]
    labels = np.array([example.label for example in examples])
    first = _asked(victim, texts)
    some = texts[:ASKED_TWICE]
    repeated = float(np.abs(_asked(victim, some) - _asked(victim, some)).max())
    found = Measurements(recipe, labels, first, repeated, _company(victim, some))
    if max(found.repeated, found.company) > SAME:
        return found

    def attacked(by: Recipe, of: Any = victim, **how: Any) -> tuple[Outcome, ...]:
        done = attack_all(of.at(of.temperature), examples, by, resources, seed=seed, columns=columns, **how)
        outcomes = {outcome.example_id: outcome for outcome in done}
        return tuple(outcomes[example.id] for example in examples)

    direct = attacked(recipe)
    found = replace(found, direct=direct, margin=attacked(replace(recipe, score="margin")))
    if held_out:
        answers = _asked(victim, [example.texts for example in held_out])
        logits = np.log(np.maximum(answers, np.finfo(np.float32).tiny))
        temperature = fit_temperature(logits, np.array([example.label for example in held_out]))
        tempered = attacked(recipe, victim.at(temperature * victim.temperature))
        found = replace(found, temperature=temperature, tempered=tempered)
    if isinstance(victim, WhiteBox):
        black = replace(recipe, score="margin", same_tokens=True, query_budget=None, queries_per_word=None)
        white = replace(black, gradients=GBDA_WORDS.gradients)
        found = replace(found, white=attacked(white), black=attacked(black))
    search = RandomSearch(recipe, resources, columns=columns, classes=victim.classes, seed=seed)
    search.budgets = {outcome.example_id: outcome.queries for outcome in direct}
    found = replace(found, random=attacked(recipe, search=search), replaced=_replaced(victim, examples, first))
    if source is not None:
        moved = [outcome.perturbed for outcome in attacked(recipe, source)]
        found = replace(found, transferred=_right(_asked(victim, moved), labels) & _right(first, labels))
    return found


def _asked(victim: Any, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
    """The probabilities (N, C) of a victim that remembers nothing."""
    return victim.at(victim.temperature)(texts)


def _right(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return probabilities.argmax(axis=1) == labels


def _company(victim: Any, texts: Sequence[tuple[str, ...]]) -> float:
    """Largest change of an answer when texts are asked about in another order, or alone."""
    together = _asked(victim, texts)
    backwards = _asked(victim, texts[::-1])[::-1]
    alone = np.concatenate([_asked(victim, [text]) for text in texts[:ALONE]])
    return float(max(np.abs(together - backwards).max(), np.abs(together[:ALONE] - alone).max()))


def _replaced(victim: Any, examples: Sequence[Example], answers: np.ndarray) -> np.ndarray:
    """Which texts (N,) are still read rightly with all their words replaced by those of any text of another class.

    No constraint holds, so that nothing should withstand it.
    """
    read = answers.argmax(axis=1)
    words = [Text(example.texts).words for example in examples]
    withstood = _right(answers, np.array([example.label for example in examples]))
    changed, owners = [], []
    for place, example in enumerate(examples):
        donors = [n for n in range(len(examples)) if read[n] != example.label and words[n]][:DONORS]
        for donor in donors if withstood[place] else ():
            text = Text(example.texts)
            for index in range(len(words[place])):
                text = text.after(index, words[donor][index % len(words[donor])])
            changed.append(text.columns)
            owners.append(place)
    if changed:
        broken = _asked(victim, changed).argmax(axis=1) != np.array([examples[owner].label for owner in owners])
        withstood[[owner for owner, is_broken in zip(owners, broken, strict=True) if is_broken]] = False
    return withstood
