"""Attack some texts of a stored attack again with the stored weights, to check its outcomes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from baselines.threads import cpu_threads
from baselines.validation import UserError
from benchmarks.attacks.engine import ENGINE, attack_all
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import Resources
from benchmarks.data.examples import Example
from benchmarks.data.tasks import find_task
from benchmarks.jobs.stored_models import load_stored
from benchmarks.results.records import AttackRecord, Outcome
from benchmarks.results.store import Store, differences
from benchmarks.victims.victim import Victim


def attack_again(store: Store, record: AttackRecord, ids: Collection[str], resources: Resources) -> list[Outcome]:
    """New outcomes of some of the attack's texts; nothing is stored.

    Raises:
        UserError: for a recipe or resources other than those of the record, or a task of a user's own.
        MachineError: if the weights are missing, or were changed after training.
    """
    training = store.training(record.training_key)
    assert training is not None, "verify names an attack without its training"
    recipe, task = find_recipe(record.recipe), find_task(record.task)
    now: dict[str, Any] = {"recipe": recipe.identity(), "resources": resources.identity(recipe), "engine": ENGINE}
    changed = next(differences({name: record.identity.get(name) for name in now}, now), None)
    if changed is not None:
        raise UserError(
            f"{record.recipe_title} on {record.defense}, seed {record.seed} cannot be attacked again with these "
            f"resources: {changed}; give those of the run with --synonyms, --nltk-data or --assets"
        )
    examples = [Example(each.example_id, each.original, each.label) for each in store.outcomes(record.key)]
    chosen = [example for example in examples if example.id in ids]
    model, tokenizer = load_stored(store, training)
    longest = record.identity.get("max_length") or training.identity["max_length"]
    victim = Victim(model, tokenizer, max_length=longest, device="cpu")
    how: dict[str, Any] = {"seed": record.identity["seed"], "columns": task.columns}
    with cpu_threads(1):
        return list(attack_all(victim, chosen, recipe, resources, **how))
