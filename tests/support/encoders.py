"""Tiny random classifiers of every supported architecture: two layers, 4 heads of width 8, 64 neurons."""

from __future__ import annotations

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
KINDS = ("bert", "roberta", "electra", "distilbert")


def make(kind: str, attention: str | None = None) -> nn.Module:
    """A random model in eval mode, with fused attention where the architecture has it and none is asked for."""
    torch.manual_seed(0)
    common = {"vocab_size": 100, "max_position_embeddings": 40, "num_labels": 2, "attn_implementation": attention}
    if kind == "distilbert":
        config = DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, **common)
        return DistilBertForSequenceClassification(config).eval()
    pairs = {
        "bert": (BertConfig, BertForSequenceClassification, {}),
        "roberta": (RobertaConfig, RobertaForSequenceClassification, {"pad_token_id": 1}),
        "electra": (ElectraConfig, ElectraForSequenceClassification, {"embedding_size": 16}),
    }
    config_type, model_type, more = pairs[kind]
    return model_type(config_type(**common, **SIZES, **more)).eval()


def logits(model: nn.Module, batch) -> torch.Tensor:
    """Clean logits, without segments, which DistilBERT has not."""
    with torch.no_grad():
        return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
