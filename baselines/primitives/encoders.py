"""Names of the projections in each supported encoder, for pruning and importance coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from baselines.validation import unknown


@dataclass(frozen=True)
class Architecture:
    """Paths inside a `...ForSequenceClassification` model.

    Attributes:
        layers: the list of layers.
        attention: the self-attention module of a layer.
        query, key, value, attention_output, intermediate, output: the six linear layers of a layer.
        head_count: the attribute of the attention module that holds its number of heads.
        pooler: the linear layer between [CLS] and the classifier.
    """

    layers: str
    attention: str
    query: str
    key: str
    value: str
    attention_output: str
    intermediate: str
    output: str
    head_count: str
    pooler: str


def _bert_like(name: str, pooler: str) -> Architecture:
    return Architecture(
        layers=f"{name}.encoder.layer",
        attention="attention.self",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        attention_output="attention.output.dense",
        intermediate="intermediate.dense",
        output="output.dense",
        head_count="num_attention_heads",
        pooler=pooler,
    )


ARCHITECTURES = {
    "bert": _bert_like("bert", "bert.pooler.dense"),
    "roberta": _bert_like("roberta", "classifier.dense"),
    "electra": _bert_like("electra", "classifier.dense"),
    "distilbert": Architecture(
        layers="distilbert.transformer.layer",
        attention="attention",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        head_count="n_heads",
        pooler="pre_classifier",
    ),
}

KNOWN_ARCHITECTURES = tuple(ARCHITECTURES)


@dataclass(frozen=True)
class Layer:
    """The parts of one encoder layer, as they are in the model now (pruned or not)."""

    architecture: Architecture
    module: nn.Module

    @property
    def attention(self) -> nn.Module:
        """The self-attention module."""
        return self.module.get_submodule(self.architecture.attention)

    def linear(self, role: str) -> nn.Linear:
        """The linear layer of a role: query, key, value, attention_output, intermediate or output."""
        return self.module.get_submodule(getattr(self.architecture, role))  # type: ignore[return-value]


ROLES = ("query", "key", "value", "attention_output", "intermediate", "output")


def architecture_of(model: nn.Module) -> Architecture:
    """The table's entry for a model.

    Raises:
        UserError: for an unsupported architecture; the message names the supported ones.
    """
    kind = model.config.model_type  # type: ignore[union-attr]
    if kind not in ARCHITECTURES:
        raise unknown("architecture", str(kind), ARCHITECTURES)
    return ARCHITECTURES[kind]  # type: ignore[index]


def layers_of(model: nn.Module) -> list[Layer]:
    """The encoder's layers, bottom first."""
    architecture = architecture_of(model)
    return [Layer(architecture, module) for module in model.get_submodule(architecture.layers)]  # type: ignore[attr-defined]


def head_width(model: nn.Module) -> int:
    """Width of one attention head; pruning does not change it."""
    return model.config.hidden_size // model.config.num_attention_heads  # type: ignore[union-attr,operator]


def shape_of(model: nn.Module) -> tuple[int, int, int]:
    """(layers, heads per layer, neurons per layer) of the unpruned encoder, read from its `config` alone.

    DistilBERT names its neurons `hidden_dim`; the others `intermediate_size`.
    """
    config = model.config
    neurons = config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size  # type: ignore[union-attr]
    return config.num_hidden_layers, config.num_attention_heads, neurons  # type: ignore[union-attr,return-value]


def masked_linears(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The named linear layers that RobusT masks: six per layer and the pooler (73 for BERT-base)."""
    architecture = architecture_of(model)
    for number, layer in enumerate(layers_of(model)):
        for role in ROLES:
            yield f"{architecture.layers}.{number}.{getattr(architecture, role)}", layer.linear(role)
    yield architecture.pooler, model.get_submodule(architecture.pooler)  # type: ignore[misc]


@contextmanager
def only_first_layer(model: nn.Module) -> Iterator[nn.Module]:
    """Reduce the encoder to its embeddings and first layer while entered; the layer objects stay the same."""
    path, _, name = architecture_of(model).layers.rpartition(".")
    owner, layers = model.get_submodule(path), model.get_submodule(f"{path}.{name}")
    setattr(owner, name, layers[:1])  # type: ignore[index]
    try:
        yield model.base_model  # type: ignore[misc]
    finally:
        setattr(owner, name, layers)
