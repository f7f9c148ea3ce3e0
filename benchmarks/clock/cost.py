"""The cost model: predict the cost of a method in passes, without measuring time.

The unit is one forward pass; an input backward pass counts 1, a full backward pass 2. The cost of a method is given in
epochs of plain fine-tuning (forward and full backward, 3 units) over the same texts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from baselines.defense import Defense, Passes, StageCost
from baselines.primitives.encoders import architecture_for, embedding_width

FORWARD, BACKWARD_INPUT, BACKWARD_FULL = 1.0, 1.0, 2.0
FINE_TUNING_UPDATE = FORWARD + BACKWARD_FULL


@dataclass(frozen=True)
class EncoderShape:
    """The size of an encoder.

    Attributes:
        layers, hidden, heads, neurons: passed layers L, width D, heads H and neurons F per layer.
        gates: rows of the first linear layer that a neuron has; 2 if one is its gate.
        position_rows: P, the relative positions that every layer projects with its queries and keys.
        embedding: width of the embeddings, if it is not D, to which a linear layer then brings them.
    """

    layers: int = 12
    hidden: int = 768
    heads: int = 12
    neurons: int = 3072
    gates: int = 1
    position_rows: int = 0
    embedding: int | None = None

    @classmethod
    def of(cls, config: Any) -> EncoderShape:
        """The size of the unpruned encoder with this configuration of transformers."""
        architecture = architecture_for(config)
        embedding = embedding_width(config)
        return cls(
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            neurons=getattr(config, architecture.neuron_count),
            gates=architecture.gates,
            position_rows=architecture.position_rows(config),
            embedding=None if embedding == config.hidden_size else embedding,
        )


BERT_BASE = EncoderShape()
MINILM = EncoderShape(layers=6, hidden=384, heads=12, neurons=1536)


def layer_flops(shape: EncoderShape, tokens: int, heads: float, neurons: float, texts: int = 1) -> float:
    """Forward FLOPs of one layer with this many heads and neurons, on one of `texts` texts of `tokens` tokens.

    Relative positions are projected once for a batch.
    """
    width = heads * shape.hidden / shape.heads
    attention = 8 * tokens * shape.hidden * width + 4 * tokens**2 * width
    positions = 4 * shape.position_rows * width * (tokens + shape.hidden / texts)
    return attention + positions + (2 * shape.gates + 2) * tokens * shape.hidden * neurons


def encoder_flops(
    shape: EncoderShape, tokens: int, *, heads: float | None = None, neurons: float | None = None, texts: int = 1
) -> float:
    """Forward FLOPs of the encoder on one of `texts` texts of `tokens` tokens; looking embeddings up costs none.

    Args:
        heads, neurons: means over the layers of a pruned encoder; None for all.
    """
    embeddings = 0 if shape.embedding is None else 2 * tokens * shape.embedding * shape.hidden
    heads, neurons = shape.heads if heads is None else heads, shape.neurons if neurons is None else neurons
    return embeddings + shape.layers * layer_flops(shape, tokens, heads, neurons, texts)


def share_left(shape: EncoderShape, tokens: int, head_sparsity: float, neuron_sparsity: float) -> float:
    """phi: forward FLOPs of the pruned encoder divided by the dense one's, for any split of the loss over layers."""
    heads, neurons = shape.heads * (1 - head_sparsity), shape.neurons * (1 - neuron_sparsity)
    return layer_flops(shape, tokens, heads, neurons) / layer_flops(shape, tokens, shape.heads, shape.neurons)


def update_units(passes: Passes) -> float:
    """Cost of counted passes in fine-tuning updates."""
    total = FORWARD * passes.forward + BACKWARD_INPUT * passes.backward_input + BACKWARD_FULL * passes.backward_full
    return total / FINE_TUNING_UPDATE


def update_passes(defense: Defense) -> Passes:
    """The passes a method declares for one batch of its last stage; those of fine-tuning if it declares none."""
    return defense.cost()[-1].passes


def stage_units(cost: StageCost, shape: EncoderShape = EncoderShape(), tokens: int = 128) -> float:
    """Cost of a stage's update in fine-tuning updates of the whole encoder, first-layer passes included."""
    units = update_units(cost.passes) + update_units(cost.first_layer) / shape.layers
    return units * share_left(shape, tokens, cost.heads_pruned, cost.neurons_pruned)


def batch_units(defense: Defense, shape: EncoderShape = EncoderShape()) -> float:
    """Cost of one batch in the last stage, in fine-tuning updates, as if nothing were pruned."""
    return stage_units(replace(defense.cost()[-1], heads_pruned=0.0, neurons_pruned=0.0), shape)


def epoch_units(
    defense: Defense, *, shape: EncoderShape = EncoderShape(), tokens: int = 128, search_epochs: float | None = None
) -> float:
    """Predicted cost of a whole training in epochs of fine-tuning.

    Args:
        tokens: text length for computing the share of a pruned encoder.
        search_epochs: measured length of the stage that a rule ends, if known; otherwise its maximum is used.

    Source: the cost models of the method papers' releases; EarlyRobust = K e + E phi, RobusT = 3 + 20 K + E. With other
        objectives K is the search's cost, and phi is multiplied by the cost of fine-tuning.
    """
    total = 0.0
    for each in defense.cost():
        is_known = each.open_ended and search_epochs is not None
        total += (search_epochs if is_known else each.epochs) * stage_units(each, shape, tokens)
    return total
