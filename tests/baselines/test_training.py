"""The loop: its schedule, its decay groups, its counters, its clock, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import nn

from baselines.defense import Defense, Stage
from baselines.fine_tune import FineTune
from baselines.free_at import FreeAT
from baselines.freelb import FreeLB
from baselines.training import (
    CountPasses,
    Diverged,
    Indivisible,
    NoTimer,
    Passes,
    _decay_groups,
    _Run,
    fit,
    warmup_then_linear,
)
from baselines.validation import UserError


class Few:
    """Three batches an epoch."""

    updates_per_epoch = 3

    def __init__(self, batch):
        self.batches = [batch(seed=seed) for seed in range(3)]
        self.asked: list[tuple[int, bool]] = []

    def epoch(self, number, shuffle=True):
        self.asked.append((number, shuffle))
        return iter(self.batches)


def test_schedule_rises_then_falls_to_zero() -> None:
    factors = [warmup_then_linear(done, 20, 0.1) for done in range(21)]
    assert factors[:3] == [0.0, 0.5, 1.0]
    assert factors[11] == 0.5
    assert factors[20] == 0.0
    assert warmup_then_linear(25, 20, 0.1) == 0.0
    assert [warmup_then_linear(done, 4, 0.0) for done in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_matrices_decay_and_vectors_do_not(bert) -> None:
    model = bert()
    kept_out = model.classifier.weight
    stage = Stage("s", lambda batch: None, list(model.parameters()), 1, 1e-3, 0.01)
    stage.decayed = tuple(parameter for parameter in stage.decays() if parameter is not kept_out)
    groups = _decay_groups(stage)
    decayed = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        expected = "bias" not in name and "LayerNorm" not in name and parameter is not kept_out
        assert (id(parameter) in decayed) == expected, name


def test_counts_epochs_and_passes(bert, batch) -> None:
    few = Few(batch)
    (log,) = fit(FreeLB().changed(epochs=2.5, steps=2), bert(), few)
    assert (log.updates, len(log.losses), log.passes.forward, log.passes.backward_full) == (7, 7, 14, 14)
    assert few.asked == [(0, True), (1, True), (2, True)]
    assert not log.ended_early


@dataclass(frozen=True, kw_only=True)
class TwoStages(Defense):
    title, paper, key = "Two", "none", "two"

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        plain = FineTune()
        step = lambda batch: plain.step(model, batch)  # noqa: E731
        yield self.stage("first", step, list(model.parameters()), after_update=lambda progress: progress.update == 2)
        yield self.stage("second", step, list(model.parameters()), epochs=0.1, least_updates=4, shuffle=False)


def test_after_update_ends_a_stage_and_least_updates_lengthen_one(bert, batch) -> None:
    few = Few(batch)
    first, second = fit(TwoStages(epochs=1), bert(), few)
    assert (first.updates, first.ended_early) == (2, True)
    assert (second.updates, second.ended_early) == (4, False)
    assert few.asked == [(0, True), (0, False), (1, False)]


def test_stages_and_the_code_between_them_are_on_the_clock(bert, batch) -> None:
    spans: list[str] = []

    class Clock:
        @contextmanager
        def span(self, name):
            spans.append(name)
            yield

        @contextmanager
        def copy(self):
            spans.append("copy")
            yield

    fit(TwoStages(epochs=1), bert(), Few(batch), timer=Clock())
    expected = ["set up", *["copy", "first"] * 2, "after first", *["copy", "second"] * 4, "after second"]
    assert spans == expected


def test_a_loss_that_is_not_finite_is_reported(bert, batch) -> None:
    model = bert()
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    with pytest.raises(Diverged, match="loss of stage 'train' is nan at update 1"):
        fit(FineTune(epochs=1), model, Few(batch))


def test_the_gradient_is_clipped_before_the_update(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    update = torch.optim.AdamW.step

    def watched(self, *arguments, **options):
        gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(torch.cat(gradients).norm())
        return update(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fit(FineTune(epochs=1, max_grad_norm=1e-3), bert(), Few(batch))
    fit(FineTune(epochs=1, max_grad_norm=None), bert(), Few(batch))
    assert all(norm <= 1e-3 * 1.001 for norm in norms[:3])
    assert all(norm > 1e-2 for norm in norms[3:])


def test_one_backward_through_two_graphs_counts_twice_and_a_penalty_not_at_all(bert, batch) -> None:
    model, one = bert(), batch()
    with CountPasses(model, list(model.parameters())) as counted:
        first, second = (model(**one.inputs(), labels=one.labels).loss for _ in range(2))
        torch.autograd.grad(first, model.classifier.weight, retain_graph=True)
        torch.autograd.grad(second, model.get_input_embeddings().weight, retain_graph=True)
        (first + second).backward()
        sum(parameter.square().sum() for parameter in model.parameters()).backward()
    assert counted == Passes(forward=2, backward_full=2, backward_input=1)


def test_a_replayed_batch_is_one_update_of_the_schedule(bert, batch) -> None:
    seen, rates = [], []

    @dataclass(frozen=True, kw_only=True)
    class Replaying(FineTune):
        def stages(self, model: nn.Module) -> Iterator[Stage]:
            def step(batch):
                seen.append((batch.input_ids.sum().item(), model.classifier.weight.detach().clone()))
                return self.step(model, batch)

            yield self.stage("train", step, list(model.parameters()), replays=2)

    (log,) = fit(
        Replaying(epochs=1, warmup_ratio=0),
        bert(),
        Few(batch),
        on_update=lambda stage, progress: rates.append(progress.learning_rate),
    )
    assert [ids for ids, _ in seen[::2]] == [ids for ids, _ in seen[1::2]]
    assert all(not torch.equal(before, after) for (_, before), (_, after) in pairwise(seen))
    assert (log.updates, len(log.losses), log.passes.forward) == (3, 3, 6)
    assert rates == pytest.approx([2e-5, 2e-5 * 2 / 3, 2e-5 / 3])  # up to rounding in the schedule


def test_parts_of_a_batch_add_up_to_its_gradient(bert, batch) -> None:
    """Without dropout the sums are the same but for the order of their terms: some roundings of single precision."""
    found, whole = [], batch()
    for parts in (1, 3, 99):
        model = bert(dropout=0.0)
        (stage,) = FineTune().stages(model)
        loss = _Run(stage, model, Few(batch), NoTimer(), None, parts).accumulated(whole)
        found.append((loss, torch.cat([each.grad.flatten() for each in model.parameters()])))
    for loss, gradient in found[1:]:
        torch.testing.assert_close(loss, found[0][0])
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-6)
    (log,) = fit(FineTune(epochs=1), bert(), Few(batch), parts=3)
    assert log.updates == 3 and log.passes.forward == 9


def test_a_replayed_batch_is_not_cut(bert, batch) -> None:
    with pytest.raises(Indivisible, match="the batches of stage 'train' are replayed and cannot be cut into parts"):
        fit(FreeAT().changed(epochs=1, steps=2), bert(), Few(batch), parts=2)


def without_backward(model, batch):
    return model(batch.input_ids, batch.attention_mask, labels=batch.labels).loss.detach()


def backward_elsewhere(model, batch):
    """Leave gradients on a parameter that the stage does not train."""
    model.elsewhere = nn.Parameter(torch.ones(()))
    (loss := without_backward(model, batch) * model.elsewhere).backward()
    return loss.detach()


def gradients_thrown_away(model, batch):
    (loss := model(batch.input_ids, batch.attention_mask, labels=batch.labels).loss).backward()
    model.zero_grad(set_to_none=True)
    return loss.detach()


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("step", [without_backward, backward_elsewhere, gradients_thrown_away])
def test_a_step_that_trains_nothing_is_refused(bert, batch, step, second: bool, parts: int) -> None:
    class Planted(Defense, key="planted_without_gradient"):
        title, paper = "Planted", "none"

        def stages(self, model):
            trained = list(model.parameters())
            if second:
                yield Stage("first", lambda each: FineTune().step(model, each), trained, 1, 1e-3, 0.0)
            yield Stage("idle", lambda each: step(model, each), trained, 1, 1e-3, 0.0)

    with pytest.raises(UserError, match=r"step of stage 'idle' left no gradient .* call backward\(\) on its loss"):
        fit(Planted(), bert(), Few(batch), parts=parts)
