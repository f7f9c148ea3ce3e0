"""RSMI: noise in the hidden states, and masks on the tokens with the largest gradient, in training and in answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.guard import MOST_COPIES, Channel, Guard, InnerGuard, Question, Reader, fresh_noise
from baselines.needs import Words
from baselines.primitives.encoders import layers_of
from baselines.primitives.perturbation import embed, forward
from baselines.primitives.substitution import dropout_off
from baselines.settings import inlined
from baselines.validation import UserError, require

EVERY = 3  # noise is added behind the layers 0, 3, 6, 9
SHORT = 10  # texts of at most so many tokens have one salient token
SALIENT = 5


@dataclass(frozen=True, kw_only=True)
class SaliencyMasking(InnerGuard, key="rsmi"):
    """Answer by noisy passes with salient tokens masked: a few, and many if the few do not agree.

    A token is salient by the norm of the gradient of the loss towards the model's own answer.

    Attributes:
        noise_std: standard deviation of the noise behind every third layer, from the first on.
        masks: salient tokens that are masked, 0 to 5.
        votes: passes of the first step, which mask the most salient tokens.
        ensemble: passes of the second step, which mask tokens drawn from the salient ones, with replacement.
        confidence: the first step decides if its leading votes are at the binomial distribution's quantile of this
            level, or above; with five votes and 0.98 that is if all agree.
    """

    noise_std: float = 0.2
    masks: int = 2
    votes: int = 5
    ensemble: int = 50
    confidence: float = 0.98

    def __post_init__(self) -> None:
        require(self.noise_std >= 0, "RSMI.noise_std", "0 or more", self.noise_std)
        require(0 <= self.masks <= SALIENT, "RSMI.masks", f"0 to {SALIENT}", self.masks)
        require(1 <= self.votes <= MOST_COPIES, "RSMI.votes", f"1 to {MOST_COPIES}", self.votes)
        require(1 <= self.ensemble <= MOST_COPIES, "RSMI.ensemble", f"1 to {MOST_COPIES}", self.ensemble)
        require(0 < self.confidence <= 1, "RSMI.confidence", "in (0, 1]", self.confidence)

    @property
    def channel(self) -> Channel:
        """The mean logits: where the votes of the first step agree, they give the same class."""
        return "mean"

    @property
    def needs_gradient(self) -> bool:
        """Its masks come from a gradient."""
        return True

    def passes(self) -> float:
        """A forward and an input backward pass, and both steps: the most that an answer costs."""
        return float(2 + self.votes + self.ensemble)

    def without_noise(self) -> SaliencyMasking:
        """One pass without noise and masks."""
        return replace(self, noise_std=0.0, masks=0, votes=1)

    def logits(self, model: nn.Module, questions: Sequence[Question], reader: Reader) -> list[Tensor]:
        """For each text, logits of the first step's passes, or of the second step's."""
        return [self._of_one(model, question, reader) for question in questions]

    def _of_one(self, model: nn.Module, question: Question, reader: Reader) -> Tensor:
        (row,) = reader.rows([question.text])
        device = next(model.parameters()).device
        ids = torch.tensor([row.ids], device=device)
        types = torch.tensor([row.type_ids], device=device) if row.type_ids else None
        batch = Batch(ids, torch.ones_like(ids), torch.zeros(1, dtype=torch.int64, device=device), types)
        salient = self._salient(model, batch, question, reader.special_ids) if self.masks else []
        first = self._passes(model, batch, [salient[: self.masks]] * self.votes, reader, question)
        leading = int(first.argmax(1).bincount().max())
        if binom.cdf(leading, self.votes, 0.5) >= self.confidence or self.votes == 1:
            return first
        drawn = [_drawn(salient, self.masks, question.draw) for _ in range(self.ensemble)]
        return self._passes(model, batch, drawn, reader, question)

    def _salient(self, model: nn.Module, batch: Batch, question: Question, special: frozenset[int]) -> list[int]:
        """Places of the salient tokens, the most salient first; special tokens are struck from the chosen ones."""
        with torch.enable_grad(), noisy_layers(model, self.noise_std, _from(question)):
            embedded = embed(model, batch).detach().requires_grad_()
            logits = forward(model, embedded, batch).logits
            loss = cross_entropy(logits, logits.argmax(1))
            (gradient,) = torch.autograd.grad(loss, embedded)
        tokens = batch.input_ids[0].tolist()
        count = 1 if len(tokens) <= SHORT else SALIENT
        places = gradient[0].norm(dim=1).topk(min(count, len(tokens))).indices.tolist()
        return [place for place in places if tokens[place] not in special]

    def _passes(
        self, model: nn.Module, batch: Batch, masked: Sequence[Sequence[int]], reader: Reader, question: Question
    ) -> Tensor:
        """Logits (n, C) of noisy passes, each with its own masks."""
        ids = batch.input_ids.repeat(len(masked), 1)
        for number, places in enumerate(masked):
            ids[number, list(places)] = reader.mask_id
        types = batch.token_type_ids
        inputs = {} if types is None else {"token_type_ids": types.repeat(len(masked), 1)}
        with noisy_layers(model, self.noise_std, _from(question)):
            return model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits


def _drawn(places: Sequence[int], count: int, draw: np.random.Generator) -> list[int]:
    return [places[number] for number in draw.integers(len(places), size=count)] if places else []


def _from(question: Question) -> Callable[[Tensor], Tensor]:
    """Noise from a question's own draws."""
    return lambda hidden: fresh_noise(question.draw, hidden.shape, hidden.device)


@contextmanager
def noisy_layers(model: nn.Module, noise_std: float, noise: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While entered, noise is added to the output of every third layer, from the first on.

    Args:
        noise: standard normal numbers of the shape of hidden states (B, L, D).
    """

    def noisy(module: nn.Module, arguments: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        changed = hidden + noise_std * noise(hidden)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    chosen = [layer.module for layer in layers_of(model)[::EVERY]] if noise_std > 0 else []
    handles = [module.register_forward_hook(noisy) for module in chosen]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True, kw_only=True)
class RSMI(Defense, key="rsmi"):
    """Train with noise in the hidden states, masks on salient tokens, and the gradient added to the word embeddings.

    Attributes:
        masking: the guard, with the noise and the number of masks in training, too.
        reach: what the gradient is multiplied by before it is added.

    Source: Moon et al., ACL 2023; Han8931/rsmi_nlp: 1e-5 falling to 0, ten epochs, batches of 16.
    Departures: special tokens are never masked in training, and of a pair the second text alone. In the release, one
    short text sets the number of masks to one for all later texts of the process.
    """

    title = "RSMI"
    paper = "Moon et al., ACL 2023"
    needs = frozenset({Words()})
    one_stage = False  # its model answers rightly behind its guard alone
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-5, "warmup_ratio": 0.0}

    masking: SaliencyMasking = inlined(SaliencyMasking())
    reach: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.reach >= 0, "RSMI.reach", "0 or more", self.reach)

    def guard(self, model: nn.Module) -> Guard:
        """Noisy passes with salient tokens masked."""
        return self.masking

    def answer_passes(self) -> float:
        """The most that an answer costs."""
        return self.masking.passes()

    def update_passes(self) -> Passes:
        """A forward and an input backward pass in eval mode, a forward and a full backward pass in train mode."""
        return Passes(2, 1, 1)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss on masked texts that are moved along the gradient: 5 cost units."""
        if batch.words is None or batch.mask_token is None:
            raise UserError("this defense needs batches with words, got one without; put Words() in its needs")
        std = self.masking.noise_std
        embedded = embed(model, batch).detach().requires_grad_()
        with dropout_off(model), noisy_layers(model, std, torch.randn_like):
            loss = cross_entropy(forward(model, embedded, batch).logits, batch.labels)
            (gradient,) = torch.autograd.grad(loss, embedded)
        masked = replace(batch, input_ids=self._masked(batch, gradient))
        with noisy_layers(model, std, torch.randn_like):
            moved = embed(model, masked) + self.reach * gradient
            loss = cross_entropy(forward(model, moved, batch).logits, batch.labels)
        loss.backward()
        return loss.detach()

    def _masked(self, batch: Batch, gradient: Tensor) -> Tensor:
        """Token ids (B, L) with the most salient tokens masked; short texts have one."""
        assert batch.words is not None and batch.mask_token is not None
        saliency = gradient.norm(dim=2).masked_fill(batch.words < 0, -1.0)
        found = saliency.topk(min(self.masking.masks, saliency.shape[1]), dim=1)
        number = torch.arange(found.indices.shape[1], device=saliency.device)
        most = torch.where(batch.attention_mask.sum(1, keepdim=True) <= SHORT, 1, self.masking.masks)
        chosen = (number < most) & (found.values >= 0)
        is_masked = torch.zeros_like(batch.input_ids, dtype=torch.bool).scatter(1, found.indices, chosen)
        return torch.where(is_masked, batch.mask_token, batch.input_ids)
