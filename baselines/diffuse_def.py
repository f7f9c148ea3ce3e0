"""DiffuseDef: a denoiser of hidden states, and answers by copies of them that are noised and denoised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage, StageCost
from baselines.freelb_plus_plus import FreeLBPlusPlus
from baselines.guard import PREFIX, Channel, Guard, InnerGuard, Question, Reader, Row, fresh_noise, padded
from baselines.primitives.encoders import architecture_of, layers_of
from baselines.primitives.substitution import dropout_off
from baselines.settings import inlined
from baselines.validation import require

FIRST_BETA, LAST_BETA = 1e-4, 0.02
TIME_BASE = 10_000.0
NOISED_STEP = 1  # the step, of 0 to T - 1, whose noise a copy gets
COMPANY = 32  # texts that are answered together where a text's answer depends on them
BERT_LAYERS = 12


class Denoiser(nn.Module):
    """Predict the noise in hidden states: one Transformer layer, the time code, two linear layers.

    Args:
        width: D, of the hidden states.
        heads: of the layer's attention; the release has one.
        dropout: of the layer.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, "gelu", layer_norm_eps=1e-12, batch_first=True
        )
        self.out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, hidden: Tensor, step: Tensor, mask: Tensor | None) -> Tensor:
        """The noise (B, L, D) in hidden states (B, L, D) at the diffusion steps (B,).

        Args:
            mask: (B, L), 1 on real tokens; None lets padding be read, as in the release.
        """
        padding = None if mask is None else mask == 0
        code = self.time(time_code(step, self.width))
        return self.out(self.layer(hidden, src_key_padding_mask=padding) + code[:, None])


def time_code(step: Tensor, width: int) -> Tensor:
    """Sines, then cosines of a diffusion step (B,) at falling frequencies: (B, D)."""
    half = width // 2
    frequencies = TIME_BASE ** (-torch.arange(half, device=step.device) / half)
    angles = step[:, None].float() * frequencies
    return pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width - 2 * half))


@dataclass(frozen=True)
class Diffusion:
    """The schedule of T diffusion steps: beta rises linearly from 1e-4 to 0.02.

    Attributes:
        steps: T.
    """

    steps: int

    @property
    def betas(self) -> Tensor:
        """(T,) the share of noise that a step adds."""
        return torch.linspace(FIRST_BETA, LAST_BETA, self.steps, dtype=torch.float64)

    @property
    def kept(self) -> Tensor:
        """(T,) the share of the signal that is left after each step: the product of 1 - beta."""
        return (1 - self.betas).cumprod(0)

    @staticmethod
    def noised(hidden: Tensor, noise: Tensor, kept: Tensor) -> Tensor:
        """Hidden states (B, L, D) with noise (B, L, D), where the shares `kept` (B,) of the signal are left."""
        left = kept.view(-1, 1, 1)
        return left.sqrt() * hidden + (1 - left).sqrt() * noise

    def denoised(self, hidden: Tensor, found: Tensor, step: int, noise: Tensor | None, clamp: float | None) -> Tensor:
        """One step back, given the noise that the denoiser found. Source: Ho et al. 2020, equations 7 and 11.

        Args:
            noise: drawn for the step; None at step 0.
            clamp: bound on the entries of the estimated signal; None for no bound.
        """
        kept, beta = float(self.kept[step]), float(self.betas[step])
        before = float(self.kept[step - 1]) if step > 0 else 1.0
        signal = (hidden - (1 - kept) ** 0.5 * found) / kept**0.5
        if clamp is not None:
            signal = signal.clamp(-clamp, clamp)
        mean = (before**0.5 * beta * signal + (1 - beta) ** 0.5 * (1 - before) * hidden) / (1 - kept)
        return mean if noise is None else mean + (beta * (1 - before) / (1 - kept)) ** 0.5 * noise


@dataclass(frozen=True, kw_only=True)
class Denoising(InnerGuard, key="diffuse_def"):
    """Answer by the mean of copies of the last hidden states, each noised, then denoised in some steps.

    Attributes:
        ensemble: N, copies of the hidden states.
        denoising_steps: S, steps that each copy is denoised, 0 or more and at most T.
        diffusion_steps: T, of the schedule.
        noisy: whether copies are noised, with the noise of the second step (t = 1).
        heads: of the denoiser's attention: 12, or 1 as in the release, which takes the number of layers for it. A width
            that they do not divide has one.
        order: denoising runs "down" from step S - 1 to 0, or "up" from 0 to S - 1 as in the release.
        clamp: bound on the estimated hidden states; None for no bound. The release has 1, which cuts off the large
            coordinates of BERT.
        masked: whether the denoiser leaves padding out; the release reads it.
        mixed: whether the copies of texts that are asked together are mixed up as in the release: the mean of a text is
            then over copies of different texts.
        encoder_layers: of the model, for the cost of an answer.
    """

    ensemble: int = 10
    denoising_steps: int = 5
    diffusion_steps: int = 10
    noisy: bool = True
    heads: int = 12
    order: Literal["down", "up"] = "down"
    clamp: float | None = None
    masked: bool = True
    mixed: bool = False
    encoder_layers: int = BERT_LAYERS

    def __post_init__(self) -> None:
        require(1 <= self.ensemble <= 1000, "DiffuseDef.ensemble", "1 to 1000", self.ensemble)
        require(self.diffusion_steps >= 2, "DiffuseDef.diffusion_steps", "2 or more", self.diffusion_steps)
        steps, most = self.denoising_steps, self.diffusion_steps
        require(0 <= steps <= most, "DiffuseDef.denoising_steps", f"0 to diffusion_steps ({most})", steps)
        require(self.heads >= 1, "DiffuseDef.heads", "1 or more", self.heads)
        require(self.order in ("down", "up"), "DiffuseDef.order", "'down' or 'up'", self.order)
        bound = self.clamp
        require(bound is None or bound > 0, "DiffuseDef.clamp", "positive, or None for no bound", bound)

    @property
    def channel(self) -> Channel:
        """The only pass decides."""
        return "mean"

    @property
    def depends_on_company(self) -> bool:
        """Where copies are mixed, or padding is read."""
        return self.mixed or not self.masked

    def passes(self) -> float:
        """One forward pass, and N S passes of a layer."""
        return 1 + self.ensemble * self.denoising_steps / self.encoder_layers

    def without_noise(self) -> Denoising:
        """One copy that is neither noised nor denoised."""
        return replace(self, ensemble=1, denoising_steps=0, noisy=False, masked=True, mixed=False)

    def denoiser(self, width: int, dropout: float = 0.1) -> Denoiser:
        """A new denoiser for hidden states of this width."""
        return Denoiser(width, self.heads if width % self.heads == 0 else 1, dropout)

    def attach(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Put the saved denoiser back."""
        denoiser = self.denoiser(model.config.hidden_size)  # type: ignore[union-attr,arg-type]
        denoiser.load_state_dict(dict(tensors))
        setattr(model, PREFIX, denoiser.eval().to(next(model.parameters()).device))

    def logits(self, model: nn.Module, questions: Sequence[Question], reader: Reader) -> list[Tensor]:
        """One row of logits for each text; each text is answered by itself, or some together as in the release."""
        together = COMPANY if self.depends_on_company else 1
        found = []
        for start in range(0, len(questions), together):
            asked = questions[start : start + together]
            rows = reader.rows([question.text for question in asked])
            found += list(self._answered(model, rows, [question.draw for question in asked]).split(1))
        return found

    def _answered(self, model: nn.Module, rows: Sequence[Row], draws: Sequence[np.random.Generator]) -> Tensor:
        """Logits (B, C) of B texts."""
        if not architecture_of(model).segments:
            rows = [row._replace(type_ids=()) for row in rows]
        inputs = padded(rows, next(model.parameters()).device)
        hidden = model.base_model(**inputs).last_hidden_state  # type: ignore[operator,union-attr]
        texts, length, width = hidden.shape
        mask = inputs["attention_mask"]
        # Copies of a text lie beside each other; in the release, copies of all texts alternate.
        spread = (lambda each: each.repeat(self.ensemble, *[1] * (each.ndim - 1))) if self.mixed else self._beside
        copies, masks = spread(hidden), spread(mask)

        def noise() -> Tensor:
            drawn = torch.stack([fresh_noise(draw, (self.ensemble, length, width), hidden.device) for draw in draws])
            return (drawn.transpose(0, 1) if self.mixed else drawn).flatten(0, 1)

        diffusion = Diffusion(self.diffusion_steps)
        if self.noisy:
            kept = torch.full((len(copies),), float(diffusion.kept[NOISED_STEP]), device=hidden.device)
            copies = diffusion.noised(copies, noise(), kept)
        steps = range(self.denoising_steps)
        for step in steps if self.order == "up" else reversed(steps):
            at = torch.full((len(copies),), step, device=hidden.device)
            estimate = model.guard(copies, at, masks if self.masked else None)  # type: ignore[operator]
            copies = diffusion.denoised(copies, estimate, step, noise() if step > 0 else None, self.clamp)
        first = copies.view(texts, self.ensemble, length, width).mean(1)[:, 0]
        return architecture_of(model).classify(model, first)  # type: ignore[misc]

    def _beside(self, each: Tensor) -> Tensor:
        return each.repeat_interleave(self.ensemble, dim=0)


# What the release computes in place of the method: each is a setting
RELEASED: Mapping[str, Any] = {"order": "up", "clamp": 1.0, "masked": False, "mixed": True, "heads": 1}


@dataclass(frozen=True, kw_only=True)
class DiffuseDef(Defense, key="diffuse_def"):
    """Train a classifier, then a denoiser of its last hidden states; answer by copies that are noised and denoised.

    Attributes:
        fine_tuning: the defense that trains the classifier, of one stage, with the schedule of DiffuseDef.
        denoising: the guard.
        denoise_epochs: epochs of the denoiser's training; its encoder is frozen.
        denoise_learning_rate: peak rate of the denoiser.
        denoise_weight_decay: its decoupled decay.
        denoise_warmup_ratio: share of its schedule with a rising rate, in [0, 1).
        denoiser_dropout: dropout of the denoiser's layer, in [0, 1).

    Source: Li et al., ACL 2025, arXiv:2407.00248; Nickeilf/DiffuseDef, configs: 100 epochs, 2e-5, decay 1e-6, T = 30
    for AG News and 10 for IMDB. `DiffuseDef.released()` has what the release computes.
    Departures: the last epoch's denoiser is kept, not the best on development texts; the rate falls linearly, without
    restarts; single precision.
    """

    title = "DiffuseDef"
    paper = "Li et al., ACL 2025, arXiv:2407.00248"
    one_stage = False
    task_settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ag_news": {"diffusion_steps": 30},
        "imdb": {"denoiser_dropout": 0.3},
    }

    fine_tuning: Defense = field(default_factory=FreeLBPlusPlus)
    denoising: Denoising = inlined(Denoising())
    denoise_epochs: float = 100
    denoise_learning_rate: float = 2e-5
    denoise_weight_decay: float = 1e-6
    denoise_warmup_ratio: float = 0.02
    denoiser_dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.fine_tuning.one_stage, "DiffuseDef.fine_tuning", "a defense of one stage", self.fine_tuning.key)
        require(self.denoise_epochs > 0, "DiffuseDef.denoise_epochs", "positive", self.denoise_epochs)
        require(0 <= self.denoiser_dropout < 1, "DiffuseDef.denoiser_dropout", "in [0, 1)", self.denoiser_dropout)

    @classmethod
    def released(cls) -> DiffuseDef:
        """The settings of the release: its four departures from a reverse diffusion, and one attention head."""
        return cls().changed(**RELEASED)

    @property
    def needs(self) -> frozenset[Any]:  # type: ignore[override]
        """Those of the classifier's training."""
        return frozenset(self.fine_tuning.needs)

    @property
    def _first(self) -> Defense:
        return replace(self.fine_tuning, **self.schedule())

    def guard(self, model: nn.Module) -> Guard:
        """The noised and denoised copies."""
        return replace(self.denoising, encoder_layers=len(layers_of(model)))

    def answer_passes(self) -> float:
        """For an encoder of twelve layers."""
        return self.denoising.passes()

    def update_passes(self) -> Passes:
        """Of the denoiser's training: one forward pass of the frozen encoder."""
        return Passes(1, 0, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """The classifier's training, then the encoder's forward pass and a layer's forward and full backward pass."""
        denoise = StageCost("denoise", self.denoise_epochs, self.update_passes(), first_layer=Passes(1, 1, 0))
        return (*(replace(each, name="fine_tune") for each in self._first.cost()), denoise)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """The classifier's training, then the denoiser's."""
        for stage in self._first.stages(model):
            yield replace(stage, name="fine_tune")
        denoiser = self.denoising.denoiser(model.config.hidden_size, self.denoiser_dropout)  # type: ignore[union-attr,arg-type]
        setattr(model, PREFIX, denoiser.to(next(model.parameters()).device))
        steps = self.denoising.diffusion_steps
        kept = Diffusion(steps).kept.float().to(next(model.parameters()).device)

        def step(batch: Batch) -> Tensor:
            """The mean square of the error in the noise, over the real tokens; padding counts where it is read."""
            encoder: nn.Module = model.base_model  # type: ignore[assignment]
            with torch.no_grad(), dropout_off(encoder):
                hidden = encoder(**batch.inputs()).last_hidden_state.float()
            at = torch.randint(steps, (len(batch),), device=hidden.device)
            noise = torch.randn_like(hidden)
            mask = batch.attention_mask if self.denoising.masked else None
            found = denoiser(Diffusion.noised(hidden, noise, kept[at]), at, mask)
            error = (found - noise).square().mean(2)  # (B, L)
            loss = error.mean() if mask is None else (error * mask).sum() / mask.sum()
            loss.backward()
            return loss.detach()

        yield Stage(
            "denoise",
            step,
            list(denoiser.parameters()),
            epochs=self.denoise_epochs,
            learning_rate=self.denoise_learning_rate,
            weight_decay=self.denoise_weight_decay,
            warmup_ratio=self.denoise_warmup_ratio,
            max_grad_norm=1.0,
            state=(),
        )
