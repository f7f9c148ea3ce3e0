"""The cost of an update of each method, measured in the training loop and predicted from its passes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from baselines.batch import Batch
from baselines.capture import Graphs
from baselines.defense import Defense
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.info_bert import InfoBert
from baselines.pgd import PGD
from baselines.primitives.pruning import Pruning, prune_, random_coefficients
from baselines.training import Passes, fit
from benchmarks.clock.cost import BERT_BASE, EncoderShape, share_left, update_units
from benchmarks.clock.flops import CountedSteps
from benchmarks.clock.timing import timer_for

WARM_UP_UPDATES = 1
HEAD_SPARSITY, NEURON_SPARSITY = 1 / 6, 0.3


@dataclass(frozen=True)
class StepTiming:
    """The update of one method.

    Attributes:
        method: its title.
        tokens: L, tokens of every text.
        seconds: median training seconds of an update, without warm-up.
        predicted: cost in fine-tuning updates, from the counted passes or from phi.
        passes: passes of one update, counted while it ran.
        off_clock_share: share of the wall time outside every span and every copy.
        flops: of one update, by torch's counter.
        parameters: numbers trained.
    """

    method: str
    tokens: int
    seconds: float
    predicted: float
    passes: Passes
    off_clock_share: float
    flops: int
    parameters: int


@dataclass(frozen=True)
class RandomBatches:
    """A training set that repeats one batch of random tokens; every text has L tokens.

    Attributes:
        batch: the batch.
        updates_per_epoch: how often it is repeated.
    """

    batch: Batch
    updates_per_epoch: int

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The same batch, `updates_per_epoch` times."""
        for _ in range(self.updates_per_epoch):
            yield self.batch


def random_batch(texts: int, tokens: int, vocabulary: int, padded_to: int | None = None) -> Batch:
    """A batch of random token ids and labels, the same for the same sizes.

    Args:
        padded_to: length with padding; None for no padding.
    """
    draw = torch.Generator().manual_seed(tokens)
    ids = torch.randint(1, vocabulary, (texts, tokens), generator=draw)
    mask = torch.ones_like(ids)
    more = (padded_to or tokens) - tokens
    ids, mask = (nn.functional.pad(each, (0, more)) for each in (ids, mask))
    return Batch(ids, mask, torch.randint(0, 2, (texts,), generator=draw))


def random_bert(shape: EncoderShape) -> BertForSequenceClassification:
    """A BERT classifier of the given shape with random weights."""
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.neurons,
        )
    )


def measured_methods() -> dict[str, Defense]:
    """The methods of the cost table with K = 3, for one epoch; their other settings do not affect the time."""
    return {
        "Fine-tune": FineTune(epochs=1),
        "PGD-3": PGD().changed(steps=3, epochs=1),
        "FreeLB-3": FreeLB().changed(steps=3, epochs=1),
        "InfoBERT-3": InfoBert().changed(steps=3, epochs=1),
    }


def as_released() -> dict[str, Defense]:
    """The same methods as implemented in their releases: parameters' gradients in every ascent, two full backwards."""
    return {
        "PGD-3, as released": PGD().changed(steps=3, epochs=1, ascent_backward="full"),
        "InfoBERT-3, as released": InfoBert().changed(steps=3, epochs=1, fused=False),
    }


def pruned_(model: nn.Module) -> nn.Module:
    """The model with a sixth of its heads and 30 % of its neurons removed at random."""
    heads, neurons = random_coefficients(model, 0)
    prune_(model, Pruning(HEAD_SPARSITY, NEURON_SPARSITY).draw(heads, neurons))
    return model


def time_steps(
    *,
    shape: EncoderShape = BERT_BASE,
    lengths: Sequence[int] = (64, 128),
    texts: int = 8,
    updates: int = 5,
    device: str = "cpu",
    precision: Any = "fp32",
    new_graphs: Callable[[], Graphs | None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[StepTiming]:
    """Time each method's update at each length, then plain fine-tuning of a pruned model.

    Args:
        updates: timed updates; the median is taken.
        new_graphs: makes a recorder for the steps of one method; without it, steps run eagerly.
    """

    def timed(title: str, defense: Defense, model: nn.Module, tokens: int) -> StepTiming:
        return _timed(title, defense, model, tokens, texts, updates, device, precision, new_graphs())

    found = []
    for tokens in lengths:
        methods = {**measured_methods(), **as_released()}
        for title, defense in methods.items():
            found.append(timed(title, defense, random_bert(shape), tokens))
            say(f"{title}, {tokens} tokens: {found[-1].seconds:.3f} s an update")
        dense_units = update_units(Passes(1, 1, 0))
        phi = share_left(shape, tokens, HEAD_SPARSITY, NEURON_SPARSITY)
        timing = timed("Fine-tune, pruned", FineTune(epochs=1), pruned_(random_bert(shape)), tokens)
        found.append(replace(timing, predicted=dense_units * phi))
        say(f"Fine-tune, pruned, {tokens} tokens: {found[-1].seconds:.3f} s an update")
    return found


def _timed(
    title: str,
    defense: Defense,
    model: nn.Module,
    tokens: int,
    texts: int,
    updates: int,
    device: str,
    precision: Any,
    graphs: Graphs | None,
) -> StepTiming:
    count = WARM_UP_UPDATES + updates
    batches = RandomBatches(random_batch(texts, tokens, model.config.vocab_size), count)
    model = model.to(device)
    timer = timer_for(device)
    counted = CountedSteps(defense)
    (log,) = fit(counted, model, batches, timer=timer, precision=precision, graphs=graphs)
    readings = timer.readings()
    each = Passes(*(getattr(log.passes, name) // count for name in ("forward", "backward_full", "backward_input")))
    return StepTiming(
        method=title,
        tokens=tokens,
        seconds=statistics.median(timer.series[log.name][WARM_UP_UPDATES:]),
        predicted=update_units(each),
        passes=each,
        off_clock_share=1 - (readings["gpu"] + readings["h2d"]) / readings["wall"],
        flops=counted.counted[log.name].flops,
        parameters=log.parameters,
    )
