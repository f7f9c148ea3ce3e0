"""InfoBERT: without its terms it is FreeLB; with them the critic learns and the bound falls."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.freelb import FreeLB
from baselines.info_bert import InfoBert
from baselines.primitives.information import bottleneck_bound
from baselines.training import Passes, fit


def step_of(defense: InfoBert, model):
    critic = defense.new_critic(model)
    generator = torch.Generator().manual_seed(1)
    return lambda model, batch: defense.objective(model, critic, batch, generator)


@pytest.mark.parametrize("fused", [True, False])
def test_without_its_terms_it_is_freelb(bert, batch, fused: bool) -> None:
    """Fused, the gradient by the perturbation comes from a pass of its own, and all is still bit-equal."""
    model, one = bert(dropout=0.1), batch()
    plain = InfoBert(alpha=0, beta=0, fused=fused)
    freelb = FreeLB().changed(steps=3, step_size=0.04, init_magnitude=0.08)
    assert_equal(gradients(step_of(plain, model), model, one), gradients(freelb.step, model, one))


def test_the_fused_backward_gives_the_released_gradients(bert, batch) -> None:
    """Equal by linearity; sums in another order, hence the tolerance."""
    model, one = bert(dropout=0.1), batch()
    fused, released = (InfoBert(fused=kind, alpha=0.5, beta=0.1) for kind in (True, False))
    assert_equal(
        gradients(step_of(fused, model), model, one),
        gradients(step_of(released, model), model, one),
        rtol=1e-3,
        atol=1e-6,
    )


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    model = bert()
    assert passes(step_of(InfoBert().changed(steps=steps), model), model, batch()) == Passes(steps, steps, steps)
    released = InfoBert().changed(steps=steps, fused=False)
    assert passes(step_of(released, model), model, batch()) == Passes(steps, 2 * steps, 0)


def test_the_critic_is_trained(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    create = InfoBert.new_critic
    monkeypatch.setattr(InfoBert, "new_critic", lambda self, model: made.append(create(self, model)) or made[-1])
    defense = InfoBert(epochs=1, learning_rate=1e-2, warmup_ratio=0)
    model = bert()

    class One:
        updates_per_epoch = 1

        def epoch(self, number, shuffle=True):
            yield batch()

    before = create(defense, model)
    fit(defense, model, One())
    assert not torch.equal(made[0].hidden.weight, before.hidden.weight)


def test_a_weight_on_the_bottleneck_lowers_it(bert, batch) -> None:
    """The same training with and without beta: the bound on what tokens say ends lower with it."""

    class Set:
        updates_per_epoch = 6

        def epoch(self, number, shuffle=True):
            return iter(batch(seed=seed) for seed in range(6))

    ends = []
    for beta in (0.0, 1.0):
        model = bert(dropout=0.0)
        torch.manual_seed(0)
        fit(InfoBert(epochs=2, learning_rate=1e-3, beta=beta, alpha=0), model, Set())
        with torch.no_grad():
            features = model(**batch().inputs(), output_hidden_states=True).hidden_states[0]
        ends.append(bottleneck_bound(features, batch().attention_mask, torch.Generator().manual_seed(0)))
    assert ends[1] < ends[0]


def test_texts_too_short_for_anchors_work(bert, batch) -> None:
    model = bert()
    assert torch.isfinite(step_of(InfoBert(), model)(model, batch((1, 1))))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"low": 0.9, "high": 0.5}, "0 <= low < high <= 1"), ({"alpha": -1.0}, "InfoBert.alpha must be 0 or more")],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        InfoBert(**settings)


def test_the_critic_s_biases_decay_as_released_where_asked(bert) -> None:
    model = bert()
    for asked, biases in ((False, 0), (True, 2)):
        stage = next(InfoBert(decay_critic_biases=asked).stages(model))
        known = {id(parameter) for parameter in model.parameters()}
        decayed = [p for p in stage.decays() if id(p) not in known]
        assert sum(p.ndim == 1 for p in decayed) == biases
        assert sum(p.ndim > 1 for p in decayed) == 2
        assert not [p for p in stage.decays() if id(p) in known and p.ndim == 1]
