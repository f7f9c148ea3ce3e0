"""A run small enough for a test: a two-layer random BERT over MiniLM's words, the generated corpus, one thread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.runs.options import Options
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory) -> Path:
    """The folder of a two-layer BERT with a real tokenizer."""
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, initializer_range=0.1
    )
    save_classifier(BertForSequenceClassification(config), folder, find_backbone("minilm").load_tokenizer())
    return folder


@pytest.fixture
def options(tiny_backbone, tmp_path) -> Options:
    """The demo preset on the tiny backbone: 40 texts, 3 attacked."""
    return Options(
        preset="demo",
        backbone=str(tiny_backbone),
        out=tmp_path / "out",
        train_texts=40,
        test_texts=20,
        attacked=3,
        threads=1,
    )
