"""TAVAT: FreeLB with a second perturbation that belongs to the words and is remembered in a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.primitives.perturbation import SMALLEST_NORM, Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class TAVAT(Defense, key="tavat"):
    """Minimise the loss over K points of an ascent in two perturbations: delta of the text and eta of its words.

    A table holds a perturbation for each word of the vocabulary. It starts the eta of every batch and takes it back
    at the end. Both perturbations move along one gradient, since they enter the text as a sum.

    Attributes:
        ascent: K `steps` are loss evaluations per update; both perturbations move K - 1 times. Per text, delta takes
            steps of `step_size`; per word, eta does. `max_norm` bounds their sum per text.
        row_norm: how the table's rows are scaled when a batch takes them: by one number, the norm of all rows of the
            "batch", or each by its own norm ("token").
        store: whether a batch's eta is added to the table's rows ("add") or takes their place ("replace"). Of a word
            that occurs several times, the sum is added, and the mean replaces.
        averaged: whether the K gradients are averaged, as in FreeLB, or summed.
        dropout: "shared" masks over the K passes, or "fresh" ones, as in the release.

    Source: Li and Qiu, AAAI 2021; LinyangLee/Token-Aware-VAT, token_vat.py, with its values for SST-2, QNLI and QQP.
    The release scales by batch, adds and sums; `TAVAT.released()` has its dropout, too. The other forms follow the
    paper's idea of perturbations per token, and were not checked against its text.
    Departures: padding has no perturbation; in the release it has one, counts in the batch's norm, and is added to
    the table's row for padding.
    """

    title = "TAVAT"
    paper = "Li and Qiu, AAAI 2021, arXiv:2004.14543"
    task_settings = {
        "qnli": {"step_size": 0.02, "init_magnitude": 0.1, "max_norm": 0.3},
        "qqp": {"step_size": 0.2, "init_magnitude": 0.32, "max_norm": 0.7},
    }

    ascent: Ascent = inlined(Ascent(steps=2, step_size=0.05, init_magnitude=0.2, max_norm=0.5))
    row_norm: Literal["batch", "token"] = "batch"
    store: Literal["add", "replace"] = "add"
    averaged: bool = False
    dropout: DropoutMode = "shared"

    @classmethod
    def released(cls, **changes: Any) -> TAVAT:
        """The settings of the release."""
        return cls(**{"dropout": "fresh", **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "TAVAT.steps", "1 or more", self.ascent.steps)
        require(self.ascent.norm == "l2", "TAVAT.norm", "'l2'", self.ascent.norm)
        require(self.ascent.unit == "text", "TAVAT.unit", "'text'", self.ascent.unit)

    def update_passes(self) -> Passes:
        """K forward and K full backward passes."""
        return Passes(self.ascent.steps, self.ascent.steps, 0)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage; the table is then discarded."""
        scaled = replace(self, ascent=self.ascent.scaled_to(model))
        table = _Table(model, scaled.ascent.init_magnitude)
        yield self.stage(
            "train",
            lambda batch: scaled.objective(model, batch, table),
            list(model.parameters()),
            state=(table,),
            not_capturable_reason="its step changes a table of perturbations",
        )

    def objective(self, model: nn.Module, batch: Batch, table: _Table) -> Tensor:
        """K forward and K full backward passes: 3K cost units, 6 at K = 2."""
        mask = batch.attention_mask
        delta = self.ascent.start(embed(model, batch).detach(), mask)
        eta = self.scaled(table.rows(batch))
        replay = DropoutReplay(self.dropout, delta.device)
        total = delta.new_zeros(())
        for number in range(self.ascent.steps):
            both = (delta + eta).requires_grad_()
            replay.rewind()
            logits = forward(model, embed(model, batch) + both, batch).logits
            loss = cross_entropy(logits, batch.labels) / (self.ascent.steps if self.averaged else 1)
            loss.backward()
            total = total + loss.detach()
            if number < self.ascent.steps - 1:
                delta, eta = self.climb(delta, eta, both.grad, mask)  # type: ignore[arg-type]
        table.store(batch, eta, self.store)
        return total

    def scaled(self, rows: Tensor) -> Tensor:
        """The first eta, from the table's rows, both (B, L, D)."""
        size = rows.norm() if self.row_norm == "batch" else rows.norm(dim=-1, keepdim=True)
        return rows / size.clamp(min=SMALLEST_NORM)

    def climb(self, delta: Tensor, eta: Tensor, grad: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The next perturbations, all (B, L, D): a step, a scaling of the words by their share, a projection."""
        free = replace(self.ascent, max_norm=None)
        delta = free.climb(delta, grad, mask)
        eta = replace(free, unit="token").climb(eta, grad, mask)
        sizes = eta.norm(dim=-1, keepdim=True)  # (B, L, 1)
        eta = eta * sizes / sizes.amax(dim=1, keepdim=True).clamp(min=SMALLEST_NORM)
        if self.ascent.max_norm is None:
            return delta, eta
        length = (delta + eta).flatten(1).norm(dim=1).clamp(min=SMALLEST_NORM)  # (B,)
        share = (self.ascent.max_norm / length).clamp(max=1).view(-1, 1, 1)
        return delta * share, eta * share


class _Table:
    """A perturbation for each word of the vocabulary, (V, D)."""

    def __init__(self, model: nn.Module, init_magnitude: float):
        weight = model.get_input_embeddings().weight.detach()  # type: ignore[operator,union-attr]
        noise = torch.empty_like(weight, dtype=torch.float32).uniform_(-1, 1)
        self.values = noise * init_magnitude / weight.shape[1] ** 0.5

    def rows(self, batch: Batch) -> Tensor:
        """The rows of a batch's words, (B, L, D), zero on padding."""
        return self.values[batch.input_ids] * batch.attention_mask.unsqueeze(-1)

    def store(self, batch: Batch, eta: Tensor, how: Literal["add", "replace"]) -> None:
        """Add the words' eta, (B, L, D), to their rows, or put its mean in their place."""
        words, eta = batch.input_ids.flatten(), eta.detach().flatten(0, 1)
        if how == "replace":
            counts = torch.zeros_like(self.values[:, 0]).index_add_(0, words, torch.ones_like(eta[:, 0]))
            eta = eta / counts[words].unsqueeze(-1)
            self.values.index_fill_(0, words, 0.0)
        self.values.index_add_(0, words, eta)

    def state(self) -> dict[str, Tensor]:
        """The table."""
        return {"values": self.values}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the table."""
        self.values.copy_(state["values"])
