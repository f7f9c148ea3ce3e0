"""The cost model: what a method should cost in passes, before any clock has run.

The unit of a pass is one forward; an input backward is 1, a full backward 2. A method's units are counted in epochs of
plain fine-tuning (forward and full backward, 3 passes) over the same texts.
"""

from __future__ import annotations

from dataclasses import dataclass

from baselines.augmentation import Augmentation
from baselines.defense import Defense, Passes
from baselines.early_bert import EarlyBert
from baselines.robust_ticket import RobustTicket
from baselines.yopo import YOPO
from method.early_robust import EarlyRobust

FORWARD, BACKWARD_INPUT, BACKWARD_FULL = 1.0, 1.0, 2.0
FINE_TUNING_UPDATE = FORWARD + BACKWARD_FULL


@dataclass(frozen=True)
class EncoderShape:
    """The size of an encoder: layers L, hidden D, heads H, neurons F per layer."""

    layers: int = 12
    hidden: int = 768
    heads: int = 12
    neurons: int = 3072


def layer_flops(shape: EncoderShape, tokens: int, heads: float, neurons: float) -> float:
    """Forward FLOPs of one layer on one text of `tokens` tokens that keeps so many heads and neurons."""
    width = heads * shape.hidden / shape.heads
    return 8 * tokens * shape.hidden * width + 4 * tokens**2 * width + 4 * tokens * shape.hidden * neurons


def share_left(shape: EncoderShape, tokens: int, head_sparsity: float, neuron_sparsity: float) -> float:
    """phi: forward FLOPs of the pruned encoder over the dense one's; how layers share the loss does not matter."""
    heads, neurons = shape.heads * (1 - head_sparsity), shape.neurons * (1 - neuron_sparsity)
    return layer_flops(shape, tokens, heads, neurons) / layer_flops(shape, tokens, shape.heads, shape.neurons)


def update_units(passes: Passes) -> float:
    """Cost of counted passes in fine-tuning updates."""
    total = FORWARD * passes.forward + BACKWARD_INPUT * passes.backward_input + BACKWARD_FULL * passes.backward_full
    return total / FINE_TUNING_UPDATE


def update_passes(defense: Defense) -> Passes:
    """The passes a method declares for one batch; those of plain fine-tuning where it declares none."""
    return defense.update_passes() or Passes(1, 1, 0)


def batch_units(defense: Defense, shape: EncoderShape = EncoderShape()) -> float:
    """Cost of training on one batch in fine-tuning updates, passes through the first layer alone included."""
    units = update_units(update_passes(defense))
    if isinstance(defense, YOPO):
        first_layer = (FORWARD + BACKWARD_INPUT) / shape.layers
        units += defense.steps * defense.inner_steps * first_layer / FINE_TUNING_UPDATE
    return units


def epoch_units(
    defense: Defense, *, shape: EncoderShape = EncoderShape(), tokens: int = 128, search_epochs: float | None = None
) -> float:
    """Predicted cost of a whole training in epochs of fine-tuning.

    Args:
        tokens: length the share of a pruned encoder is reckoned at.
        search_epochs: how long EarlyRobust's search ran, where that is known; else its cap.
    Of data augmentation it is an upper bound, since short texts are not attacked; the model it attacks and the queries
    are not in it.

    Source: the cost models of the method papers' releases; EarlyRobust = K e + E phi, RobusT = 3 + 20 K + E. With other
        objectives K is the search's cost, and phi is multiplied by that of the fine-tuning.
    """
    own = defense.epochs * batch_units(defense, shape)
    if isinstance(defense, Augmentation):
        return (1 + defense.share) * own
    if isinstance(defense, RobustTicket):
        search = defense.search
        return defense.first_epochs + search.epochs * batch_units(search, shape) + own
    if isinstance(defense, EarlyBert | EarlyRobust):
        is_robust = isinstance(defense, EarlyRobust)
        removed = defense.shares_removed if is_robust else (defense.head_sparsity, defense.neuron_sparsity)
        pruned = defense.epochs * share_left(shape, tokens, *removed)
        if is_robust:
            pruned *= batch_units(defense.fine_tuning, shape)
        if defense.ticket == "random":
            return pruned
        if isinstance(defense, EarlyBert):
            return defense.draw_epoch + pruned
        spent = defense.max_search_epochs if search_epochs is None else search_epochs
        return spent * batch_units(defense.search, shape) + pruned
    return own
