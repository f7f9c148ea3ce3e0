"""Forward passes over inputs of any length without padding: all tokens in one matrix, attention per length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from baselines.primitives.encoders import Layer, head_width, layers_of
from benchmarks.victims.pieces import Row


def packed_logits(model: nn.Module, rows: Sequence[Row]) -> Tensor:
    """Logits (N, C) of a classifier in eval mode for N inputs.

    Linear layers process the tokens of all inputs at once, so that a few short inputs cost no more than their tokens.
    The last layer is computed for each input's first token only: the classifier reads no other.
    """
    pack = _Pack(rows, next(model.parameters()).device)
    if not is_plain_encoder(model):
        return whole_logits(model, rows)
    *layers, last = layers_of(model)
    hidden = pack.embeddings(model)
    for layer in layers:
        hidden = pack.through(layer, hidden, head_width(model))
    return pack.in_order(_classify(model, pack.through(last, hidden, head_width(model), first_only=True)))


def whole_logits(model: nn.Module, rows: Sequence[Row]) -> Tensor:
    """Logits (N, C) by the model's own forward pass, with inputs of equal length in one batch."""
    pack = _Pack(rows, next(model.parameters()).device)
    return pack.in_order(torch.cat([model(**inputs, return_dict=True).logits for inputs in pack.inputs()]))


def packed_means(model: nn.Module, rows: Sequence[Row]) -> Tensor:
    """Means (N, H) of the last hidden states of N inputs; `model` is a classifier, its head is not used."""
    pack = _Pack(rows, next(model.parameters()).device)
    if not is_plain_encoder(model):
        states = [model.base_model(**inputs, return_dict=True).last_hidden_state for inputs in pack.inputs()]  # type: ignore[operator]
    else:
        hidden = pack.embeddings(model)
        for layer in layers_of(model):
            hidden = pack.through(layer, hidden, head_width(model))
        states = pack.split(hidden)
    return pack.in_order(torch.cat([each.mean(dim=1) for each in states]))


def is_plain_encoder(model: nn.Module) -> bool:
    """Whether every token attends to every other in the same way; only this is implemented here.

    A model with relative positions, or one that only looks back (a decoder), must compute its own forward pass.
    """
    config = model.config
    plain = getattr(config, "position_embedding_type", "absolute") == "absolute"
    return plain and not config.is_decoder and not config.add_cross_attention  # type: ignore[union-attr]


class _Pack:
    """N inputs of T tokens in all, sorted by length.

    Args:
        rows: N inputs, at least one.
        device: the model's device.
    """

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        lengths = [len(row.ids) for row in rows]
        self._order = sorted(range(len(rows)), key=lengths.__getitem__)
        self._groups: dict[int, list[Row]] = {}
        for place in self._order:
            self._groups.setdefault(lengths[place], []).append(rows[place])
        starts = accumulate((lengths[place] for place in self._order[:-1]), initial=0)
        self._first = torch.tensor(list(starts), device=device)

    def inputs(self) -> Iterator[dict[str, Tensor]]:
        """The model's inputs, each (B, L) int64, for the B inputs of each length L."""
        for rows in self._groups.values():
            inputs = {"input_ids": [row.ids for row in rows]}
            if rows[0].type_ids:
                inputs["token_type_ids"] = [row.type_ids for row in rows]
            yield {name: torch.tensor(values, device=self._first.device) for name, values in inputs.items()}

    def embeddings(self, model: nn.Module) -> Tensor:
        """(T, H), what the first layer reads."""
        encoder = model.base_model
        embedded = torch.cat([encoder.embeddings(**inputs).flatten(0, 1) for inputs in self.inputs()])  # type: ignore[union-attr,operator]
        # In ELECTRA, small models have embeddings narrower than their layers
        return encoder.embeddings_project(embedded) if hasattr(encoder, "embeddings_project") else embedded  # type: ignore[operator]

    def through(self, layer: Layer, hidden: Tensor, width: int, *, first_only: bool = False) -> Tensor:
        """A layer's output (T, H) for hidden states (T, H), or (N, H) for the inputs' first tokens only.

        Args:
            width: of an attention head.
        """
        asking = hidden[self._first] if first_only else hidden
        query = self.split(layer.linear("query")(asking), 1 if first_only else None)
        key, value = (self.split(layer.linear(role)(hidden)) for role in ("key", "value"))
        attended = [_attend(*parts, width) for parts in zip(query, key, value, strict=True)]
        return _after_attention(layer, torch.cat(attended), asking)

    def split(self, states: Tensor, tokens: int | None = None) -> list[Tensor]:
        """Split (T, D) into one (B, L, D) per length L; or into (B, tokens, D) if each input has `tokens` rows."""
        shapes = [(len(rows), tokens or length) for length, rows in self._groups.items()]
        parts = states.split([texts * length for texts, length in shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, shapes, strict=True)]

    def in_order(self, answers: Tensor) -> Tensor:
        """(N, D) in the original order of the inputs."""
        found = torch.empty_like(answers)
        found[self._order] = answers
        return found


def _attend(query: Tensor, key: Tensor, value: Tensor, width: int) -> Tensor:
    """(B * Q, A) for queries (B, Q, A) over keys and values (B, L, A): A / width heads side by side."""
    heads = (each.unflatten(-1, (-1, width)).transpose(1, 2) for each in (query, key, value))
    return scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2).flatten(0, 1)


def _after_attention(layer: Layer, attended: Tensor, hidden: Tensor) -> Tensor:
    """The rest of a layer: (T, H) from the heads' output (T, A) and the layer's input (T, H)."""
    module = layer.module
    if hasattr(module, "sa_layer_norm"):  # DistilBERT's
        hidden = module.sa_layer_norm(layer.linear("attention_output")(attended) + hidden)
        active = module.ffn.activation(layer.linear("intermediate")(hidden))
        return module.output_layer_norm(layer.linear("output")(active) + hidden)
    hidden = module.attention.output(attended, hidden)
    return module.output(module.intermediate(hidden), hidden)


def _classify(model: nn.Module, first: Tensor) -> Tensor:
    """Logits (N, C) from the last hidden states (N, H) of first tokens."""
    kind = model.config.model_type
    if kind == "distilbert":
        return model.classifier(model.pre_classifier(first).relu())
    states = first.unsqueeze(1)
    return model.classifier(model.bert.pooler(states) if kind == "bert" else states)
