"""SMART: its distance, its box, its average, and what is left where their weights are zero."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from gradients import assert_equal, gradients, passes
from small_set import SmallSet

from baselines.defense import Progress
from baselines.fine_tune import FineTune
from baselines.primitives.divergence import divergence
from baselines.primitives.perturbation import Ascent, embed, forward
from baselines.smart import SMART, _Average, divergence_to_fixed
from baselines.training import Passes, fit

WIDE = {"radius": 0.05, "noise": 0.01, "step_size": 0.05}


def test_without_its_terms_it_is_fine_tuning(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    assert_equal(gradients(SMART(smoothness=0).objective, model, one), gradients(FineTune().step, model, one))


def test_at_the_text_itself_the_distance_and_its_gradient_are_zero(bert, batch) -> None:
    """Which is why the start has noise; dropout is off."""
    model, one = bert(dropout=0.0), batch()
    delta = torch.zeros_like(embed(model, one)).requires_grad_()
    distance = divergence(forward(model, embed(model, one) + delta, one).logits, model(**one.inputs()).logits.detach())
    assert torch.equal(distance, torch.zeros(4))
    assert torch.equal(torch.autograd.grad(distance.sum(), delta)[0], torch.zeros_like(delta))


def perturbations(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Where each step of the ascent ends."""
    seen, climb = [], Ascent.climb

    def spy(self, delta, grad, mask):
        seen.append(climb(self, delta, grad, mask))
        return seen[-1]

    monkeypatch.setattr(Ascent, "climb", spy)
    return seen


def test_the_perturbation_stays_in_its_box_off_padding_and_sees_no_label(
    bert, batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, one = bert(dropout=0.1), batch()
    seen = perturbations(monkeypatch)
    gradients(SMART(steps=3, **WIDE).objective, model, one)
    own = seen.copy()
    assert len(own) == 3
    for delta in own:
        assert 0 < delta.abs().max() <= 0.05
        assert (delta * (1 - one.attention_mask).unsqueeze(-1) == 0).all()
    seen.clear()
    gradients(SMART(steps=3, **WIDE).objective, model, replace(one, labels=1 - one.labels))
    assert all(torch.equal(first, second) for first, second in zip(own, seen, strict=True))


def test_the_ascent_raises_the_distance(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Averaged over batches, from the noise to one step on."""
    model, ratios = bert(dropout=0.0), []
    for seed in range(8):
        one = batch(seed=seed)
        with monkeypatch.context() as patch:
            seen = perturbations(patch)
            gradients(SMART(**WIDE).objective, model, one)
        with torch.no_grad():
            clean, fixed = model(**one.inputs()).logits, embed(model, one)
            noise = 0.01 * torch.randn_like(fixed) * one.attention_mask.unsqueeze(-1)
            climbed, drawn = (divergence(forward(model, fixed + d, one).logits, clean) for d in (seen[0], noise))
        ratios.append(climbed.mean() / drawn.mean())
    assert torch.stack(ratios).mean() > 1


def test_shared_dropout_leaves_the_perturbation_alone_to_move_predictions(bert, batch) -> None:
    """At the paper's radius the term is next to nothing, unless each pass draws dropout of its own."""
    model, one = bert(dropout=0.3), batch()
    plain = gradients(FineTune().step, model, one)["classifier.weight"]
    shared, fresh = (
        gradients(SMART(dropout=mode).objective, model, one)["classifier.weight"] for mode in ("shared", "fresh")
    )
    assert (shared - plain).norm() < 1e-4 * plain.norm() < 0.01 * (fresh - plain).norm()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    assert passes(SMART(steps=steps).objective, bert(), batch()) == Passes(steps + 2, 2, steps)
    (log,) = fit(SMART(steps=steps, epochs=1), bert(), SmallSet(batch, 2))
    assert log.passes == Passes(2 * (steps + 3), 2 * 2, 2 * steps), "with the averaged model's forward pass"


def test_the_average_follows_the_weights_faster_at_first(bert) -> None:
    model = bert()
    average = _Average(SMART(first_averaging=0.5, averaging=0.75), model)
    before = average.weights["classifier.bias"].clone()
    with torch.no_grad():
        model.classifier.bias += 8
    average.observe(Progress(1, 10, 10, 1e-3))
    torch.testing.assert_close(average.weights["classifier.bias"], before + 4)
    average.observe(Progress(2, 10, 10, 1e-3))
    torch.testing.assert_close(average.weights["classifier.bias"], before + 5)


def test_the_average_is_remembered_by_value(bert) -> None:
    average, fresh = _Average(SMART(), bert(seed=1)), _Average(SMART(), bert(seed=2))
    fresh.restore(average.state())
    assert all(torch.equal(weight, average.weights[name]) for name, weight in fresh.weights.items())
    assert all(weight is not average.weights[name] for name, weight in fresh.weights.items())


def test_the_averaged_model_predicts_without_dropout_and_leaves_the_model_as_it_was(bert, batch) -> None:
    model, one = bert(dropout=0.3), batch()
    average, expected = _Average(SMART(), model), bert(dropout=0.3).eval()(**one.inputs()).logits
    with torch.no_grad():
        model.classifier.weight.zero_()
    model.train()
    state = torch.get_rng_state()
    predicted = average.predict(one)
    assert torch.equal(predicted, expected) and not predicted.requires_grad
    assert torch.equal(state, torch.get_rng_state())
    assert model.classifier.weight.count_nonzero() == 0
    assert all(module.training for module in model.modules())


def test_the_proximal_term_holds_predictions_back(bert, batch) -> None:
    """A heavy one, to an average that hardly follows, keeps the logits nearer to the start than none does."""
    moved = []
    for proximal in (0.0, 50.0):
        model, one = bert(dropout=0.0), batch()
        before = model.eval()(**one.inputs()).logits
        keeping = SMART(epochs=8, learning_rate=1e-3, proximal=proximal, first_averaging=0.999)
        fit(keeping, model, SmallSet(batch, 4))
        moved.append(divergence(model.eval()(**one.inputs()).logits, before).mean())
    assert moved[1] < moved[0] / 2


@pytest.mark.parametrize("lengths", [(2,), (1,), (9, 2)])
def test_short_texts_and_single_batches_work(bert, batch, lengths) -> None:
    assert torch.isfinite(SMART(**WIDE).objective(bert(), batch(lengths)))


def test_bf16_leaves_finite_gradients(bert, batch) -> None:
    model = bert()
    with torch.autocast("cpu", torch.bfloat16):
        SMART(**WIDE).objective(model, batch())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "SMART.steps must be 1 or more, got 0"),
        ({"noise": 0.0}, "SMART.noise must be positive, got 0.0"),
        ({"radius": 0.0}, "Ascent.max_norm must be positive"),
        ({"smoothness": -1.0}, "SMART.smoothness must be 0 or more, got -1.0"),
        ({"averaging": 1.0}, r"SMART.averaging must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SMART(**settings)


def test_the_released_targets_halve_the_gradient_and_leave_the_value() -> None:
    """Near each other, where the distance is quadratic, each side's gradient as a target equals that as an estimate."""
    torch.manual_seed(0)
    first = torch.randn(6, 3, dtype=torch.float64)
    second = first + 0.01 * torch.randn(6, 3, dtype=torch.float64)
    found = []
    for kind in (divergence, divergence_to_fixed):
        sides = [each.clone().requires_grad_() for each in (first, second)]
        value = kind(*sides)
        value.sum().backward()
        found.append((value.detach(), *(side.grad for side in sides)))
    (value, *own), (same, *released) = found
    torch.testing.assert_close(value, same)
    for whole, half in zip(own, released, strict=True):
        assert 1.9 < (whole.norm() / half.norm()).item() < 2.1


def released_gradients(defense: SMART, model, batch) -> None:
    """The step of namisan/mt-dnn in plain PyTorch, on the word embeddings; leaves gradients."""
    embedded = embed(model, batch)
    clean = model(**batch.inputs()).logits
    noise = torch.randn_like(embedded) * defense.noise * batch.attention_mask.unsqueeze(-1)
    for _ in range(defense.steps):
        noise.requires_grad_()
        moved = forward(model, embedded.detach() + noise, batch).logits
        p, y = moved.softmax(-1), clean.detach().softmax(-1)
        rp, ry = (-(1.0 / (each.detach() + 1e-6) - 1 + 1e-6).log() for each in (p, y))
        (grad,) = torch.autograd.grad((p * (rp - ry) * 2).sum(), noise)
        noise = (noise + grad * defense.step_size).detach()
        noise = noise / (noise.abs().max(-1, keepdim=True)[0] + 1e-6)
    moved = forward(model, embed(model, batch) + noise, batch).logits
    both = sum(
        F.kl_div(one.log_softmax(-1), other.detach().softmax(-1), reduction="batchmean")
        for one, other in ((clean, moved), (moved, clean))
    )
    (F.cross_entropy(clean, batch.labels) + defense.smoothness * both).backward()


@pytest.mark.parametrize("steps", [1, 2])
def test_its_released_settings_agree_with_a_plain_loop_of_the_release(bert, batch, steps: int) -> None:
    """But for where the perturbation enters, which the docstring names; sums in another order, hence the tolerance."""
    defense = SMART.released(steps=steps, noise=1e-2, step_size=0.5)
    model, one = bert(dropout=0.0), batch()

    def plain(model, batch):
        released_gradients(defense, model, batch)

    own, released = gradients(defense.objective, model, one), gradients(plain, model, one)
    assert_equal(own, released, rtol=1e-3, atol=1e-6)


def test_the_released_perturbation_reaches_one_in_every_token(bert, batch) -> None:
    model, one = bert(dropout=0.0), batch()
    fixed = embed(model, one).detach()
    delta = (1e-5 * torch.randn_like(fixed) * one.attention_mask.unsqueeze(-1)).requires_grad_()
    clean = model(**one.inputs()).logits.detach()
    climbed = SMART.released().climb(delta, forward(model, fixed + delta, one).logits, clean, one.attention_mask)
    reach = climbed.abs().amax(-1)
    assert (reach[one.attention_mask == 0] == 0).all()
    assert (reach[one.attention_mask == 1] > 0.8).all()
    direction = torch.cosine_similarity(climbed.flatten(), delta.detach().flatten(), dim=0)
    assert direction > 0.9, "what is made large is the random start"
