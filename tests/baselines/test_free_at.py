"""FreeAT: m updates on a batch, each of whose gradients also moves the perturbation."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes
from small_set import SmallSet

from baselines.fine_tune import FineTune
from baselines.free_at import FreeAT
from baselines.primitives.perturbation import Ascent
from baselines.training import Passes, fit


def first_step(defense: FreeAT):
    """The step of its stage, on a model."""
    return lambda model, batch: next(defense.stages(model)).step(batch)


def test_one_replay_from_zero_is_fine_tuning_with_gradients_halved(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    halved = {name: value / 2 for name, value in gradients(FineTune().step, model, one).items()}
    assert_equal(gradients(first_step(FreeAT().changed(steps=1, init_magnitude=0)), model, one), halved)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_batch_takes_m_passes_and_m_optimiser_updates(
    bert, batch, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates, update = [], torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a, **k: (updates.append(1), update(self, *a, **k))[1])
    (log,) = fit(FreeAT().changed(steps=steps, epochs=1), bert(), SmallSet(batch, 4))
    assert log.passes == Passes(4 * steps, 4 * steps, 0)
    assert (log.updates, len(updates)) == (4, 4 * steps)
    assert passes(first_step(FreeAT().changed(steps=steps)), bert(), batch()) == Passes(1, 1, 0)


def test_a_perturbation_lives_as_long_as_its_batch(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch starts again; its later replays begin where the one before ended."""
    started, climbed = [], []
    start, climb = Ascent.start, Ascent.climb

    def spy_start(self, embedded, mask):
        started.append(start(self, embedded, mask))
        return started[-1].clone()

    def spy_climb(self, delta, grad, mask):
        climbed.append((delta.detach().clone(), climb(self, delta, grad, mask)))
        return climbed[-1][1].clone()

    monkeypatch.setattr(Ascent, "start", spy_start)
    monkeypatch.setattr(Ascent, "climb", spy_climb)
    fit(FreeAT().changed(steps=3, epochs=1), bert(), SmallSet(batch, 2))
    assert (len(started), len(climbed)) == (2, 6)
    for number, (before, _) in enumerate(climbed):
        expected = started[number // 3] if number % 3 == 0 else climbed[number - 1][1]
        assert torch.equal(before, expected)
    assert not torch.equal(started[0], started[1])


def test_a_step_of_the_ascent_is_one_update_stale(bert, batch) -> None:
    """The perturbation moves by the gradient of the weights before their update, which the step does not make."""
    model, one, defense = bert(dropout=0.0), batch(), FreeAT().changed(steps=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    delta = defense.ascent.start(model.get_input_embeddings()(one.input_ids).detach(), one.attention_mask)
    _, moved = defense.replay(model, one, delta.clone())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    lengths = (moved - delta).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, defense.ascent.step_size))
    assert (moved * (1 - one.attention_mask).unsqueeze(-1) == 0).all()


@pytest.mark.parametrize("lengths", [(2,), (1,), (9, 2)])
def test_short_texts_and_single_batches_work(bert, batch, lengths) -> None:
    assert torch.isfinite(first_step(FreeAT())(bert(), batch(lengths)))


def test_bf16_leaves_finite_gradients(bert, batch) -> None:
    model = bert()
    fit(FreeAT(epochs=1), model, SmallSet(batch, 2), precision="bf16")
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"FreeAT.steps must be 1 or more, got 0"):
        FreeAT().changed(steps=0)
