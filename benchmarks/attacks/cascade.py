"""The worst case of several attacks: each attacks a text only if those before it have failed on it.

Source: the idea is AutoAttack's (Croce and Hein, ICML 2020); stages and threat models are this suite's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from benchmarks.attacks.charmer import CharmerSearch
from benchmarks.attacks.gbda import GradientSearch
from benchmarks.attacks.proposal_search import ProposalSearch
from benchmarks.attacks.recipe import Recipe, Stage
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.searches import GreedySearch, Search
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome


class TextSearch(Protocol):
    """What attacks one text after another."""

    def attack(self, example: Example) -> Search:
        """The search for one example."""
        ...

    def texts_at_once(self, example: Example) -> int:
        """About how many texts the search for an example asks about in one round."""
        ...


def search_of(
    recipe: Recipe,
    resources: Resources,
    *,
    columns: Sequence[str],
    classes: int,
    seed: int,
    confirmations: int = 0,
) -> TextSearch:
    """The search of a recipe.

    Args:
        columns: names of the text columns, for the recipe's column rules.
        classes: C, the victim's classes.
        seed: together with the recipe and the example's id it decides all random draws.
        confirmations: as for `GreedySearch`.
    """
    how: dict[str, Any] = {"columns": columns, "classes": classes, "seed": seed, "confirmations": confirmations}
    if not recipe.stages:
        return _kind_of(recipe)(recipe, resources, **how)
    budget = {"query_budget": recipe.query_budget, "queries_per_word": recipe.queries_per_word}
    return CascadeSearch(
        [(stage, search_of(replace(stage.recipe, **budget), resources, **how)) for stage in recipe.stages]
    )


def _kind_of(recipe: Recipe) -> type[GreedySearch]:
    if recipe.gradients is not None:
        return GradientSearch
    if recipe.proposals:
        return ProposalSearch
    return GreedySearch if recipe.character_edits is None else CharmerSearch


class CascadeSearch:
    """The stages of each threat model, one after the other, until one breaks the text.

    A stage attacks a text as the same recipe does by itself, with the same draws: a text is broken here if and only if
    one of the stages of a threat model breaks it by itself.

    Args:
        stages: the stages in order, each with its search.
    """

    def __init__(self, stages: Sequence[tuple[Stage, TextSearch]]) -> None:
        self._stages = stages

    def texts_at_once(self, example: Example) -> int:
        """That of the stage which asks about most."""
        return max(search.texts_at_once(example) for _, search in self._stages)

    def attack(self, example: Example) -> Search:
        """The search for one example: successful if a threat model broke it, with the first text that did."""
        verdicts: dict[str, str] = {}
        broken: dict[str, Outcome] = {}
        queries, passes, first_flip = 0, None, None
        for stage, search in self._stages:
            if stage.threat in broken:
                continue
            outcome: Outcome = yield from search.attack(example)
            if outcome.status == "skipped":
                return outcome
            queries += outcome.queries
            if outcome.gradient_passes is not None:
                passes = outcome.gradient_passes + (passes or 0)
            if outcome.first_flip is not None:
                first_flip = outcome.first_flip or bool(first_flip)
            verdicts[stage.recipe.key] = outcome.status
            if outcome.status == "successful":
                broken[stage.threat] = outcome
        first = next(iter(broken.values()), outcome)
        costs = {"queries": queries, "gradient_passes": passes, "first_flip": first_flip}
        return replace(first, **costs, stages=verdicts, equal_ranking_share=None, idle_step_share=None)
