"""Smooth substitution: a token becomes a point in the convex hull of its substitutes' embeddings.

A point of the hull is given by a weight for each substitute. The weights are the softmax of scores; an adversary climbs
along the gradient of the scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div

from baselines.batch import Batch
from baselines.validation import UserError

Backward = Literal["input", "full"]

UNAVAILABLE = -500.0  # score of an empty slot, as in RIFT's release: its softmax is 0 in float32, its entropy finite


def substitutes_of(batch: Batch) -> Tensor:
    """The batch's substitutes, (B, L, S).

    Raises:
        UserError: if the batch was made for a defense that does not need them.
    """
    if batch.substitutes is None:
        raise UserError("this defense needs batches with substitutes, got one without; put Substitutes() in its needs")
    return batch.substitutes


def available(substitutes: Tensor) -> Tensor:
    """Slots that can be chosen, (B, L, S) bool: the token itself in slot 0, and every other token."""
    usable = substitutes != substitutes[..., :1]
    usable[..., 0] = True
    return usable


def start_scores(usable: Tensor, mask: Tensor, magnitude: float) -> Tensor:
    """Random start scores, (B, L, S), a leaf tensor that requires its gradient.

    Args:
        usable: (B, L, S) bool. mask: (B, L), 1 on real tokens.
        magnitude: multiple of the standard deviation sqrt(2 / (tokens x slots)); 0 starts at equal weights.
    Departures: the tokens of each text are counted; the releases count the padding too.
    """
    draw = torch.randn if magnitude > 0 else torch.zeros
    noise = draw(usable.shape, device=usable.device)
    entries = mask.sum(1).clamp(min=1).float() * usable.shape[-1]  # (B,)
    return (noise * magnitude * (2 / entries).sqrt().view(-1, 1, 1)).requires_grad_()


def hull_weights(scores: Tensor, usable: Tensor) -> Tensor:
    """Weights (B, L, S) of the substitutes: 0 or more, sum 1 over S, exactly 0 for unavailable slots."""
    return scores.masked_fill(~usable, UNAVAILABLE).softmax(-1)


def entropy(scores: Tensor, usable: Tensor) -> Tensor:
    """Entropy of the weights in nats, (B, L); 0 if one word has all the weight."""
    logs = scores.masked_fill(~usable, UNAVAILABLE).log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


def scores_gradient(model: nn.Module, loss: Tensor, scores: Tensor, backward: Backward) -> Tensor:
    """d loss / d scores, (B, L, S), set to zero for a text with an entry that is not finite.

    Args:
        backward: "input" computes the scores' gradient only; "full" also computes the parameters' gradients and
            discards them. The parameters have no gradients before and after.
    """
    if backward == "input":
        grad = torch.autograd.grad(loss, scores)[0]
    else:
        scores.grad = None
        loss.backward()
        for parameter in model.parameters():
            parameter.grad = None
        grad = scores.grad  # type: ignore[assignment]
    sound = torch.isfinite(grad).all(-1).all(-1).view(-1, 1, 1)
    return torch.where(sound, grad, 0.0)


def mix(weights: Tensor, vectors: Tensor) -> Tensor:
    """The point of the hull, (B, L, D), from weights (B, L, S) and the substitutes' vectors (B, L, S, D)."""
    return torch.einsum("bls,blsd->bld", weights.to(vectors.dtype), vectors)


def divergence(clean: Tensor, other: Tensor) -> Tensor:
    """KL(softmax(clean) || softmax(other)) of logits (B, C), summed over texts, shape (); both carry a gradient."""
    return kl_div(other.float().log_softmax(-1), clean.float().log_softmax(-1), reduction="sum", log_target=True)


def substitute_words(model: nn.Module, batch: Batch) -> Tensor:
    """Word embeddings of all substitutes, (B, L, S, D)."""
    return model.get_input_embeddings()(substitutes_of(batch))  # type: ignore[operator]


def substitute_features(model: nn.Module, batch: Batch) -> Tensor:
    """Output of the embedding layer for each substitute in its position, (B, L, S, D), LayerNorm included."""
    others = substitutes_of(batch)
    texts, length, slots = others.shape
    ids = others.transpose(1, 2).reshape(texts * slots, length)
    segments: dict[str, Tensor] = {}
    if batch.token_type_ids is not None:
        segments["token_type_ids"] = batch.token_type_ids.repeat_interleave(slots, dim=0)
    features = model.base_model.embeddings(input_ids=ids, **segments)  # type: ignore[union-attr,operator]
    return features.view(texts, slots, length, -1).transpose(1, 2)


@contextmanager
def embedded_as(model: nn.Module, mixed: Tensor) -> Iterator[None]:
    """While entered, the model's embedding layer returns `mixed` (B, L, D) for any input."""
    layer: nn.Module = model.base_model.embeddings  # type: ignore[union-attr,assignment]
    handle = layer.register_forward_hook(lambda module, arguments, output: mixed)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def dropout_off(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode while entered, then restore the mode of every module."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def read(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and text features (B, D) of one forward pass; see `text_feature`."""
    outputs: list[Any] = []
    encoder: nn.Module = model.base_model  # type: ignore[assignment]
    handle = encoder.register_forward_hook(lambda module, arguments, output: outputs.append(output))
    try:
        logits = model(**batch.inputs()).logits
    finally:
        handle.remove()
    return logits, text_feature(outputs[0])


def text_feature(output: Any) -> Tensor:
    """One feature per text, (B, D): the encoder's pooled output, or [CLS] if it has no pooler."""
    pooled = getattr(output, "pooler_output", None)
    return output.last_hidden_state[:, 0] if pooled is None else pooled
