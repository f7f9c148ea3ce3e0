"""Forward passes over inputs of any length without padding: all tokens in one matrix, attention per length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from baselines.primitives.encoders import Layer, architecture_of, first_states, head_width, passed_layers
from benchmarks.victims.pieces import Row


def packed_logits(model: nn.Module, rows: Sequence[Row]) -> Tensor:
    """Logits (N, C) of a classifier in eval mode for N inputs.

    Linear layers process the tokens of all inputs at once, so that a few short inputs cost no more than their tokens.
    The last layer is computed for each input's first token only: the classifier reads no other.
    """
    pack = _Pack(rows, next(model.parameters()).device)
    if not is_plain_encoder(model):
        return whole_logits(model, rows)
    *layers, last = passed_layers(model)
    hidden = pack.embeddings(model)
    for layer in layers:
        hidden = pack.through(layer, hidden, head_width(model))
    first = pack.through(last, hidden, head_width(model), first_only=True)
    return pack.in_order(architecture_of(model).classify(model, first))  # type: ignore[misc]


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
        for layer in passed_layers(model):
            hidden = pack.through(layer, hidden, head_width(model))
        states = pack.split(hidden)
    return pack.in_order(torch.cat([each.mean(dim=1) for each in states]))


def is_plain_encoder(model: nn.Module) -> bool:
    """Whether every token attends to every other in the same way; only this is implemented here.

    A model with relative positions, or one that only looks back (a decoder), must compute its own forward pass.
    """
    if architecture_of(model).rest is None:
        return False
    config = model.config
    plain = getattr(config, "position_embedding_type", "absolute") == "absolute"
    return plain and not any(getattr(config, name, False) for name in ("is_decoder", "add_cross_attention"))


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
        return torch.cat([first_states(model, **inputs).flatten(0, 1) for inputs in self.inputs()])

    def through(self, layer: Layer, hidden: Tensor, width: int, *, first_only: bool = False) -> Tensor:
        """A layer's output (T, H) for hidden states (T, H), or (N, H) for the inputs' first tokens only.

        Args:
            width: of an attention head.
        """
        asking = hidden[self._first] if first_only else hidden
        ask, *read = layer.projections().values()
        query = self.split(ask(asking), 1 if first_only else None)
        key, value = (self.split(each(hidden)) for each in read)
        attended = [_attend(*parts, width) for parts in zip(query, key, value, strict=True)]
        return layer.architecture.rest(layer.module, torch.cat(attended), asking)  # type: ignore[misc]

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
