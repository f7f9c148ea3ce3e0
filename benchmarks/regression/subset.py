"""The input of the references: one small training and its attacks, the same on every processor.

Everything starts from whole numbers: the weights are integers over 4096, the texts are generated, the order comes from
a seed. Training and attack run in double precision, without dropout and without fused attention, so that processors
differ only by rounding.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerBase

from baselines.defense import Defense
from baselines.guard import put_guard
from baselines.needs import AdversarialTexts, Need
from baselines.primitives.pruning import kept_of
from baselines.training import StageLog, fit
from baselines.validation import MachineError
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import Resources, offline_resources
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.clock.timing import HostTimer
from benchmarks.data.batches import BucketedBatches
from benchmarks.data.demo_corpus import synonym_groups
from benchmarks.data.examples import Dataset, Example
from benchmarks.data.loading import load
from benchmarks.data.tasks import find_task
from benchmarks.experiments.experiment import FIRST_SEED, Variant
from benchmarks.experiments.presets import ALL_RECIPES, DEMO
from benchmarks.jobs.adversarial_texts import adversarial_examples, base_defense, drawn_texts, training_recipe
from benchmarks.jobs.batches import text_batches
from benchmarks.jobs.context import ATTACK_SEED
from benchmarks.results.metrics import joining
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.guarded import judge, victim_of
from benchmarks.victims.saved import save_classifier
from benchmarks.victims.victim import Victim

TRAIN_TEXTS, TEST_TEXTS, ATTACKED, BATCH_SIZE, MAX_LENGTH = 600, 100, 12, 16, 64
SETTINGS = {"epochs": 4, "learning_rate": 1e-3}  # for all defenses, on top of the demo preset: weights are untrained
OFFLINE_RECIPES = tuple(map(find_recipe, ALL_RECIPES))

# Each weight is multiplied by 1 + NUDGE or 1 - NUDGE. Another processor or number of threads changes a fine-tuned
# model's logits by about 1e-15; this changes them by 1e-5.
NUDGE = 1e-6


@dataclass(frozen=True)
class Observation:
    """The results of one defense on the subset.

    Attributes:
        settings: its hyperparameters and conditions, as plain JSON values.
        counters: exact numbers by name: passes, updates and trained parameters of each stage; FLOPs of the whole
            training, parameters and kept structures of the model.
        examples: by name, the class each test text is read as, and each attack's status, queries and final text.
        seconds: median seconds of an update, by stage.
    """

    settings: dict[str, Any]
    counters: dict[str, dict[str, Any]]
    examples: dict[str, dict[str, Any]]
    seconds: dict[str, float]


def defense_on_subset(name: str) -> Defense:
    """The defense called `name`, or defined in the file `name`, with the subset's settings.

    Raises:
        UserError: for an unknown one.
    """
    return Variant(name, name, name, SETTINGS).defense_for(DEMO, "demo", FIRST_SEED)


def observe(
    defense: Defense, *, nudge: int | None = None, recipes: tuple[Recipe, ...] = OFFLINE_RECIPES
) -> Observation:
    """Train and attack.

    Args:
        nudge: seed of the signs for nudging all weights, also the sentence encoder's; None leaves them exact.
    Raises:
        RuntimeError: if the loss diverges or an attack fails.
    """
    torch.set_num_threads(1)  # the fastest and least noisy for so small a model
    task, minilm = find_task("demo"), find_backbone("minilm")
    tokenizer = minilm.load_tokenizer()
    data = load(task, train_limit=TRAIN_TEXTS, test_limit=TEST_TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(exact_classifier(tokenizer), Path(folder), tokenizer)
        encoder = MeanPooledEncoder(find_backbone(folder))
        encoder.model.double()
        encoder.encode(["loaded"])  # while the folder exists
    if nudge is not None:
        _nudge_(encoder.model, nudge)
    resources = replace(offline_resources(), encoder=encoder, synonyms=NeighbourList.from_groups(synonym_groups()))
    timer = HostTimer()

    def fresh() -> BertForSequenceClassification:
        model = exact_classifier(tokenizer).double()
        if nudge is not None:
            _nudge_(model, nudge)
        return model

    with sdpa_kernel(SDPBackend.MATH):
        train = list(data.train)
        if (wanted := defense.need(AdversarialTexts)) is not None:
            train += _adversarial(defense, wanted, fresh(), tokenizer, data, resources)
        batches = _batches(tokenizer, train, defense.needs, resources)
        model = fresh()
        torch.manual_seed(FIRST_SEED)
        with FlopCounterMode(display=False) as flops:
            logs = fit(defense, model, batches, timer=timer)
        put_guard(model, defense.guard(model))
        victim = victim_of(model, tokenizer, max_length=MAX_LENGTH)
        examples = _read(victim, data) | _attacked(victim, data, recipes, resources)
    return Observation(
        settings=_plain(
            {**defense.settings(), "data": data.fingerprint, "attacks": [recipe.identity() for recipe in recipes]}
        ),
        counters={**_stage_counters(logs), "model": _model_counters(model, flops.get_total_flops())},
        examples=examples,
        seconds={log.name: statistics.median(timer.series[log.name]) for log in logs},
    )


def exact_classifier(tokenizer: PreTrainedTokenizerBase) -> BertForSequenceClassification:
    """A two-layer BERT with weights that are integers over 4096 and biases of zero.

    The vectors of synonyms lie near each other, as after pre-training.
    """
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=MAX_LENGTH,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.from_numpy(draw.integers(-255, 256, tuple(parameter.shape)) / 4096))
        words, known = model.get_input_embeddings().weight, tokenizer.get_vocab()
        for group in synonym_groups():
            ids = [known[word] for word in group if word in known]
            words[ids] = words[ids] / 4 + words[ids[0]]
    return model


def _batches(
    tokenizer: PreTrainedTokenizerBase, train: Sequence[Example], needs: Set[Need], resources: Resources
) -> BucketedBatches:
    """The texts in batches, with what a defense needs besides tokens."""
    return text_batches(tokenizer, train, MAX_LENGTH, BATCH_SIZE, FIRST_SEED, needs=needs, resources=resources)


def _adversarial(
    defense: Defense,
    wanted: AdversarialTexts,
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    data: Dataset,
    resources: Resources,
) -> list[Example]:
    """Attacked versions of training texts, made against this model after fine-tuning."""
    torch.manual_seed(FIRST_SEED)
    fit(base_defense(defense), model, _batches(tokenizer, data.train, frozenset(), resources))
    outcomes = attack_all(
        Victim(model, tokenizer, max_length=MAX_LENGTH),
        drawn_texts(data.train, wanted, FIRST_SEED),
        training_recipe(wanted),
        resources,
        seed=ATTACK_SEED,
        columns=data.columns,
    )
    return adversarial_examples(joining(list(outcomes), wanted.added))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Convert the values to plain JSON values."""
    return json.loads(json.dumps(values))


def _nudge_(model: nn.Module, seed: int) -> None:
    draw = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            signs = torch.from_numpy(draw.choice((-1.0, 1.0), tuple(parameter.shape)))
            parameter.mul_(1 + NUDGE * signs)


def _read(victim: Victim, data: Dataset) -> dict[str, dict[str, Any]]:
    classes = judge(victim, [example.texts for example in data.test]).decided
    return {example.id: {"read_as": int(found)} for example, found in zip(data.test, classes, strict=True)}


def _attacked(
    victim: Victim, data: Dataset, recipes: tuple[Recipe, ...], resources: Resources
) -> dict[str, dict[str, Any]]:
    found = {}
    for recipe in recipes:
        chosen = data.test[:ATTACKED]
        for outcome in attack_all(victim, chosen, recipe, resources, seed=ATTACK_SEED, columns=data.columns):
            name = f"{outcome.example_id} under {recipe.title}"
            if outcome.error is not None:
                raise MachineError(f"the attack on {name} failed: {outcome.error.strip().splitlines()[-1]}")
            text = "\n".join(outcome.perturbed)
            found[name] = {"status": outcome.status, "queries": outcome.queries, "text": text}
    return found


def _stage_counters(logs: list[StageLog]) -> dict[str, dict[str, Any]]:
    return {
        f"stage {log.name}": {
            "updates": log.updates,
            "n_forward": log.passes.forward,
            "n_backward_full": log.passes.backward_full,
            "n_backward_input": log.passes.backward_input,
            "parameters": log.parameters,
        }
        for log in logs
    }


def _model_counters(model: nn.Module, flops: int) -> dict[str, Any]:
    kept = kept_of(model)
    return {
        "training_flops": flops,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "kept_heads": kept.heads,
        "kept_neurons": kept.neurons,
    }
