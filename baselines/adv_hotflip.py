"""Adv-Hotflip: train on texts with the tokens flipped that the gradient names, beside the clean ones."""

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

ROWS_AT_ONCE = 512  # positions scored against the whole vocabulary in one product, which bounds its memory


@dataclass(frozen=True, kw_only=True)
class AdvHotflip(Defense, key="adv_hotflip"):
    """Flip, in a few rounds, the tokens whose replacement raises the loss most by its first-order estimate.

    Nothing binds the meaning: any token of letters may replace any other.

    Attributes:
        rounds: gradients taken per update; each flips anew.
        share: tokens flipped per round, as a share of a text's tokens, rounded down; in [0, 1].

    Source: Ebrahimi et al., ACL 2018; rounds, share and training on both texts of RockyLzy/TextDefender,
    trainer/hotflip.py.
    Departures: punctuation, digits and special tokens stay, so that all flips fall on words; in TextDefender flips may
    fall on special tokens and are taken back. Texts of any length share a batch, each with its own number of flips.
    Clean and flipped texts go through the model in two passes, not in one of twice the size.
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
        """As `step` counts them."""
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
        """The batch with one round of flips.

        Raises:
            ValueError: where the batch does not say which tokens are replaceable.
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
        """The word vectors of the tokenizer's vocabulary, (V, D); the model's table may hold spare rows."""
        return model.get_input_embeddings().weight.detach()[: len(allowed)]  # type: ignore[operator,union-attr,index]


def best_flips(grad: Tensor, words: Tensor, vocabulary: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """For each position, the most that a flip raises the loss by in the first order, and the token to flip to.

    Args:
        grad, words: (B, L, D), the loss's gradient by the word embeddings, and these.
        vocabulary: (V, D) word embeddings. allowed: (V,) bool, what may be flipped to.
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
