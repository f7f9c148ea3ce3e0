"""Inputs in which words are mixtures of words: a victim's margins on them, and the margins' gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.victims.pieces import Row


@dataclass(frozen=True)
class Mixture:
    """An input in G samples; some of its words are mixtures of candidates.

    Attributes:
        row: the input with the words as they are.
        positions: for each mixed word, the P positions of its tokens; no position belongs to two words.
        choices: for each, the token ids (U, P) of its candidates.
        weights: for each, the weights (G, U) of its candidates, float32.
        label: the gold label.
    """

    row: Row
    positions: Sequence[Sequence[int]]
    choices: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]
    label: int


@dataclass(frozen=True)
class Margins:
    """A victim's answer about a mixture.

    Attributes:
        scores: margins (G,) of another label's logit over that of the gold label.
        gradients: for each mixed word, the gradients (G, U) of the margins with respect to its weights.
    """

    scores: np.ndarray
    gradients: Sequence[np.ndarray]


@runtime_checkable
class WhiteBox(Protocol):
    """A victim that gives gradients."""

    def rows(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        """The tokens of N texts."""

    def margins(self, mixture: Mixture) -> Margins:
        """Margins on a mixture, and their gradients."""


def margins_of(model: nn.Module, mixture: Mixture, order: Sequence[int] | None, device: str) -> Margins:
    """Margins and their gradients; the samples are passed together and alone, so that no other text matters.

    Args:
        order: (C,) which of the model's classes is class 0, class 1, ... ; its own order when None.
    """
    embed = model.get_input_embeddings()
    samples = len(mixture.weights[0])
    weights = [torch.from_numpy(each).to(device).requires_grad_() for each in mixture.weights]
    with torch.no_grad():
        inputs = embed(torch.tensor(mixture.row.ids, device=device))  # (L, H)
        tables = [embed(torch.from_numpy(each).to(device)) for each in mixture.choices]  # (U, P, H)
    whole = inputs.expand(samples, *inputs.shape).clone()  # (G, L, H)
    for places, table, weight in zip(mixture.positions, tables, weights, strict=True):
        whole[:, list(places)] = torch.einsum("gu,uph->gph", weight, table)
    more = {}
    if mixture.row.type_ids:
        more["token_type_ids"] = torch.tensor(mixture.row.type_ids, device=device).expand(samples, -1)
    mask = torch.ones(whole.shape[:2], dtype=torch.long, device=device)
    logits = model(inputs_embeds=whole, attention_mask=mask, return_dict=True, **more).logits
    scores = _margins((logits if order is None else logits[:, list(order)]).double(), mixture.label)
    gradients = torch.autograd.grad(scores.sum(), weights)
    return Margins(scores.detach().cpu().numpy(), [each.cpu().numpy() for each in gradients])


def _margins(logits: Tensor, label: int) -> Tensor:
    others = logits.clone()
    others[:, label] = -torch.inf
    return others.max(dim=1).values - logits[:, label]
