"""Updates as written in the methods' releases, for comparison with the suite's own, which give the same gradients.

The loss is read back after every pass, ascents compute gradients of all parameters and discard them, InfoBERT goes
backwards twice and loops over tokens in Python. Sources: RockyLzy/TextDefender, trainer/pgd.py; zhuchen03/FreeLB,
huggingface-transformers/examples/run_glue_freelb.py; AI-secure/InfoBERT, ANLI/local_robust_trainer.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, pad

from baselines.batch import Batch
from baselines.defense import Defense
from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.info_bert import InfoBert
from baselines.pgd import PGD
from baselines.primitives.encoders import layers_of, shape_of
from baselines.primitives.information import token_draws
from baselines.primitives.weight_masks import WeightMasks
from baselines.robust_ticket import RobustTicket
from baselines.validation import UserError
from method.early_robust import EarlyRobust


def plain_step(defense: Defense, model: nn.Module) -> tuple[Callable[[Batch], float], list[nn.Parameter]]:
    """A function that leaves a batch's gradients in the model, and the parameters it trains.

    Args:
        defense: Fine-tune, PGD, FreeLB or InfoBERT with fresh dropout, or EarlyBERT, EarlyRobust or RobusT for their
            searches; it provides the constants.
    Raises:
        UserError: for any other defense.
    """
    parameters = list(model.parameters())
    if isinstance(defense, FineTune):
        return lambda batch: _fine_tune(model, batch), parameters
    if isinstance(defense, PGD):
        return lambda batch: _pgd(defense, model, batch), parameters
    if isinstance(defense, FreeLB):
        return lambda batch: _freelb(defense, model, batch), parameters
    if isinstance(defense, InfoBert):
        critic = defense.new_critic(model)
        generator = torch.Generator(parameters[0].device).manual_seed(defense.info_seed)
        return lambda batch: _info_bert(defense, model, critic, batch, generator), [*parameters, *critic.parameters()]
    if isinstance(defense, EarlyBert | EarlyRobust):
        return _ticket_search(defense, model)
    if isinstance(defense, RobustTicket):
        masks = WeightMasks(model)
        return lambda batch: _mask_search(defense, model, batch), list(masks.scores)
    raise UserError(
        f"there is no plain loop of {defense.title}; those of Fine-tune, PGD, FreeLB, InfoBERT, EarlyBERT, EarlyRobust "
        f"and RobusT exist"
    )


def padded_to(batch: Batch, tokens: int) -> Batch:
    """The batch (B, L) with padding up to `tokens`."""
    more = tokens - batch.input_ids.shape[1]
    segments = batch.token_type_ids
    return replace(
        batch,
        input_ids=pad(batch.input_ids, (0, more)),
        attention_mask=pad(batch.attention_mask, (0, more)),
        token_type_ids=None if segments is None else pad(segments, (0, more)),
        is_full=batch.is_full if more == 0 else False,
    )


def _fine_tune(model: nn.Module, batch: Batch) -> float:
    loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
    loss.backward()
    return loss.item()


def _start(defense: Any, model: nn.Module, batch: Batch) -> Tensor:
    """Noise on real tokens, (B, L, D), scaled by each text's length."""
    embedded = model.get_input_embeddings()(batch.input_ids)  # type: ignore[operator]
    lengths = batch.attention_mask.sum(1)
    noise = torch.zeros_like(embedded).uniform_(-1, 1) * batch.attention_mask.unsqueeze(2)
    scale = defense.ascent.init_magnitude / torch.sqrt(lengths * embedded.shape[-1])
    return (noise * scale.view(-1, 1, 1)).detach()


def _climbed(defense: Any, delta: Tensor, grad: Tensor) -> Tensor:
    norm = torch.norm(grad.view(grad.shape[0], -1), dim=1).view(-1, 1, 1)
    return (delta + defense.ascent.step_size * grad / torch.clamp(norm, min=1e-8)).detach()


def _perturbed(model: nn.Module, delta: Tensor, batch: Batch, **options: Any) -> Any:
    embedded = model.get_input_embeddings()(batch.input_ids)  # type: ignore[operator]
    return model(inputs_embeds=embedded + delta, **batch.context(), **options)


def _pgd(defense: PGD, model: nn.Module, batch: Batch) -> float:
    delta = _start(defense, model, batch)
    for _ in range(defense.ascent.steps):
        delta.requires_grad_()
        loss = cross_entropy(_perturbed(model, delta, batch).logits, batch.labels)
        loss.backward()
        loss.item()
        delta = _climbed(defense, delta, delta.grad)  # type: ignore[arg-type]
        model.zero_grad()
    loss = cross_entropy(_perturbed(model, delta, batch).logits, batch.labels)
    loss.backward()
    return loss.item()


def _freelb(defense: FreeLB, model: nn.Module, batch: Batch, last: Callable[[], Tensor] | None = None) -> float:
    """`last` returns a term that is added to the last step's loss."""
    delta = _start(defense, model, batch)
    total = 0.0
    for number in range(defense.ascent.steps):
        delta.requires_grad_()
        loss = cross_entropy(_perturbed(model, delta, batch).logits, batch.labels) / defense.ascent.steps
        if last is not None and number == defense.ascent.steps - 1:
            loss = loss + last()
        loss.backward()
        total += loss.item()
        if number < defense.ascent.steps - 1:
            delta = _climbed(defense, delta, delta.grad)  # type: ignore[arg-type]
    return total


def _ticket_search(
    defense: EarlyBert | EarlyRobust, model: nn.Module
) -> tuple[Callable[[Batch], float], list[nn.Parameter]]:
    """Coefficients on heads and on activations, copied to the CPU after each update.

    The release uses `head_mask`, which transformers 5 no longer has: it turns fused attention off and scales a head's
    probabilities. Here fused attention is off too, and the head's context is scaled, which is the same product.
    """
    layers, heads, neurons = shape_of(model)
    device = next(model.parameters()).device
    on_heads, on_neurons = (nn.Parameter(torch.ones(layers, count, device=device)) for count in (heads, neurons))

    def scale_heads(number: int, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context = inputs[0].unflatten(-1, (heads, -1)) * on_heads[number].unsqueeze(-1)  # (B, L, H, width)
        return (context.flatten(-2),)

    for number, layer in enumerate(layers_of(model)):
        layer.linear("attention_output").register_forward_pre_hook(partial(scale_heads, number))
        layer.linear("output").register_forward_pre_hook(
            lambda module, inputs, number=number: (inputs[0] * on_neurons[number],)
        )
    copies = []

    def penalty() -> Tensor:
        return defense.lambda_heads * on_heads.abs().sum() + defense.lambda_neurons * on_neurons.abs().sum()

    def step(batch: Batch) -> float:
        with sdpa_kernel(SDPBackend.MATH):
            if isinstance(defense, EarlyRobust):
                found = _freelb(defense.search, model, batch, penalty)  # type: ignore[arg-type]
            else:
                loss = cross_entropy(model(**batch.inputs()).logits, batch.labels) + penalty()
                loss.backward()
                found = loss.item()
        copies.append([each.detach().cpu().numpy().copy() for each in (on_heads, on_neurons)])
        return found

    return step, [*model.parameters(), on_heads, on_neurons]


def _mask_search(defense: RobustTicket, model: nn.Module, batch: Batch) -> float:
    """FreeLB under sampled masks; the fixed weights' gradients are computed, clipped and never cleared."""
    found = _freelb(defense.search, model, batch)
    if defense.search.max_grad_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), defense.search.max_grad_norm, foreach=False)
    return found


def _info_bert(defense: InfoBert, model: nn.Module, critic: Any, batch: Batch, generator: torch.Generator) -> float:
    delta = _start(defense, model, batch)
    total = 0.0
    for number in range(defense.ascent.steps):
        delta.requires_grad_()
        output = _perturbed(model, delta, batch, output_hidden_states=True)
        first, last = output.hidden_states[0], output.hidden_states[-1]
        loss = cross_entropy(output.logits, batch.labels) / defense.ascent.steps
        loss = loss + defense.beta * _bottleneck(first, batch, generator) / defense.ascent.steps
        loss.backward(retain_graph=True)
        total += loss.item()
        grad = delta.grad.clone()  # type: ignore[union-attr]
        draws = token_draws(batch.attention_mask, generator)
        tokens, texts, order = _anchored(first, last[:, 0], grad, batch, defense, draws)
        tied = -defense.alpha * _shared(critic, tokens[order], texts[order], len(batch)) / defense.ascent.steps
        tied.backward()
        total += tied.item()
        if number < defense.ascent.steps - 1:
            delta = _climbed(defense, delta, grad)
    return total


def _bottleneck(first: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
    lengths = [int(length) for length in batch.attention_mask.sum(1)]
    draws = token_draws(batch.attention_mask, generator)
    rows, drawn = (torch.cat([each[text, :length] for text, length in enumerate(lengths)]) for each in (first, draws))
    partners = (drawn * len(rows)).long().clamp(max=len(rows) - 1)
    return 0.5 * ((rows - rows[partners]) ** 2).sum(-1).mean()


def _anchored(
    first: Tensor, whole: Tensor, grad: Tensor, batch: Batch, defense: InfoBert, draws: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Features of the anchored tokens and of their texts, each (P, D), gathered one by one, in a random order."""
    tokens, texts, drawn = [], [], []
    for text in range(len(batch)):
        length = int(batch.attention_mask[text].sum())
        norms = [torch.norm(grad[text, token]).item() for token in range(length)]
        ranking = sorted(range(length), key=norms.__getitem__)
        kept = [token for rank, token in enumerate(ranking) if defense.low * length <= rank < defense.high * length]
        for token in sorted(kept):
            tokens.append(first[text, token])
            texts.append(whole[text])
            drawn.append(draws[text, token])
    return torch.stack(tokens), torch.stack(texts), torch.stack(drawn).argsort(stable=True)


def _shared(critic: Any, tokens: Tensor, texts: Tensor, chunk: int) -> Tensor:
    """The critic's bound over chunks of pairs, with every pair's features concatenated."""
    bounds = []
    for start in range(0, len(tokens), chunk):
        local, whole = tokens[start : start + chunk], texts[start : start + chunk]
        count = len(local)
        pairs = torch.cat(
            [local.unsqueeze(0).expand(count, -1, -1), whole.unsqueeze(1).expand(-1, count, -1)], dim=-1
        )  # (whole, local, 2 D)
        scores = nn.functional.softplus(critic.score(critic.hidden(pairs).relu())).squeeze(-1)
        bounds.append(scores.diagonal().mean() - (scores.logsumexp(1) - torch.tensor(float(count)).log()).mean())
    return torch.stack(bounds).mean()
