"""FAT: the memory of each text's last ascent, and what it starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.defense import Progress
from baselines.fat import FAT, _Bytes, _History, _Signs
from baselines.fine_tune import FineTune
from baselines.pgd import PGD
from baselines.primitives.perturbation import Ascent
from baselines.training import Passes
from benchmarks.clock.cost import epoch_units, update_passes

CPU = torch.device("cpu")


def new_history(fat: FAT) -> _History:
    return _History(_Signs() if fat.interval == 1 else _Bytes(), CPU)


def step(fat: FAT, history: _History | None = None):
    """A step with a given memory, or in the first epoch."""
    return lambda model, one: fat.objective(model, one, history or new_history(fat))


def test_without_movement_it_is_fine_tuning(bert, rich_batch) -> None:
    model, one, still = bert(dropout=0.1), rich_batch(), FAT().changed(step_size=0, init_magnitude=0)
    assert_equal(gradients(step(still), model, one), gradients(FineTune().step, model, one))


def test_in_the_first_epoch_it_is_pgd(bert, rich_batch) -> None:
    model, one = bert(dropout=0.1), rich_batch()
    pgd = PGD(ascent=FAT().ascent)
    assert_equal(gradients(step(FAT()), model, one), gradients(pgd.step, model, one))


def test_the_release_s_full_backward_gives_the_same(bert, rich_batch) -> None:
    model, one = bert(dropout=0.1), rich_batch()
    assert_equal(gradients(step(FAT(ascent_backward="full")), model, one), gradients(step(FAT()), model, one))


@pytest.fixture
def ascents(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Where each ascent starts and ends, as they come."""
    seen, climb = [], Ascent.climb

    def spy(self, delta, grad, mask):
        seen.append((delta.detach().clone(), climb(self, delta, grad, mask)))
        return seen[-1][1]

    monkeypatch.setattr(Ascent, "climb", spy)
    return seen


@pytest.mark.parametrize("interval", [1, 2])
def test_a_text_s_ascent_is_remembered(bert, rich_batch, ascents, interval: int) -> None:
    """One step leaves alpha g / |g|: its signs, or its values to half a byte's step."""
    fat, one = FAT(interval=interval), rich_batch()
    history = new_history(fat)
    gradients(step(fat, history), bert(), one)
    ((start, end),) = ascents
    climbed, kept = end - start, history.kept.read(one)
    torch.testing.assert_close(climbed.flatten(1).norm(dim=1), torch.full((4,), 0.2))
    if interval == 1:
        assert torch.equal(kept * climbed, climbed.abs())
    else:
        half = climbed.abs().amax(-1, keepdim=True) / 254
        assert ((kept - climbed).abs() <= half * 1.01).all()
    assert not (kept * (1 - one.attention_mask).unsqueeze(-1)).any()


def test_the_next_epoch_starts_with_the_signs_whatever_the_order(bert, rich_batch, ascents) -> None:
    fat, one, model = FAT(), rich_batch(), bert()
    history = new_history(fat)
    gradients(step(fat, history), model, one)
    signs = history.kept.read(one)
    history.observe(Progress(1, 1, 2, 0.0))
    order = torch.tensor([2, 0, 3, 1])
    shuffled = replace(one, **{name: getattr(one, name)[order] for name in ("input_ids", "attention_mask", "labels")})
    shuffled = replace(shuffled, token_type_ids=one.token_type_ids[order], places=one.places[order])
    gradients(step(fat, history), model, shuffled)
    start = ascents[1][0]
    assert torch.equal(start.sign(), signs[order])
    assert start.abs().max() <= 0.05 and start.flatten(1).norm(dim=1).max() <= 0.05


def test_between_its_epochs_it_trains_on_what_it_remembers(bert, rich_batch, ascents) -> None:
    fat, one = FAT(interval=2), rich_batch()
    history = new_history(fat)
    gradients(step(fat, history), bert(), one)
    history.observe(Progress(1, 1, 3, 0.0))
    assert passes(step(fat, history), bert(), one) == Passes(1, 1, 0) and len(ascents) == 1
    history.observe(Progress(2, 1, 3, 0.0))
    assert passes(step(fat, history), bert(), one) == Passes(2, 1, 1) and len(ascents) == 2


@pytest.mark.parametrize("kept", [_Signs, _Bytes])
def test_the_memory_is_restored(rich_batch, kept: type) -> None:
    one, history, fresh = rich_batch(), _History(kept(), CPU), _History(kept(), CPU)
    history.kept.write(one, torch.randn(4, 9, 12))  # which is no multiple of eight
    history.epoch = 3
    fresh.restore(history.state())
    assert fresh.epoch == 3 and torch.equal(fresh.kept.read(one), history.kept.read(one))
    assert fresh.kept.read(one).shape == (4, 9, 12)


def test_signs_take_a_bit(rich_batch) -> None:
    signs, one = _Signs(), rich_batch()
    signs.write(one, torch.randn(4, 9, 32))
    assert signs.table.shape == (4 * 9 + 1, 4) and signs.table.dtype == torch.uint8


@pytest.mark.parametrize("steps", [1, 2])
def test_its_passes_are_those_of_the_cost_table(bert, rich_batch, steps: int) -> None:
    fat = FAT().changed(steps=steps)
    assert passes(step(fat), bert(), rich_batch()) == update_passes(fat) == Passes(steps + 1, 1, steps)


def test_epochs_without_ascents_cost_what_fine_tuning_does() -> None:
    assert epoch_units(FAT(epochs=30)) == pytest.approx(50)
    assert epoch_units(FAT(epochs=10, interval=3)) == pytest.approx(4 * 5 / 3 + 6)


def test_a_batch_without_places_is_refused(bert, batch) -> None:
    with pytest.raises(ValueError, match="FAT needs batches that name the places of their tokens in the training set"):
        step(FAT())(bert(), batch())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "FAT.steps must be 1 or more, got 0"),
        ({"interval": 0}, "FAT.interval must be 1 or more, got 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FAT().changed(**settings)
