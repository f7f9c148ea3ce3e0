"""The engine against TextAttack on real texts and a trained victim: minutes long, run with `-m slow`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from demo_jobs import context_of, job_of
from transformers import BertForMaskedLM

from benchmarks.attacks import reference
from benchmarks.attacks.engine import attack_all
from benchmarks.attacks.masked_model import MaskedModel
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.examples import Example
from benchmarks.experiments.options import Options
from benchmarks.jobs.context import ATTACK_SEED
from benchmarks.jobs.train import train
from benchmarks.speed.bench import _of_length
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import load_classifier

pytestmark = pytest.mark.slow

WORDS = {"imdb": (150, 250)}
# Of a longer word TextAttack 0.3.11 tries every combination of substitutes for its pieces, of three pieces 48 ** 3.
MOST_PIECES = 2
SIZES = [
    ("sst2", "textfooler", 200),
    ("sst2", "bertattack_official", 200),
    ("sst2", "textbugger", 100),
    ("sst2", "bertattack", 50),
    *(("sst2", recipe, 50) for recipe in ("pwws", "deepwordbug", "bae", "a2t")),
    *(
        (task, recipe, 30)
        for task in ("ag_news", "qnli", "imdb")
        for recipe in ("textfooler", "bertattack_official", "textbugger")
    ),
]


@pytest.fixture(scope="session")
def masked_model(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    """MiniLM's word vectors and first two layers under a random masked-language-model head."""
    folder = tmp_path_factory.mktemp("masked")
    minilm = find_backbone("minilm")
    torch.manual_seed(0)
    BertForMaskedLM.from_pretrained(minilm.source, num_hidden_layers=2).save_pretrained(folder)
    minilm.load_tokenizer().save_pretrained(folder)
    return MaskedModel(find_backbone(str(folder)))


@pytest.fixture(scope="session")
def trained(shared_data: Path, shared_resources: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """A task's context and a victim fine-tuned on 400 of its texts."""
    out = tmp_path_factory.mktemp("agreement")
    known: dict = {}

    def victim_for(name: str):
        if name not in known:
            options = Options(
                preset="small",
                data=shared_data,
                tasks=name,
                out=out,
                train_texts=400,
                device="cpu",
                nltk_data=shared_resources / "nltk_data",
            )
            context = context_of(options)
            job = job_of(context)
            train(context, job)
            model = load_classifier(context.store.model_folder(job.key))
            known[name] = context.tasks[name], context.victim(name, model)
        return known[name]

    return victim_for


def longest_word(model: MaskedModel, example: Example) -> int:
    """Pieces of the word of a text that has most."""
    return max(model.piece_count(word) for text in example.texts for word in text.split())


@pytest.mark.parametrize(("task", "recipe", "count"), SIZES)
def test_status_final_text_and_queries_are_textattacks(
    trained, masked_model, task: str, recipe: str, count: int
) -> None:
    context, victim = trained(task)
    resources = replace(context.resources, masked_model=masked_model)
    examples = _of_length(context.dataset.test, WORDS.get(task))
    if recipe == "bertattack":
        examples = [each for each in examples if longest_word(masked_model, each) <= MOST_PIECES]
    examples = examples[:count]
    assert len(examples) == count
    given = {"seed": ATTACK_SEED, "columns": context.dataset.columns}
    attack = find_recipe(recipe)
    mine = {each.example_id: each for each in attack_all(victim, examples, attack, resources, **given)}
    different = []
    for theirs in reference.attack_all(victim, examples, attack, resources, **given):
        if theirs != mine[theirs.example_id]:
            different.append(f"{theirs}\n{mine[theirs.example_id]}")
    print(f"{task}, {recipe}: {count - len(different)} of {count} agree")
    assert not different, "\n".join(different)
