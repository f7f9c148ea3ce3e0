"""Learnable importance coefficients on attention heads and FFN neurons of a stock encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from baselines.primitives.encoders import head_width, layers_of, shape_of
from baselines.primitives.pruning import kept_of


@dataclass(frozen=True)
class Coefficients:
    """A copy of the coefficients at one moment.

    Attributes:
        heads: (layers, H) float32 on the CPU.
        neurons: (layers, F) float32 on the CPU.
    """

    heads: Tensor
    neurons: Tensor


class Importance:
    """Coefficients, initially 1, that scale each head's context and each neuron's activation.

    Forward pre-hooks scale a head's context before the output projection and a neuron's activation before the second
    linear layer, out of place; no bias is scaled. Fused attention stays in use. On a pruned model the
    coefficients keep their unpruned shape, and those of removed structures get no gradient.

    The coefficients are always float32: an update changes them by about a learning rate, too little for half precision.
    Source: Chen et al. 2021 (EarlyBERT), Xi et al. 2022, section 3.1; the releases scale attention probabilities,
    which is the same product.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        layers, heads, neurons = shape_of(model)
        device = next(model.parameters()).device
        self.heads = nn.Parameter(torch.ones(layers, heads, device=device))
        self.neurons = nn.Parameter(torch.ones(layers, neurons, device=device))
        kept = kept_of(model)
        # Indices on the device: a list would be copied there in every pass, and the copy waits for the GPU.
        self._kept_heads = [torch.tensor(each, dtype=torch.long, device=device) for each in kept.heads]
        self._kept_neurons = [torch.tensor(each, dtype=torch.long, device=device) for each in kept.neurons]
        self._width = head_width(model)
        self._handles = []
        for number, layer in enumerate(layers_of(model)):
            for role, hook in (("attention_output", self._scale_heads), ("output", self._scale_neurons)):
                handle = layer.linear(role).register_forward_pre_hook(partial(hook, number))
                self._handles.append(handle)

    def _scale_heads(self, number: int, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context, *others = inputs
        scale = self.heads[number][self._kept_heads[number]].repeat_interleave(self._width)  # (kept heads * width)
        return (context * scale, *others)

    def _scale_neurons(self, number: int, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        activation, *others = inputs
        return (activation * self.neurons[number][self._kept_neurons[number]], *others)

    def parameters(self) -> list[nn.Parameter]:
        """The two matrices of coefficients."""
        return [self.heads, self.neurons]

    def l1(self, heads: float, neurons: float) -> Tensor:
        """The penalty: `heads` * sum of |head coefficients| + `neurons` * sum of |neuron coefficients|, shape ()."""
        return heads * self.heads.abs().sum() + neurons * self.neurons.abs().sum()

    def snapshot(self) -> Coefficients:
        """Copy the coefficients to the CPU; later updates do not change the copy."""
        return Coefficients(*(value.detach().to("cpu", copy=True) for value in self.parameters()))

    def remove(self) -> None:
        """Remove the hooks; the model then computes as with coefficients of 1."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def fold_(self) -> None:
        """Multiply the coefficients into the weights they act on and remove the hooks; the logits do not change."""
        with torch.no_grad():
            for number, layer in enumerate(layers_of(self.model)):
                heads = self.heads[number][self._kept_heads[number]].repeat_interleave(self._width)
                layer.linear("attention_output").weight.mul_(heads)
                layer.linear("output").weight.mul_(self.neurons[number][self._kept_neurons[number]])
        self.remove()
