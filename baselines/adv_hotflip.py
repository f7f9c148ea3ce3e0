"""Adv-Hotflip: train on clean texts and on copies in which tokens are flipped along the gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.needs import ReplaceableTokens
from baselines.primitives.perturbation import embed, forward
from baselines.validation import UserError, require

ROWS_AT_ONCE = 512  # positions compared with the whole vocabulary in one product; this bounds the memory


@dataclass(frozen=True, kw_only=True)
class AdvHotflip(Defense, key="adv_hotflip"):
    """Flip, in a few rounds, the tokens for which the first-order estimate of the loss rises most.

    The flips do not keep the meaning: any token made of letters may replace any other.

    Attributes:
        rounds: rounds of flips per update; each computes a new gradient.
        share: tokens flipped per round, as a share of a text's tokens, rounded down; in [0, 1].

    Source: Ebrahimi et al., ACL 2018; rounds, share and training on both texts of RockyLzy/TextDefender,
    trainer/hotflip.py.
    Departures: punctuation, digits and special tokens are never flipped, so that all flips fall on words; TextDefender
    may flip special tokens and then undoes those flips. Texts of any length share a batch, each with its own number
    of flips. Clean and flipped texts go through the model in two passes, not in one pass of twice the size.
    """

    title = "Adv-Hotflip"
    paper = "Ebrahimi et al., ACL 2018, arXiv:1712.06751"
    published = {"weight_decay": 1e-6, "warmup_ratio": 0.0}  # TextDefender's; its rate falls by a cosine
    needs = frozenset({ReplaceableTokens()})

    rounds: int = 5
    share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rounds >= 0, "AdvHotflip.rounds", "0 or more", self.rounds)
        require(0 <= self.share <= 1, "AdvHotflip.share", "in [0, 1]", self.share)

    def update_passes(self) -> Passes:
        """Passes per update, as in `step`."""
        return Passes(self.rounds + 2, 2, self.rounds)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """With R rounds R + 2 forward, R input and 2 full backward passes: 2 R + 6 units, 16 at R = 5."""
        flipped = batch
        for _ in range(self.rounds):
            flipped = self.flip(model, flipped)
        total = torch.zeros((), device=batch.labels.device)
        for texts in (batch, flipped):
            loss = cross_entropy(model(**texts.inputs()).logits, texts.labels) / 2
            loss.backward()
            total = total + loss.detach()
        return total

    def flip(self, model: nn.Module, batch: Batch) -> Batch:
        """Apply one round of flips to the batch.

        Raises:
            UserError: if the batch does not say which tokens are replaceable.
        """
        allowed = batch.replaceable
        if allowed is None:
            raise UserError("Adv-Hotflip needs batches that name the replaceable tokens, got one without")
        words = embed(model, batch).detach().requires_grad_()
        loss = cross_entropy(forward(model, words, batch).logits, batch.labels)
        grad = torch.autograd.grad(loss, words)[0]
        gains, tokens = best_flips(grad, words.detach(), self._vocabulary(model, allowed), allowed)
        place = allowed[batch.input_ids] & torch.isfinite(gains)  # (B, L)
        count = (self.share * batch.attention_mask.sum(1, keepdim=True)).floor()  # (B, 1)
        order = gains.masked_fill(~place, -torch.inf).argsort(dim=1, descending=True, stable=True)
        chosen = place & (order.argsort(dim=1) < count)
        return replace(batch, input_ids=torch.where(chosen, tokens, batch.input_ids))

    @staticmethod
    def _vocabulary(model: nn.Module, allowed: Tensor) -> Tensor:
        """Word vectors of the tokenizer's vocabulary, (V, D), without spare rows of the model's table."""
        return model.get_input_embeddings().weight.detach()[: len(allowed)]  # type: ignore[operator,union-attr,index]


def best_flips(grad: Tensor, words: Tensor, vocabulary: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """For each position, the largest first-order rise of the loss by a flip, and the token to flip to.

    Args:
        grad, words: (B, L, D), the loss's gradient with respect to the word embeddings, and the embeddings.
        vocabulary: (V, D) word embeddings. allowed: (V,) bool, the tokens that a flip may put in.
    Returns:
        gains (B, L); tokens (B, L) int64.
    """
    gains, tokens = [], []
    for rows in grad.flatten(0, 1).split(ROWS_AT_ONCE):
        best = (rows @ vocabulary.T).masked_fill(~allowed, -torch.inf).max(dim=1)
        gains.append(best.values)
        tokens.append(best.indices)
    shape = grad.shape[:2]
    return torch.cat(gains).view(shape) - (grad * words).sum(-1), torch.cat(tokens).view(shape)
