"""The subset starts from whole numbers, repeats itself to the last bit, and sees what a change of a method does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from baselines.adv_hotflip import AdvHotflip
from baselines.ascc import Ascc
from baselines.augmentation import Augmentation
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts
from baselines.pgd import PGD
from baselines.rift import Rift
from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.attacks.resources import offline_resources
from benchmarks.data.loading import load
from benchmarks.data.tasks import find_task
from benchmarks.regression import subset
from benchmarks.regression.subset import NUDGE, defense_on_subset, exact_classifier, observe
from benchmarks.victims.backbones import find_backbone

SHORT = {"epochs": 0.11, "learning_rate": 3e-3}  # four updates


@pytest.fixture(scope="module")
def seen():
    """Four updates of fine-tuning, attacked with one recipe."""
    return observe(FineTune(**SHORT), recipes=(TEXTFOOLER,))


def test_weights_are_whole_numbers_over_a_power_of_two() -> None:
    for parameter in exact_classifier(find_backbone("minilm").load_tokenizer()).parameters():
        scaled = parameter.detach().double() * 4096 * 4
        assert torch.equal(scaled, scaled.round())


def test_the_same_training_gives_the_same_observation(seen) -> None:
    again = observe(FineTune(**SHORT), recipes=(TEXTFOOLER,))
    assert dataclasses.replace(again, seconds=seen.seconds) == seen


def test_counters_are_those_of_the_training(seen) -> None:
    assert seen.counters["stage train"]["n_forward"] == seen.counters["stage train"]["updates"] == 4
    model = exact_classifier(find_backbone("minilm").load_tokenizer())
    assert seen.counters["model"]["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert seen.counters["model"]["kept_heads"] == [[0, 1, 2, 3]] * 2
    adversarial = observe(PGD().changed(**SHORT, steps=1), recipes=())
    assert adversarial.counters["stage train"]["n_backward_input"] == 4
    assert adversarial.counters["model"]["training_flops"] > 1.5 * seen.counters["model"]["training_flops"]


def test_every_example_has_its_outcome(seen) -> None:
    attacked = [name for name in seen.examples if name.endswith("under TextFooler")]
    assert len(attacked) == subset.ATTACKED and len(seen.examples) == subset.ATTACKED + subset.TEST_TEXTS
    assert set(seen.examples[attacked[0]]) == {"status", "queries", "text"}


def test_a_nudge_moves_every_weight_by_its_share() -> None:
    model = exact_classifier(find_backbone("minilm").load_tokenizer()).double()
    before = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    subset._nudge_(model, 1)
    after = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    moved = (after / before - 1)[before != 0].numpy()
    # the quotient of two doubles is exact to some 1e-16, a ten-thousand-millionth of the nudge
    np.testing.assert_allclose(np.abs(moved), NUDGE, rtol=1e-9)
    assert 0.4 < (moved > 0).mean() < 0.6


@pytest.mark.parametrize("defense", [Ascc(**SHORT, attack_steps=1), AdvHotflip(**SHORT, rounds=1), Rift(**SHORT)])
def test_a_defense_gets_what_it_needs(defense) -> None:
    found = observe(defense, recipes=()).counters["stage train"]
    assert found["n_forward"] == found["updates"] * defense.update_passes().forward


def test_adversarial_texts_are_made_from_training_texts() -> None:
    task, minilm = find_task("demo"), find_backbone("minilm")
    data, tokenizer = load(task, train_limit=100), minilm.load_tokenizer()
    defense = Augmentation(epochs=8, learning_rate=3e-3, share=0.1, added="successful")
    wanted = defense.need(AdversarialTexts)
    assert wanted is not None
    resources = offline_resources()
    made = subset._adversarial(defense, wanted, exact_classifier(tokenizer), tokenizer, data, resources)
    texts = {example.id: example for example in data.train}
    assert 0 < len(made) <= 10
    for example in made:
        source = texts[example.id.removesuffix("-adversarial")]
        assert example.texts != source.texts and example.label == source.label


def test_adversarial_texts_are_trained_on(monkeypatch: pytest.MonkeyPatch, seen) -> None:
    monkeypatch.setattr(subset, "_adversarial", lambda *asked: list(asked[4].train))
    found = observe(Augmentation(**SHORT), recipes=()).counters["stage train"]["updates"]
    assert found > 1.9 * seen.counters["stage train"]["updates"], "twice the texts are twice the updates"


def test_an_unknown_defense_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown defense 'fine_tun'; did you mean 'fine_tune'"):
        defense_on_subset("fine_tun")
