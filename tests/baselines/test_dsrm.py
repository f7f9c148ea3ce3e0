"""DSRM: the virtual update, the slopes of the held-out loss, and the weights that lift a batch to the level."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from gradients import assert_equal, gradients
from small_set import SmallSet
from torch.nn.attention import SDPBackend, sdpa_kernel

from baselines import dsrm
from baselines.batch import Batch
from baselines.dsrm import DSRM, _Adam
from baselines.fine_tune import FineTune
from baselines.primitives.perturbation import DropoutReplay
from baselines.training import fit
from benchmarks.clock.cost import batch_units, epoch_units

LIFTED = DSRM(level=2.0)  # above the loss of a random model
TRACE = {"reweighted": 0}


@pytest.fixture
def pair(batch):
    """A batch of four texts with eight held-out ones, as a factory."""

    def make(**options) -> Batch:
        return replace(batch(**options), held_out=batch((7, 4, 9, 6, 5, 8, 3, 6), seed=9))

    return make


def step(defense: DSRM, adam: _Adam | None = None):
    def run(model, one):
        with sdpa_kernel(SDPBackend.MATH):
            return defense.objective(model, one, adam or _Adam(1e-2), dict(TRACE))

    return run


def with_moments(model: torch.nn.Module, pair) -> tuple[torch.optim.AdamW, _Adam]:
    """The optimiser of a training resumed after two updates of fine-tuning, with decay, and what reads it."""
    decayed, others = ([p for p in model.parameters() if (p.ndim > 1) == is_matrix] for is_matrix in (True, False))
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer, resumed = (torch.optim.AdamW(groups, lr=1e-2) for _ in range(2))
    adam = _Adam(5.0)
    adam.read(resumed)
    for seed in (1, 2):
        FineTune().step(model, pair(seed=seed))
        optimizer.step()
        optimizer.zero_grad()
    resumed.load_state_dict(optimizer.state_dict())
    return resumed, adam


def test_above_the_level_it_is_fine_tuning(bert, pair) -> None:
    model, one = bert(dropout=0.1), pair()
    with sdpa_kernel(SDPBackend.MATH):
        plain = gradients(FineTune().step, model, one)
    assert_equal(gradients(step(DSRM()), model, one), plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("lean", [True, False])
def test_the_reweighted_loss_is_the_level(bert, pair, lean: bool) -> None:
    """Unless a weight is cut off, which a level near the loss avoids."""
    model, one = bert(dropout=0.0), pair()
    _, adam = with_moments(model, pair)
    level = 1.02 * float(FineTune().step(model, one))
    loss = step(DSRM(level=level, lean=lean), adam)(model, one)
    assert float(loss) == pytest.approx(level, abs=1e-6)


def test_the_virtual_update_is_adamw_s(bert, pair) -> None:
    model, one = bert(dropout=0.0), pair()
    optimizer, adam = with_moments(model, pair)
    FineTune().step(model, one)
    ahead = {name: adam.update(weight, weight.grad) for name, weight in model.named_parameters()}
    optimizer.step()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(ahead[name], weight.detach(), rtol=1e-5, atol=1e-6)


def test_lean_slopes_are_those_of_a_differentiable_update(bert, pair) -> None:
    model, one = bert(dropout=0.0), pair()
    _, adam = with_moments(model, pair)
    found = []
    with sdpa_kernel(SDPBackend.MATH):
        for slopes in (DSRM().lean_slopes, DSRM().released_slopes):
            losses = dsrm.loss_of(model, dict(model.named_parameters()), one)
            found.append(slopes(model, one, losses, adam, DropoutReplay("shared", losses.device)))
    lean, released = found
    assert released.abs().max() > 1e-4
    torch.testing.assert_close(lean, released, rtol=1e-4, atol=1e-5)


def test_the_forward_mode_pass_has_the_batch_s_dropout_masks(bert, pair, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, loss_of = [], dsrm.loss_of
    monkeypatch.setattr(dsrm, "loss_of", lambda *given: seen.append(loss_of(*given)) or seen[-1])
    model, one = bert(dropout=0.3).train(), pair()
    torch.manual_seed(0)
    step(LIFTED)(model, one)
    torch.manual_seed(0)
    with sdpa_kernel(SDPBackend.MATH):
        own = torch.nn.functional.cross_entropy(model(**one.inputs()).logits, one.labels, reduction="none")
    assert len(seen) == 2, "the held-out texts, then the batch"
    torch.testing.assert_close(seen[1].detach(), own.detach())


def test_weights_follow_the_slopes_within_their_bounds() -> None:
    slopes, losses = torch.tensor([0.3, -0.1]), torch.tensor([0.5, 0.1])
    weights = DSRM(level=0.4).weights(slopes, losses)
    # 0.1 / (0.15 - 0.01) * 2 * slope + 1
    torch.testing.assert_close(weights, torch.tensor([1.42857, 0.857143]))
    assert DSRM(level=100.0).weights(slopes, losses).tolist() == [30.0, -30.0]


def test_without_signs_no_shift_lowers_the_held_out_loss() -> None:
    slopes, losses = torch.tensor([-0.3, 0.1]), torch.tensor([0.05, 0.01])
    assert DSRM().weights(slopes, losses)[0] > 1 > DSRM().weights(slopes, losses)[1]
    assert DSRM(signed=False).weights(slopes, losses).tolist() == [1.0, 1.0]


def test_a_training_reads_its_optimiser_and_counts_what_it_reweights(bert, pair, monkeypatch) -> None:
    read = []
    monkeypatch.setattr(_Adam, "read", lambda self, optimizer: read.append(optimizer))
    model = bert()
    (log,) = fit(replace(LIFTED, epochs=2), model, SmallSet(pair, 3))
    assert log.trace == {"reweighted": 6}
    assert len(read) == 1 and len(read[0].state) == len(list(model.parameters()))
    (log,) = fit(DSRM(epochs=1), copy.deepcopy(model), SmallSet(pair, 3))
    assert log.trace == {"reweighted": 0}


def test_it_costs_most_where_every_batch_is_reweighted() -> None:
    assert batch_units(DSRM()) == pytest.approx(13 / 3) and batch_units(DSRM.released()) == 5
    assert epoch_units(DSRM()) == pytest.approx(0.9 * 10 * 13 / 3)


def test_a_batch_without_held_out_texts_is_refused(bert, batch) -> None:
    with pytest.raises(ValueError, match="DSRM needs batches with held-out texts, got one without"):
        step(LIFTED)(bert(), batch())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"level": 0.0}, "DSRM.level must be positive, got 0.0"),
        ({"held_out": 1.0}, r"DSRM.held_out must be in \(0, 1\), got 1.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DSRM(**settings)
