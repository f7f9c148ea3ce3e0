"""InfoBERT: FreeLB plus an information bottleneck on tokens and a bound that ties anchored tokens to the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.primitives.information import Critic, anchored_bound, anchors, bottleneck_bound, most_anchors
from baselines.primitives.perturbation import Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import added_later, inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class InfoBert(Defense, key="info_bert"):
    """At every point of FreeLB's ascent, limit the information in single tokens and tie the stable ones to [CLS].

    Attributes:
        ascent: K `steps` are loss evaluations per update; the perturbation moves K - 1 times.
        dropout: as in FreeLB.
        alpha: weight of the anchored-feature bound, which is maximised.
        beta: weight of the information-bottleneck bound, which is minimised.
        low, high: which tokens are anchored, by quantiles of the gradient's norm.
        fused: True runs one backward pass for all terms after one for the perturbation; False runs the release's two
            full backward passes, with the same gradients.
        clip_critic: whether clipping includes the critic's gradient; the release clips the model's only.
        decay_critic_biases: whether the critic's biases decay with its weights, as in the release; no other bias
            decays.
        info_seed: seeds the critic, the pairing of tokens and the order of anchors.

    Source: Wang et al., ICLR 2021, and AI-secure/InfoBERT, ANLI/local_robust_trainer.py; values of its ANLI command.
    Departures: the release's defaults for warm-up and decay are replaced by those shared by all methods here.
    """

    title = "InfoBERT"
    paper = "Wang et al., ICLR 2021, arXiv:2010.02329"
    published = {"weight_decay": 1e-5}  # its warm-up is 1,000 updates

    ascent: Ascent = inlined(Ascent(steps=3, step_size=0.04, init_magnitude=0.08))
    dropout: DropoutMode = "shared"
    alpha: float = 5e-3
    beta: float = 5e-3
    low: float = 0.5
    high: float = 0.9
    fused: bool = True
    clip_critic: bool = False
    info_seed: int = 42
    decay_critic_biases: bool = added_later(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "InfoBert.steps", "1 or more", self.ascent.steps)
        require(self.alpha >= 0, "InfoBert.alpha", "0 or more", self.alpha)
        require(self.beta >= 0, "InfoBert.beta", "0 or more", self.beta)
        require(0 <= self.low < self.high <= 1, "InfoBert.low and high", "0 <= low < high <= 1", (self.low, self.high))

    def update_passes(self) -> Passes:
        """K forward passes, each with a backward pass for the loss and one to rank the words."""
        steps = self.ascent.steps
        return Passes(steps, steps, steps) if self.fused else Passes(steps, 2 * steps, 0)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage that trains the model and the critic together; the critic is then discarded."""
        critic = self.new_critic(model)
        generator = torch.Generator(critic.score.weight.device).manual_seed(self.info_seed)
        clipped_here = None if self.clip_critic else self.max_grad_norm

        def step(batch: Batch) -> Tensor:
            loss = self.objective(model, critic, batch, generator)
            if clipped_here is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clipped_here)
            return loss

        bound = self.max_grad_norm if self.clip_critic else None
        parameters = [*model.parameters(), *critic.parameters()]
        stage = self.stage("train", step, parameters, max_grad_norm=bound, state=(generator,))
        if self.decay_critic_biases:
            stage.decayed = (*stage.decays(), critic.hidden.bias, critic.score.bias)
        yield stage

    def new_critic(self, model: nn.Module) -> Critic:
        """A critic that depends on `info_seed` only; the global random state does not change."""
        parameter = next(model.parameters())
        devices = [parameter.device] if parameter.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.info_seed)
            return Critic(model.config.hidden_size).to(parameter.device)  # type: ignore[union-attr,arg-type]

    def objective(self, model: nn.Module, critic: Critic, batch: Batch, generator: torch.Generator) -> Tensor:
        """K forward, K input and K full backward passes: 4K cost units, 5K where not fused."""
        ascent = self.ascent.scaled_to(model)
        delta = ascent.start(embed(model, batch).detach(), batch.attention_mask)
        replay = DropoutReplay(self.dropout, delta.device)
        total = delta.new_zeros(())
        for number in range(self.ascent.steps):
            delta.requires_grad_()
            replay.rewind()
            output = forward(model, embed(model, batch) + delta, batch, output_hidden_states=True)
            first = output.hidden_states[0]  # (B, L, D)
            loss = cross_entropy(output.logits, batch.labels) / self.ascent.steps
            if self.beta > 0:
                bound = bottleneck_bound(first, batch.attention_mask, generator)
                loss = loss + self.beta * bound / self.ascent.steps
            grad = self._ranking_gradient(loss, delta)
            if self.alpha > 0:
                chosen = anchors(grad, batch.attention_mask, self.low, self.high)
                whole = output.hidden_states[-1][:, 0]  # (B, D)
                most = most_anchors(chosen.shape[1], self.low, self.high)
                shared = anchored_bound(critic, first, whole, chosen, len(batch), most, generator)
                tied = -self.alpha * shared / self.ascent.steps
                (loss + tied if self.fused else tied).backward()
                total = total + tied.detach()
            elif self.fused:
                loss.backward()
            total = total + loss.detach()
            if number < self.ascent.steps - 1:
                delta = ascent.climb(delta, grad, batch.attention_mask)
        return total

    def _ranking_gradient(self, loss: Tensor, delta: Tensor) -> Tensor:
        """d loss / d delta, (B, L, D), keeping the graph for the anchors' term."""
        if self.fused:
            return torch.autograd.grad(loss, delta, retain_graph=True)[0]
        loss.backward(retain_graph=True)
        return delta.grad.clone()  # type: ignore[union-attr]
