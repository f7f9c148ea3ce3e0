"""The speed suite under pytest-benchmark: a step of every stage of every defense, pruned and dense, and the attacks.

Weights and tokens are random and nothing is downloaded. `extra_info` holds the exact counters of one round, which do
not depend on the machine; the times do. `pytest benchmarks/speed --shape bert_base` measures BERT-base's shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import offline_resources
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.clock.cost import EncoderShape
from benchmarks.data.demo_corpus import generate
from benchmarks.data.generated_needs import with_needs
from benchmarks.data.tasks import find_task
from benchmarks.experiments.defenses import known_defenses
from benchmarks.experiments.presets import ALL_RECIPES
from benchmarks.jobs.attack import ATTACK_SEED
from benchmarks.speed.stages import exact_counters, open_stage, stage_names, step_and_clear
from benchmarks.speed.step_speed import pruned_, random_batch, random_bert
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier
from benchmarks.victims.victim import Victim

ATTACKED = 8


@dataclass(frozen=True)
class Size:
    """The size of the measured steps.

    Attributes:
        shape: of the encoder.
        texts, tokens: B and L of the batch.
        rounds: timed steps, after one of warm-up.
    """

    shape: EncoderShape
    texts: int
    tokens: int
    rounds: int


SIZES = {
    "tiny": Size(EncoderShape(layers=2, hidden=96, heads=6, neurons=384), texts=8, tokens=32, rounds=20),
    "bert_base": Size(EncoderShape(), texts=8, tokens=128, rounds=5),
}


@cache
def steps_of_defenses() -> list[tuple[str, str]]:
    """Every stage of every registered defense: key and stage."""
    return [(key, stage) for key, defense in known_defenses().items() for stage in stage_names(defense())]


@pytest.mark.parametrize(("key", "stage"), steps_of_defenses())
def test_step(benchmark: Any, size: Size, key: str, stage: str) -> None:
    """One step, from a batch to the gradients, with the defense's defaults; the optimiser is the same for all."""
    defense = known_defenses()[key]()
    model, batch = _model_and_batch(size)
    batch = with_needs(batch, defense.needs, vocabulary=model.config.vocab_size)
    opened = open_stage(defense, stage, model, batch)
    benchmark.group = "step"
    benchmark.extra_info.update(
        exact_counters(model, opened.parameters, lambda: step_and_clear(opened, batch)), defense=key, stage=stage
    )
    benchmark.pedantic(step_and_clear, (opened, batch), warmup_rounds=1, rounds=size.rounds)


@pytest.mark.parametrize("kind", ["dense", "pruned"])
def test_forward_and_backward(benchmark: Any, size: Size, kind: str) -> None:
    """Plain fine-tuning's passes with all structures, and without a sixth of the heads and 30 % of the neurons."""
    model, batch = _model_and_batch(size)
    if kind == "pruned":
        pruned_(model)

    def passes() -> None:
        cross_entropy(model(**batch.inputs()).logits, batch.labels).backward()
        model.zero_grad()

    benchmark.group = "pruned against dense"
    benchmark.extra_info.update(exact_counters(model, list(model.parameters()), passes))
    benchmark.pedantic(passes, warmup_rounds=1, rounds=size.rounds)


@pytest.mark.parametrize("key", ALL_RECIPES)
def test_attack(benchmark: Any, size: Size, key: str, tmp_path: Path) -> None:
    """Eight generated texts attacked together; victim and sentence encoder are random and cache nothing."""
    minilm, task = find_backbone("minilm"), find_task("demo")
    tokenizer = minilm.load_tokenizer()
    model = random_bert(size.shape)
    save_classifier(model, tmp_path, tokenizer)
    backbone, resources = find_backbone(str(tmp_path)), offline_resources()
    texts = generate(1, ATTACKED)[1]
    gold = Victim(model, tokenizer, max_length=task.max_length)([each.texts for each in texts]).argmax(axis=1)
    texts = [replace(each, label=int(label)) for each, label in zip(texts, gold, strict=True)]  # none is skipped
    outcomes: list[Any] = []

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        encoder = MeanPooledEncoder(backbone)
        encoder.encode(["loaded"])
        victim = Victim(model, tokenizer, max_length=task.max_length)
        return (victim, texts, find_recipe(key), replace(resources, encoder=encoder)), {}

    def attack(*parts: Any) -> None:
        outcomes[:] = attack_all(*parts, seed=ATTACK_SEED, columns=task.columns)

    benchmark.group = "attack"
    benchmark.pedantic(attack, setup=fresh, warmup_rounds=1, rounds=3)
    benchmark.extra_info.update(
        texts=len(texts),
        queries=sum(outcome.queries for outcome in outcomes),
        successes=sum(outcome.status == "successful" for outcome in outcomes),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )
    assert not [outcome.error for outcome in outcomes if outcome.error]


def _model_and_batch(size: Size) -> tuple[nn.Module, Any]:
    model = random_bert(size.shape)
    model.train()
    torch.manual_seed(0)
    return model, random_batch(size.texts, size.tokens, model.config.vocab_size)
