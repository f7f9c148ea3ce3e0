"""DiffuseDef: its schedule, its denoiser, and the four departures of its release."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.diffuse_def import Denoiser, Denoising, DiffuseDef, Diffusion, time_code
from baselines.fine_tune import FineTune
from baselines.guard import Question, put_guard
from benchmarks.contract.small import small_bert, small_texts, small_tokenizer
from benchmarks.victims.guarded import victim_of

TEXTS = small_texts()


def victim(guard: Denoising):
    """A random model with a random denoiser, behind a guard."""
    model = small_bert()
    torch.manual_seed(1)
    model.guard = guard.denoiser(32).eval()
    put_guard(model, guard)
    return victim_of(model, small_tokenizer(), max_length=32)


def asked(victim, texts) -> np.ndarray:
    return victim.judged(texts, [("a", number) for number in range(len(texts))]).shown


@pytest.mark.parametrize(
    ("steps", "deviations"),
    [(30, (0.010, 0.030, 0.049, 0.067, 0.086)), (10, (0.010, 0.049, 0.083, 0.117, 0.150))],
)
def test_the_noise_of_the_first_steps_is_small(steps, deviations) -> None:
    assert (1 - Diffusion(steps).kept).sqrt()[:5].tolist() == pytest.approx(deviations, abs=5e-4)


def test_a_step_back_with_the_true_noise_at_step_0_gives_the_hidden_states() -> None:
    diffusion, (hidden, noise) = Diffusion(10), torch.randn(2, 3, 4, 8)
    noised = diffusion.noised(hidden, noise, diffusion.kept[:1].float().expand(3))
    assert torch.allclose(diffusion.denoised(noised, noise, 0, None, None), hidden, atol=1e-5)
    clamped = diffusion.denoised(noised * 9, noise, 0, None, 1.0)
    assert float(clamped.abs().max()) <= 1 + 1e-6, "at step 0 the clamp cuts the hidden states themselves"


def test_a_step_back_is_the_posterior_of_ho_et_al() -> None:
    diffusion, step = Diffusion(10), 3
    betas, kept = diffusion.betas, diffusion.kept
    hidden, signal = torch.randn(1, 1, 4), torch.randn(1, 1, 4)
    found = (hidden - kept[step].sqrt() * signal) / (1 - kept[step]).sqrt()
    before = kept[step - 1]
    expected = (before.sqrt() * betas[step] * signal + (1 - betas[step]).sqrt() * (1 - before) * hidden) / (
        1 - kept[step]
    )
    moved = diffusion.denoised(hidden, found.float(), step, torch.ones(1, 1, 4), None)
    spread = (betas[step] * (1 - before) / (1 - kept[step])).sqrt()
    assert torch.allclose(moved, (expected + spread).float(), atol=1e-5)


def test_the_time_code_tells_steps_apart() -> None:
    code = time_code(torch.arange(3), 8)
    assert code.shape == (3, 8) and code[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1] and len(code.unique(dim=0)) == 3
    assert time_code(torch.arange(2), 7).shape == (2, 7)


def test_padding_does_not_reach_the_noise_of_a_masked_denoiser() -> None:
    torch.manual_seed(0)
    denoiser, hidden, at = Denoiser(8, 2).eval(), torch.randn(1, 5, 8), torch.tensor([2])
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    other = hidden.clone()
    other[:, 3:] += 1
    with torch.no_grad():
        assert torch.allclose(denoiser(hidden, at, mask)[:, :3], denoiser(other, at, mask)[:, :3], atol=1e-6)
        assert not torch.allclose(denoiser(hidden, at, None)[:, :3], denoiser(other, at, None)[:, :3], atol=1e-3)


def test_permuting_texts_permutes_the_answers_and_not_those_of_the_release() -> None:
    corrected, released = victim(Denoising()), victim(Denoising(mixed=True))
    order = [2, 0, 4, 1, 3]
    mixed = [TEXTS[number] for number in order]
    assert np.array_equal(asked(corrected, mixed), asked(corrected, TEXTS)[order])
    assert np.abs(asked(released, mixed) - asked(released, TEXTS)[order]).max() > 1e-3


def test_the_release_gives_twenty_texts_two_answers() -> None:
    """B = 20 texts and N = 10 copies laid out copy by copy and read text by text: each mean is over ten texts."""
    texts = [(f"w{20 + number} w{60 + number}",) for number in range(20)]
    quiet = Denoising(ensemble=10, denoising_steps=0, noisy=False, mixed=True)
    answers = asked(victim(quiet), texts)
    assert len(np.unique(answers.round(5), axis=0)) == 2
    alone = np.concatenate([asked(victim(quiet), [text]) for text in texts])
    assert len(np.unique(alone.round(5), axis=0)) == 20


@pytest.mark.parametrize("change", [{"order": "up"}, {"clamp": 1.0}, {"heads": 1}, {"ensemble": 3}, {"noisy": False}])
def test_each_setting_changes_the_answer(change) -> None:
    usual = Denoising(heads=4)
    assert np.abs(asked(victim(usual), TEXTS[:2]) - asked(victim(replace(usual, **change)), TEXTS[:2])).max() > 1e-6


def test_padding_that_is_read_changes_answers_in_company_alone() -> None:
    masked, reading = victim(Denoising(denoising_steps=3)), victim(Denoising(denoising_steps=3, masked=False))
    assert np.allclose(asked(masked, TEXTS[:1]), asked(reading, TEXTS[:1]), atol=1e-5)
    assert not np.allclose(asked(masked, TEXTS)[0], asked(reading, TEXTS)[0], atol=1e-5)


def test_its_cost_is_that_of_its_stages_and_of_its_answers(bert) -> None:
    defense = DiffuseDef()
    assert [cost.name for cost in defense.cost()] == ["fine_tune", "denoise"]
    assert defense.answer_passes() == pytest.approx(1 + 50 / 12)
    assert defense.guard(bert()).passes() == 1 + 50 / 2, "the small model has two layers"
    released = DiffuseDef.released().denoising
    assert (released.order, released.clamp, released.masked, released.mixed, released.heads) == (
        "up",
        1,
        False,
        True,
        1,
    )


def test_the_encoder_is_frozen_while_the_denoiser_learns(bert, batch) -> None:
    model = bert()
    stages = replace(DiffuseDef(), fine_tuning=FineTune()).stages(model)
    assert next(stages).name == "fine_tune"
    stage = next(stages)
    loss = stage.step(batch())
    assert stage.name == "denoise" and 0.5 < float(loss) < 2.5, "the noise has variance 1"
    assert all(parameter.grad is not None for parameter in stage.parameters)
    own = {id(parameter) for parameter in stage.parameters}
    assert not any(parameter.grad is not None for parameter in model.parameters() if id(parameter) not in own)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"denoising_steps": 11}, r"DiffuseDef\.denoising_steps must be 0 to diffusion_steps \(10\), got 11"),
        ({"clamp": 0.0}, r"DiffuseDef\.clamp must be positive"),
        ({"order": "sideways"}, "DiffuseDef.order must be 'down' or 'up'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        DiffuseDef().changed(**settings)


def test_questions_have_their_own_draws() -> None:
    shared = victim(Denoising())
    questions = [Question(TEXTS[0], np.random.default_rng(seed)) for seed in (1, 1, 2)]
    first, again, other = (each[0] for each in shared.pass_logits(questions))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
