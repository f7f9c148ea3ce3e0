"""Tiny random classifiers of every supported architecture: two passed layers, 4 heads of width 8, 64 neurons."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from baselines.primitives.encoders import KNOWN_ARCHITECTURES, embedding_width

KINDS = KNOWN_ARCHITECTURES
NEW_KINDS = ("xlm-roberta", "albert", "deberta-v2", "modernbert")
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}

# What an architecture has besides or in place of SIZES.
OWN: dict[str, dict[str, Any]] = {
    "roberta": {"pad_token_id": 1},
    "xlm-roberta": {"pad_token_id": 1},
    "electra": {"embedding_size": 16},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "albert": {"embedding_size": 16},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 8,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
    },
    # One layer of two attends to at most four tokens on either side.
    "modernbert": {"pad_token_id": 0, "local_attention": 8, "global_attn_every_n_layers": 2},
}
DROPOUTS = {
    "distilbert": ("dropout", "attention_dropout", "seq_classif_dropout"),
    "modernbert": ("attention_dropout", "embedding_dropout", "mlp_dropout", "classifier_dropout"),
    "albert": ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"),
}


def configuration(kind: str, dropout: float = 0.1, **settings: Any) -> Any:
    """The configuration of a tiny model; `settings` replace what is usual here."""
    sizes = {} if kind == "distilbert" else SIZES
    drops = dict.fromkeys(DROPOUTS.get(kind, ("hidden_dropout_prob", "attention_probs_dropout_prob")), dropout)
    usual = {"vocab_size": 100, "max_position_embeddings": 40, "num_labels": 2}
    return AutoConfig.for_model(kind, **(usual | sizes | drops | OWN.get(kind, {}) | settings))


def make(kind: str, attention: str | None = None, dropout: float = 0.1, **settings: Any) -> nn.Module:
    """A random model in eval mode, with fused attention where the architecture has it and none is asked for."""
    config = configuration(kind, dropout, **settings)
    options = {} if attention is None else {"attn_implementation": attention}
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config, **options).eval()


def is_narrow(model: nn.Module) -> bool:
    """Whether the word embeddings are narrower than the layers."""
    return embedding_width(model.config) < model.config.hidden_size


def logits(model: nn.Module, batch) -> torch.Tensor:
    """Clean logits, without segments, which some architectures have not."""
    with torch.no_grad():
        return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
