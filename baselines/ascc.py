"""ASCC-defense: keep predictions stable under the worst sparse mixture of synonyms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.needs import Substitutes
from baselines.primitives.perturbation import forward
from baselines.primitives.substitution import (
    Backward,
    available,
    divergence,
    dropout_off,
    entropy,
    hull_weights,
    mix,
    scores_gradient,
    start_scores,
    substitute_words,
    substitutes_of,
)
from baselines.settings import added_later
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class Ascc(Defense, key="ascc"):
    """Mix substitutes so that predictions move most; train on clean text and keep the two predictions close.

    The mixtures replace the word embeddings, before positions and LayerNorm are added.

    Attributes:
        divergence_weight: weight of KL(clean || mixture), averaged over texts.
        attack_steps: updates of the mixtures.
        attack_learning_rate, attack_weight_decay: of the adversary's Adam.
        sparsity: the adversary's weight on the mean entropy of the mixtures; large values push towards single words.
        init_magnitude: scale of the random start, as the release defines it; 0 starts at equal weights.
        attack_dropout: whether dropout is on during the attack, as in TextDefender; the authors' own code attacks in
            eval mode, with 10 updates and a sparsity of 15.
        attack_backward: "input" computes the gradient of the adversary's scores only; "full" also computes the
            parameters' gradients and discards them, as TextDefender does: the same result at a higher cost.

    Source: Dong et al., ICLR 2021; values and form of RockyLzy/TextDefender, trainer/ascc.py, which is for BERT.
    Departures: the entropy is averaged over real tokens, in TextDefender over the padding too; TextDefender's learning
    rate, divided by ten after 40 and after 80 updates, is replaced by the schedule that all methods share.
    """

    title = "ASCC"
    paper = "Dong et al., ICLR 2021, arXiv:2107.13541"
    published = {"weight_decay": 1e-6, "warmup_ratio": 0.0}  # TextDefender's
    needs = frozenset({Substitutes()})

    divergence_weight: float = 4.0
    attack_steps: int = 5
    attack_learning_rate: float = 1.0
    attack_weight_decay: float = 2e-5
    sparsity: float = 10.0
    init_magnitude: float = 1.0
    attack_backward: Backward = "input"
    attack_dropout: bool = added_later(True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("divergence_weight", "attack_steps", "attack_weight_decay", "sparsity", "init_magnitude"):
            require(getattr(self, name) >= 0, f"Ascc.{name}", "0 or more", getattr(self, name))
        require(self.attack_learning_rate > 0, "Ascc.attack_learning_rate", "positive", self.attack_learning_rate)

    def update_passes(self) -> Passes:
        """Passes per update, as in `step`."""
        steps = self.attack_steps
        return Passes(steps + 3, 2, steps) if self.attack_backward == "input" else Passes(steps + 3, steps + 2, 0)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage."""
        for stage in super().stages(model):
            yield replace(stage, not_capturable_reason="its adversary's optimiser counts its updates on the CPU")

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """With S attack steps S + 3 forward, S input and 2 full backward passes: 2 S + 7 units, 17 at S = 5."""
        with nullcontext() if self.attack_dropout else dropout_off(model):
            weights = self.attack(model, batch)
        clean = model(**batch.inputs()).logits
        mixed = forward(model, mix(weights, substitute_words(model, batch)), batch).logits
        loss = cross_entropy(clean, batch.labels) + self.divergence_weight * divergence(clean, mixed) / len(batch)
        loss.backward()
        return loss.detach()

    def attack(self, model: nn.Module, batch: Batch) -> Tensor:
        """Weights of the substitutes, (B, L, S), that move predictions away from those on the clean texts."""
        usable = available(substitutes_of(batch))
        real = batch.attention_mask.float()
        scores = start_scores(usable, batch.attention_mask, self.init_magnitude)
        adam = torch.optim.Adam([scores], lr=self.attack_learning_rate, weight_decay=self.attack_weight_decay)
        with torch.no_grad():
            vectors = substitute_words(model, batch)  # (B, L, S, D)
            clean = model(**batch.inputs()).logits
        for _ in range(self.attack_steps):
            moved = divergence(clean, forward(model, mix(hull_weights(scores, usable), vectors), batch).logits)
            spread = (entropy(scores, usable) * real).sum() / real.sum()
            loss = self.sparsity * spread - moved
            scores.grad = scores_gradient(model, loss, scores, self.attack_backward)
            adam.step()
        return hull_weights(scores.detach(), usable)
