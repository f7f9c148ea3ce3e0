"""Training and the engine work where TextAttack is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from pathlib import Path

import pytest
for name in ("textattack", "flair", "nltk"):
    sys.modules[name] = None

import torch
from transformers import BertConfig, BertForSequenceClassification
from benchmarks.attacks.recipes import find_recipe
from benchmarks.experiments.experiment import FIRST_SEED, methods
from benchmarks.experiments.options import Options
from benchmarks.jobs.attack import attack
from benchmarks.jobs.context import RunSpec
from benchmarks.jobs.resolve import attack_job, train_job
from benchmarks.jobs.train import train
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier

folder = Path(sys.argv[1])
config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
backbone = folder / "backbone"
save_classifier(BertForSequenceClassification(config), backbone, find_backbone("minilm").load_tokenizer())
sizes = {"train_texts": 32, "test_texts": 10, "attacked": 2, "threads": 1}
context = RunSpec(Options(preset="demo", backbone=str(backbone), out=folder / "out", device="cpu", **sizes)).load()
(plain,) = methods(["fine_tune"])
job = train_job(context, "demo", plain.defense_for(context.preset, "demo", FIRST_SEED), FIRST_SEED)
train(context, job)
for recipe in ("textfooler", "textbugger", "bertattack_official"):
    done = attack(context, attack_job(context, job, find_recipe(recipe)))
    assert [outcome.error for outcome in context.store.outcomes(done.key)] == [None, None]
assert not [name for name, module in sys.modules.items() if module and name.startswith(("textattack", "flair", "nltk"))]
print("done")
"""


@pytest.mark.integration
def test_a_model_is_trained_and_attacked_without_textattack(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.stdout.strip() == "done", result.stderr
