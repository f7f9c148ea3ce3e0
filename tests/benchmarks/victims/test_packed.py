"""Inputs of many lengths in one pass: what the model answers to each alone, in any company."""

from __future__ import annotations

import pytest
import torch
from encoders import KINDS, make
from torch import nn

from baselines.primitives.pruning import Ticket, prune_
from benchmarks.contract.small import small_bert
from benchmarks.victims.batch_invariant import batch_invariant
from benchmarks.victims.packed import packed_logits, packed_means
from benchmarks.victims.pieces import Row

LENGTHS = (5, 12, 3, 5, 30, 12, 4)


def inputs(*, segments: bool) -> list[Row]:
    """Texts of `LENGTHS` tokens; with segments, of two."""
    generator = torch.Generator().manual_seed(1)
    ids = [tuple(torch.randint(20, 100, (length,), generator=generator).tolist()) for length in LENGTHS]
    return [Row(each, tuple(int(place > 2) for place in range(len(each))) if segments else ()) for each in ids]


def alone(model: nn.Module, row: Row) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (C,) and mean of the last hidden states (H,), as transformers computes them."""
    given = {"input_ids": torch.tensor([row.ids])}
    if row.type_ids:
        given["token_type_ids"] = torch.tensor([row.type_ids])
    return model(**given).logits[0], model.base_model(**given).last_hidden_state[0].mean(dim=0)


def pruned() -> nn.Module:
    """A classifier that lost heads, and in one layer all neurons."""
    model = small_bert(layers=2).eval()
    heads, neurons = torch.ones(2, 4, dtype=torch.bool), torch.ones(2, 64, dtype=torch.bool)
    heads[0, 1:] = heads[1, 0] = neurons[0] = neurons[1, ::2] = False
    prune_(model, Ticket(heads, neurons))
    return model


def with_distances() -> nn.Module:
    """A classifier with relative positions."""
    model = small_bert(layers=2)
    model.config.position_embedding_type = "relative_key"
    torch.manual_seed(0)
    return type(model)(model.config).eval()


def decoder() -> nn.Module:
    """A classifier whose tokens look back alone."""
    model = small_bert(layers=2)
    model.config.is_decoder = True
    torch.manual_seed(0)
    return type(model)(model.config).eval()


MODELS = {
    **{kind: (lambda kind=kind: make(kind)) for kind in KINDS},
    "pruned": pruned,
    "relative positions": with_distances,
    "decoder": decoder,
}


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_each_input_is_answered_as_if_alone(name) -> None:
    model = MODELS[name]()
    rows = inputs(segments=name in ("bert", "electra", "albert", "pruned"))
    logits, means = packed_logits(model, rows), packed_means(model, rows)
    assert logits.shape == (7, 2) and means.shape == (7, 32)
    for row, found, mean in zip(rows, logits, means, strict=True):
        expected, expected_mean = alone(model, row)
        assert torch.allclose(found, expected, atol=1e-6)
        assert torch.allclose(mean, expected_mean, atol=2e-6)
    assert (logits[0] - logits[1]).abs().max() > 1e-4  # answers that do tell inputs apart


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_an_answer_does_not_depend_on_its_company(kind) -> None:
    model, rows = make(kind), inputs(segments=False)
    with batch_invariant(model):
        logits, means = packed_logits(model, rows), packed_means(model, rows)
        for place, row in enumerate(rows):
            assert torch.equal(packed_logits(model, [row])[0], logits[place])
            assert torch.equal(packed_means(model, [row, *rows[:2]])[0], means[place])
