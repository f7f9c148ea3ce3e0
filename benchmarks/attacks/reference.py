"""The reference: TextAttack's own loop on our victim, one text after another."""

from __future__ import annotations

import random
import traceback
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from baselines.validation import UserError
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.seeding import example_seed
from benchmarks.attacks.textattack_import import import_textattack
from benchmarks.attacks.time_limit import TEXT_SECONDS, processor_limit
from benchmarks.data.examples import Example
from benchmarks.results.records import Outcome
from benchmarks.victims.victim import Victim

ENGINE = "textattack"


def attack_all(
    victim: Victim,
    examples: Sequence[Example],
    recipe: Recipe,
    resources: Resources,
    *,
    seed: int,
    columns: Sequence[str],
) -> Iterator[Outcome]:
    """Attack each example and yield its outcome, in order; a failed attack is an outcome too.

    An attack also fails if it takes more than `TEXT_SECONDS` of processor time.

    Args:
        seed: together with the recipe and the example's id it decides all random draws.
        columns: names of the text columns, for the recipes' column rules.
    Raises:
        UserError: if the resources lack something the recipe needs, or TextAttack has no such search.
        MachineError: if TextAttack cannot be imported.
    """
    require_known_search(recipe)
    resources.check(recipe)
    import_textattack()
    from benchmarks.attacks.textattack_parts import build_attack

    attack = build_attack(recipe, resources, victim)
    for example in examples:
        yield attack_one(attack, example, seed=seed, recipe=recipe, columns=columns)


def require_known_search(recipe: Recipe) -> None:
    """Raise an error for a search that TextAttack's own loop does not have.

    Raises:
        UserError: naming the recipe.
    """
    if recipe.stages:
        raise UserError(f"TextAttack's own loop makes one attack, and {recipe.key!r} is several; leave out the engine")
    parts = (recipe.character_edits, recipe.gradients, recipe.queries_per_word, recipe.most_words_changed)
    flags = (recipe.same_tokens, recipe.proposals, recipe.fixed_substitutes)
    search = (recipe.score, recipe.width, recipe.restarts)
    if (
        search != ("probability", 1, 0)
        or parts != (None,) * len(parts)
        or any(flags)
        or recipe.ranking == "weighted_gain"
    ):
        raise UserError(
            f"TextAttack's own loop searches greedily by probability, without restarts and with one query budget for "
            f"all texts, and has not all parts of {recipe.key!r}; leave out the engine, or take another search"
        )


def attack_one(attack: Any, example: Example, *, seed: int, recipe: Recipe, columns: Sequence[str]) -> Outcome:
    """The outcome of TextAttack's `attack` on one example."""
    try:
        with _generators_seeded(example_seed(seed, recipe.base_key, example.id)), processor_limit(TEXT_SECONDS):
            texts = OrderedDict(zip(columns, example.texts, strict=True))
            return _outcome(example, attack.attack(texts, example.label))
    except Exception:
        attack.clear_cache()
        return Outcome(
            example.id, "error", 0, example.label, example.texts, example.texts, 0, 0, error=traceback.format_exc()
        )


@contextmanager
def _generators_seeded(seed: int) -> Iterator[None]:
    """Seed Python's and NumPy's global generators, which TextAttack uses, and restore them afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _outcome(example: Example, result: Any) -> Outcome:
    from textattack.attack_results import SkippedAttackResult, SuccessfulAttackResult

    original, final = result.original_result.attacked_text, result.perturbed_result.attacked_text
    words = len(original.words)
    if isinstance(result, SkippedAttackResult):
        return Outcome(example.id, "skipped", 0, example.label, example.texts, example.texts, words, 0)
    similarity = final.attack_attrs.get("similarity_score")
    return Outcome(
        example_id=example.id,
        status="successful" if isinstance(result, SuccessfulAttackResult) else "failed",
        queries=result.num_queries,
        label=example.label,
        original=example.texts,
        perturbed=(final.tokenizer_input,) if len(example.texts) == 1 else tuple(final.tokenizer_input),
        words=words,
        words_changed=len(original.all_words_diff(final)),
        similarity=None if similarity is None else float(similarity),
    )
