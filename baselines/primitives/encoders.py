"""The supported encoders: where each has its heads, neurons and embeddings, for pruning, coefficients and fast passes.

To support another encoder, add a row to `ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from baselines.validation import UserError, require, unknown

THIS_FILE = "baselines/primitives/encoders.py"

# Computes a layer's output (T, H) from the layer, the output of its heads (T, A) and the layer's input (T, H).
Rest = Callable[[Any, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Architecture:
    """Where a `...ForSequenceClassification` model of transformers has its parts, and what is special about it.

    Paths of the parts of a layer begin at the layer, all others at the model. Heads are the outputs of `projections`
    and the inputs of `attention_output`; neurons are the outputs of `intermediate` and the inputs of `output`.

    Attributes:
        layers: the list of layers.
        attention: the self-attention module of a layer.
        projections: query, key and value; then those of positions, which some models of the architecture lack.
        attention_output, intermediate, output: the other linear layers of a layer.
        pooler: the linear layer before the classifier.
        stacked: how many projections lie one below the other in one linear layer: 3 if that is query, key and value.
        gates: how many rows of `intermediate` a neuron has: 2 if one of them is its gate.
        shared: whether the list holds one layer, through which a text passes `num_hidden_layers` times.
        head_count: the attribute of the attention module that holds its number of heads.
        neuron_count: the setting that holds a layer's number of neurons.
        embedding_projection: the linear layer between narrow embeddings and the layers, if the model has one.
        final_norm: what follows the last layer inside the encoder.
        pretrained_head: the beginning of the names of the head's weights that a masked language model has too.
        segments: whether the model reads segment ids.
        offset_positions: whether position numbers start after the padding token's id.
        position_rows: how many relative positions a layer projects, from the configuration.
        settings: values that the configuration of every loaded model is given.
        required: values that the configuration must have.
        rest: see `Rest`; None where tokens do not all attend to each other in the usual way.
        classify: computes logits (N, C) from the model and the last hidden states (N, H) of first tokens.
    """

    layers: str
    attention: str = "attention.self"
    projections: tuple[str, ...] = ("attention.self.query", "attention.self.key", "attention.self.value")
    attention_output: str = "attention.output.dense"
    intermediate: str = "intermediate.dense"
    output: str = "output.dense"
    pooler: str = "classifier.dense"
    stacked: int = 1
    gates: int = 1
    shared: bool = False
    head_count: str = "num_attention_heads"
    neuron_count: str = "intermediate_size"
    embedding_projection: str | None = None
    final_norm: str | None = None
    pretrained_head: str | None = None
    segments: bool = True
    offset_positions: bool = False
    position_rows: Callable[[Any], int] = lambda config: 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)
    rest: Rest | None = None
    classify: Callable[[Any, Tensor], Tensor] | None = None


def _bert_rest(layer: Any, attended: Tensor, hidden: Tensor) -> Tensor:
    hidden = layer.attention.output(attended, hidden)
    return layer.output(layer.intermediate(hidden), hidden)


def _distilbert_rest(layer: Any, attended: Tensor, hidden: Tensor) -> Tensor:
    hidden = layer.sa_layer_norm(layer.attention.out_lin(attended) + hidden)
    return layer.output_layer_norm(layer.ffn.lin2(layer.ffn.activation(layer.ffn.lin1(hidden))) + hidden)


def _albert_rest(layer: Any, attended: Tensor, hidden: Tensor) -> Tensor:
    hidden = layer.attention.LayerNorm(layer.attention.dense(attended) + hidden)
    return layer.full_layer_layer_norm(layer.ff_chunk(hidden) + hidden)


def _classify_first(model: Any, first: Tensor) -> Tensor:
    return model.classifier(first.unsqueeze(1))


def _deberta_positions(config: Any) -> int:
    if not config.relative_attention:
        return 0
    buckets, most = getattr(config, "position_buckets", -1), config.max_relative_positions
    return 2 * (buckets if buckets > 0 else most if most > 0 else config.max_position_embeddings)


ROBERTA = Architecture(
    layers="roberta.encoder.layer",
    segments=False,
    offset_positions=True,
    rest=_bert_rest,
    classify=_classify_first,
)

ARCHITECTURES = {
    "bert": Architecture(
        layers="bert.encoder.layer",
        pooler="bert.pooler.dense",
        rest=_bert_rest,
        classify=lambda model, first: model.classifier(model.bert.pooler(first.unsqueeze(1))),
    ),
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "electra": Architecture(
        layers="electra.encoder.layer",
        embedding_projection="electra.embeddings_project",
        rest=_bert_rest,
        classify=_classify_first,
    ),
    "distilbert": Architecture(
        layers="distilbert.transformer.layer",
        attention="attention",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_output="attention.out_lin",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        pooler="pre_classifier",
        head_count="n_heads",
        neuron_count="hidden_dim",
        segments=False,
        rest=_distilbert_rest,
        classify=lambda model, first: model.classifier(model.pre_classifier(first).relu()),
    ),
    "albert": Architecture(
        layers="albert.encoder.albert_layer_groups.0.albert_layers",
        attention="attention",
        projections=("attention.query", "attention.key", "attention.value"),
        attention_output="attention.dense",
        intermediate="ffn",
        output="ffn_output",
        pooler="albert.pooler",
        shared=True,
        embedding_projection="albert.encoder.embedding_hidden_mapping_in",
        required={"num_hidden_groups": 1, "inner_group_num": 1},
        rest=_albert_rest,
        classify=lambda model, first: model.classifier(model.albert.pooler(first).tanh()),
    ),
    # Version 3 projects positions with query and key, version 2 may have projections of their own.
    "deberta-v2": Architecture(
        layers="deberta.encoder.layer",
        projections=(
            "attention.self.query_proj",
            "attention.self.key_proj",
            "attention.self.value_proj",
            "attention.self.pos_key_proj",
            "attention.self.pos_query_proj",
        ),
        pooler="pooler.dense",
        position_rows=_deberta_positions,
        classify=lambda model, first: model.classifier(model.pooler(first.unsqueeze(1))),
    ),
    # Two layers of three attend to near tokens only.
    "modernbert": Architecture(
        layers="model.layers",
        attention="attn",
        projections=("attn.Wqkv",),
        attention_output="attn.Wo",
        intermediate="mlp.Wi",
        output="mlp.Wo",
        pooler="head.dense",
        stacked=3,
        gates=2,
        head_count="num_heads",
        final_norm="model.final_norm",
        pretrained_head="head.",
        segments=False,
        # Compiled parts would be compiled again for every shape of batch; flash attention computes in half precision.
        settings={"reference_compile": False, "attn_implementation": "sdpa"},
        classify=lambda model, first: model.classifier(model.head(first)),
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
        """The linear layer of a role: attention_output, intermediate or output."""
        return self.module.get_submodule(getattr(self.architecture, role))  # type: ignore[return-value]

    def projections(self) -> dict[str, nn.Linear]:
        """The linear layers with outputs that belong to heads, by path: query, key and value first."""
        found = {path: _submodule(self.module, path) for path in self.architecture.projections}
        return {path: linear for path, linear in found.items() if linear is not None}  # type: ignore[misc]

    def projection(self, number: int) -> tuple[nn.Linear, slice]:
        """The linear layer that holds query (0), key (1) or value (2), and its rows."""
        linears, stacked = list(self.projections().values()), self.architecture.stacked
        if stacked == 1:
            return linears[number], slice(None)
        size = linears[0].out_features // stacked
        return linears[0], slice(number * size, (number + 1) * size)

    def linears(self) -> dict[str, nn.Linear]:
        """All linear layers that hold heads and neurons, by path."""
        others = (getattr(self.architecture, role) for role in ("attention_output", "intermediate", "output"))
        return self.projections() | {path: self.module.get_submodule(path) for path in others}  # type: ignore[misc]


def unknown_architecture(kind: str) -> UserError:
    """The error for an architecture that the table lacks; it names those that the table has."""
    # transformers' own tables; imported here because only this error needs them.
    from transformers.models.auto import modeling_auto as tables

    # Some encoders can be made to write texts too; those fill in masked words.
    is_decoder = (
        kind in tables.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in tables.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )
    why = (
        "it is a decoder, which reads a text's class at its last token: with word embeddings in place of tokens, it "
        "would read it from padding"
        if is_decoder
        else f"another encoder is added as a row of {THIS_FILE}"
    )
    return UserError(f"{unknown('architecture', kind, ARCHITECTURES)}; {why}")


def find_architecture(values: Mapping[str, Any]) -> Architecture:
    """The table's entry for the values of a configuration.

    Raises:
        UserError: for an architecture that is not supported, or a variant of one that is not.
    """
    kind = str(values.get("model_type"))
    if kind not in ARCHITECTURES:
        raise unknown_architecture(kind)
    found = ARCHITECTURES[kind]
    for name, wanted in found.required.items():
        got = values.get(name, wanted)
        require(got == wanted, f"{name} of a model of the architecture {kind!r}", str(wanted), got)
    return found


def architecture_for(config: Any) -> Architecture:
    """The table's entry for a configuration of transformers; see `find_architecture`."""
    return find_architecture({**vars(config), "model_type": config.model_type})


def architecture_of(model: nn.Module) -> Architecture:
    """The table's entry for a model; see `find_architecture`."""
    return architecture_for(model.config)


def layers_of(model: nn.Module) -> list[Layer]:
    """The encoder's layers, bottom first; a layer that is run several times is one."""
    architecture = architecture_of(model)
    return [Layer(architecture, module) for module in model.get_submodule(architecture.layers)]  # type: ignore[attr-defined]


def passed_layers(model: nn.Module) -> list[Layer]:
    """The layers in the order in which a text passes through them; a shared layer is there several times."""
    layers = layers_of(model)
    return layers * model.config.num_hidden_layers if architecture_of(model).shared else layers  # type: ignore[union-attr,operator]


def head_width(model: nn.Module) -> int:
    """Width of one attention head; pruning does not change it."""
    return model.config.hidden_size // model.config.num_attention_heads  # type: ignore[union-attr,operator]


def shape_of(model: nn.Module) -> tuple[int, int, int]:
    """(layers, heads per layer, neurons per layer) of the unpruned encoder, read from its `config` alone.

    A layer that all depths share counts once.
    """
    architecture, config = architecture_of(model), model.config
    layers = 1 if architecture.shared else config.num_hidden_layers  # type: ignore[union-attr]
    return layers, config.num_attention_heads, getattr(config, architecture.neuron_count)  # type: ignore[union-attr,return-value]


def embedding_width(config: Any) -> int:
    """Width of the word embeddings, which may be narrower than the layers."""
    return getattr(config, "embedding_size", config.hidden_size)


def first_states(model: nn.Module, **inputs: Tensor) -> Tensor:
    """(B, L, H), what the first layer reads of a text."""
    embedded = model.base_model.embeddings(**inputs)  # type: ignore[union-attr,operator]
    path = architecture_of(model).embedding_projection
    projection = None if path is None else _submodule(model, path)
    return embedded if projection is None else projection(embedded)


def _submodule(owner: nn.Module, path: str) -> nn.Module | None:
    """The submodule at a path, or None if there is none."""
    found: nn.Module | None = owner
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def masked_linears(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The named linear layers that RobusT masks: those of every layer and the pooler (73 for BERT-base)."""
    architecture = architecture_of(model)
    for number, layer in enumerate(layers_of(model)):
        for path, linear in layer.linears().items():
            yield f"{architecture.layers}.{number}.{path}", linear
    yield architecture.pooler, model.get_submodule(architecture.pooler)  # type: ignore[misc]


@contextmanager
def only_first_layer(model: nn.Module) -> Iterator[nn.Module]:
    """Reduce the encoder to its embeddings and first layer while entered; the layer objects stay the same."""
    architecture = architecture_of(model)
    changes: list[tuple[Any, str, Any]] = []
    _exchange(model, architecture.layers, lambda layers: layers[:1], changes)
    if architecture.final_norm is not None:
        _exchange(model, architecture.final_norm, lambda _: nn.Identity(), changes)
    if architecture.shared:
        changes.append((model.config, "num_hidden_layers", model.config.num_hidden_layers))  # type: ignore[union-attr]
        model.config.num_hidden_layers = 1  # type: ignore[union-attr]
    try:
        yield model.base_model  # type: ignore[misc]
    finally:
        for owner, name, value in changes:
            setattr(owner, name, value)


def _exchange(
    model: nn.Module, path: str, change: Callable[[Any], nn.Module], changes: list[tuple[Any, str, Any]]
) -> None:
    """Replace a submodule, and note in `changes` where it was."""
    parent, _, name = path.rpartition(".")
    owner = model.get_submodule(parent)
    changes.append((owner, name, getattr(owner, name)))
    setattr(owner, name, change(getattr(owner, name)))
