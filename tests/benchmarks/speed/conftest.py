"""A run small enough for a test, on a two-layer random BERT over MiniLM's words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.runs.options import Options
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier


@pytest.fixture
def tiny_setup(tmp_path: Path) -> Options:
    """The demo preset on a tiny backbone: 40 texts, 3 attacked."""
    folder = tmp_path / "backbone"
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, initializer_range=0.1
    )
    save_classifier(BertForSequenceClassification(config), folder, find_backbone("minilm").load_tokenizer())
    sizes = {"train_texts": 40, "test_texts": 20, "attacked": 3, "threads": 1}
    return Options(preset="demo", backbone=str(folder), out=tmp_path / "out", **sizes)
