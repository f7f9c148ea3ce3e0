"""RIFT: adversarial fine-tuning that keeps the pre-trained encoder's information about texts of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.needs import BalancedBatches, Need, Substitutes
from baselines.primitives.information import ClassProjectors, loss_within_classes
from baselines.primitives.substitution import (
    available,
    divergence,
    dropout_off,
    embedded_as,
    entropy,
    hull_weights,
    mix,
    read,
    scores_gradient,
    start_scores,
    substitute_features,
    substitutes_of,
    text_feature,
)
from baselines.validation import require

ENTROPY_SCALE = 300 * 128  # the release divides the summed entropy by this, whatever the batch size

_SNLI = {"divergence_weight": 5.0, "information_weight": 0.7}


@dataclass(frozen=True, kw_only=True)
class Rift(Defense, key="rift"):
    """Train on clean texts, keep predictions stable under the worst mixture of synonyms, and keep texts apart.

    The adversary mixes each word's substitutes, after the embedding layer and with dropout off. A frozen copy of the
    pre-trained encoder reads the clean texts. From the trained encoder's features of a mixed text it must stay possible
    to find that text among those of its class.

    Attributes:
        clean_weight: weight of the clean loss.
        divergence_weight: weight of KL(clean || mixture), averaged over texts.
        information_weight: weight of the noise-contrastive loss within classes.
        temperature: divisor of its cosines.
        attack_steps: updates of the mixtures.
        attack_learning_rate, attack_weight_decay: of the adversary's Adam.
        sparsity: the adversary's weight on the entropy of the mixtures; large values push towards single words.
        init_magnitude: scale of the random start, as the release defines it; 0 starts at equal weights.
        balanced: whether batches hold equal shares of the classes, as in the release; False uses the batches of all
            other methods, in which a class may have too few texts to compare.
        lean: True computes the gradient of the adversary's scores only and reads the mixtures once; False computes the
            encoder's gradients in the attack, discards them, and reads the mixtures again for the information loss, as
            the release does.
            does.

    Source: Dong et al., NeurIPS 2021, and dongxinshuai/RIFT-NeurIPS2021; weights of its IMDB script, and of its SNLI
    script for tasks of pairs or many classes.
    Departures: the classifier's head, clipping, decay and schedule are those shared by all methods; texts are cut into
    word pieces, and only words of one piece are replaced; segments of pairs are passed.
    """

    title = "RIFT"
    one_stage = False  # its teacher is the unchanged encoder, not one scaled by coefficients or pruned to a ticket
    paper = "Dong et al., NeurIPS 2021, arXiv:2112.11668"
    published = {"weight_decay": 0.0, "max_grad_norm": None}  # its head and projectors decay by 2e-4
    task_settings = {"ag_news": _SNLI, "qnli": _SNLI, "qqp": _SNLI}

    clean_weight: float = 1.0
    divergence_weight: float = 10.0
    information_weight: float = 0.1
    temperature: float = 0.2
    attack_steps: int = 10
    attack_learning_rate: float = 1.0
    attack_weight_decay: float = 2e-5
    sparsity: float = 15.0
    init_magnitude: float = 1.0
    balanced: bool = True
    lean: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (
            "clean_weight",
            "divergence_weight",
            "information_weight",
            "attack_steps",
            "attack_weight_decay",
            "sparsity",
            "init_magnitude",
        ):
            require(getattr(self, name) >= 0, f"Rift.{name}", "0 or more", getattr(self, name))
        for name in ("temperature", "attack_learning_rate"):
            require(getattr(self, name) > 0, f"Rift.{name}", "positive", getattr(self, name))

    @property
    def needs(self) -> frozenset[Need]:  # type: ignore[override]
        """Substitutes, and balanced batches if set."""
        return frozenset({Substitutes(), BalancedBatches()} if self.balanced else {Substitutes()})

    def update_passes(self) -> Passes:
        """Passes per update, as in `objective`."""
        steps = self.attack_steps
        return Passes(steps + 4, 2, steps) if self.lean else Passes(steps + 5, steps + 3, 0)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage that trains the model and the projectors; teacher and projectors are then discarded."""
        encoder: nn.Module = model.base_model  # type: ignore[assignment]
        teacher = {name: value.detach().clone() for name, value in encoder.named_parameters()}
        config = model.config
        projectors = ClassProjectors(config.hidden_size, config.num_labels).to(next(model.parameters()))  # type: ignore[union-attr,arg-type]
        yield self.stage(
            "train",
            lambda batch: self.objective(model, teacher, projectors, batch),
            [*model.parameters(), *projectors.parameters()],
            state=(),
            not_capturable_reason="its adversary's optimiser counts on the host",
        )

    def objective(
        self, model: nn.Module, teacher: Mapping[str, Tensor], projectors: ClassProjectors, batch: Batch
    ) -> Tensor:
        """With S attack steps S + 4 forward, S input and 2 full backward passes: 2 S + 8 units, 28 at S = 10.

        Not lean, S + 5 forward and S + 3 full backward passes: 41 units.

        Args:
            teacher: the pre-trained encoder's parameters by name.
        """
        weights = self.attack(model, batch)
        adversarial, feature = self._read_mixture(model, weights, batch)
        clean = model(**batch.inputs()).logits
        with dropout_off(model), torch.no_grad():
            kept = text_feature(functional_call(model.base_model, dict(teacher), kwargs=batch.inputs()))  # type: ignore[arg-type]
        if not self.lean:
            _, feature = self._read_mixture(model, weights, batch)
        information = loss_within_classes(projectors(feature, kept, self.temperature), batch.labels)
        loss = (
            self.clean_weight * cross_entropy(clean, batch.labels)
            + self.divergence_weight * divergence(clean, adversarial) / len(batch)
            + self.information_weight * information
        )
        loss.backward()
        return loss.detach()

    def attack(self, model: nn.Module, batch: Batch) -> Tensor:
        """Weights of the substitutes, (B, L, S), that move predictions away from those on the clean texts."""
        usable = available(substitutes_of(batch))
        scores = start_scores(usable, batch.attention_mask, self.init_magnitude)
        adam = torch.optim.Adam([scores], lr=self.attack_learning_rate, weight_decay=self.attack_weight_decay)
        with dropout_off(model):
            with torch.no_grad():
                vectors = substitute_features(model, batch)  # (B, L, S, D)
                clean = model(**batch.inputs()).logits
            for _ in range(self.attack_steps):
                with embedded_as(model, mix(hull_weights(scores, usable), vectors)):
                    moved = divergence(clean, model(**batch.inputs()).logits)
                loss = self.sparsity * entropy(scores, usable).sum() / ENTROPY_SCALE - moved
                scores.grad = scores_gradient(model, loss, scores, "input" if self.lean else "full")
                adam.step()
        return hull_weights(scores.detach(), usable)

    def _read_mixture(self, model: nn.Module, weights: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and features (B, D) of the mixed texts, with a graph to the substitutes' embeddings."""
        with embedded_as(model, mix(weights, substitute_features(model, batch))):
            return read(model, batch)
