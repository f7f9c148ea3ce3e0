"""RIFT: without its terms it is fine-tuning; its adversary moves predictions; its teacher stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.batch import Batch
from baselines.fine_tune import FineTune
from baselines.needs import BalancedBatches, Substitutes
from baselines.primitives.information import ClassProjectors
from baselines.primitives.substitution import available, divergence, embedded_as, mix, substitute_features
from baselines.rift import Rift
from baselines.threads import cpu_threads
from baselines.training import Passes, fit


def step_of(defense: Rift, model):
    torch.manual_seed(3)
    projectors = ClassProjectors(32, model.config.num_labels)
    teacher = {name: value.detach().clone() for name, value in model.base_model.named_parameters()}
    return lambda model, batch: defense.objective(model, teacher, projectors, batch)


def test_without_its_terms_it_is_fine_tuning(bert, rich_batch) -> None:
    """Without dropout, whose masks the adversary's random start would shift; bit-equal, for what is added is zero."""
    model, one = bert(dropout=0.0), rich_batch()
    plain = Rift(divergence_weight=0, information_weight=0)
    assert_equal(gradients(step_of(plain, model), model, one), gradients(FineTune().step, model, one))


def test_texts_without_substitutes_do_not_diverge(bert, rich_batch) -> None:
    """The one point of each hull is the clean text: the same loss and gradients whatever the divergence weighs."""
    model, one = bert(dropout=0.0), rich_batch()
    bare = replace(one, substitutes=one.substitutes[..., :1].expand_as(one.substitutes).contiguous())
    weights = Rift().attack(model, bare)
    assert (weights[..., 0] == 1).all()
    first, second = (gradients(step_of(Rift(divergence_weight=weight), model), model, bare) for weight in (0.0, 10.0))
    assert_equal(first, second, rtol=1e-4, atol=1e-6)  # KL is zero, its gradient zero up to rounding


def test_the_adversary_moves_predictions_further_than_the_even_mixture(bert, rich_batch) -> None:
    model = bert(dropout=0.1).train()
    gains = []
    for seed in range(4):
        one = rich_batch(seed=seed)
        usable = available(one.substitutes)
        found = Rift(init_magnitude=0).attack(model, one)
        assert (found[~usable] == 0).all() and not found.requires_grad
        gains.append(moved(model, one, found) - moved(model, one, usable / usable.sum(-1, keepdim=True)))
        assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert min(gains) > 0


def moved(model, one: Batch, weights: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad(), embedded_as(model, mix(weights.float(), substitute_features(model, one))):
        mixed = model(**one.inputs()).logits
    with torch.no_grad():
        found = divergence(model(**one.inputs()).logits, mixed).item()
    model.train()
    return found


def test_a_large_weight_on_sparsity_leaves_single_words(bert, rich_batch) -> None:
    model, one = bert(), rich_batch()
    loose, sparse = (Rift(sparsity=weight).attack(model, one).amax(-1).mean() for weight in (0.0, 1e6))
    assert sparse > 0.99 and sparse > loose


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_its_passes_are_those_of_the_cost_table(bert, rich_batch, steps: int) -> None:
    model, one = bert(), rich_batch()
    lean, released = Rift(attack_steps=steps), Rift(attack_steps=steps, lean=False)
    assert passes(step_of(lean, model), model, one) == Passes(steps + 4, 2, steps)
    assert passes(step_of(released, model), model, one) == Passes(steps + 5, steps + 3, 0)


def test_the_lean_form_gives_the_released_gradients(bert, rich_batch) -> None:
    """Without dropout the third reading of the mixtures is the first; sums in another order, hence the tolerance."""
    model, one = bert(dropout=0.0), rich_batch()
    lean, released = (Rift(lean=kind, information_weight=1.0) for kind in (True, False))
    assert_equal(
        gradients(step_of(lean, model), model, one),
        gradients(step_of(released, model), model, one),
        rtol=1e-3,
        atol=1e-5,
    )


def test_the_teacher_stays_and_the_projectors_learn(bert, rich_batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = Rift.objective

    def watched(self, model, teacher, projectors, batch):
        seen.append((teacher, projectors, [value.clone() for value in projectors.parameters()]))
        return real(self, model, teacher, projectors, batch)

    monkeypatch.setattr(Rift, "objective", watched)
    model = bert()
    before = {name: value.clone() for name, value in model.base_model.named_parameters()}

    class Set:
        updates_per_epoch = 2

        def epoch(self, number, shuffle=True):
            return iter(rich_batch(seed=seed) for seed in range(2))

    fit(Rift(epochs=1, learning_rate=1e-2, warmup_ratio=0, attack_steps=1), model, Set())
    teacher, _, at_last = seen[-1]
    assert all(torch.equal(teacher[name], value) and not teacher[name].requires_grad for name, value in before.items())
    assert not torch.equal(
        model.base_model.embeddings.word_embeddings.weight, before["embeddings.word_embeddings.weight"]
    )
    assert not torch.equal(seen[0][2][0], at_last[0])


def test_the_same_weights_on_two_threads(bert, rich_batch) -> None:
    """Substitutes repeat many rows of the embedding table; the sums of their gradients keep their order."""
    big = rich_batch(lengths=(20,) * 16)
    with cpu_threads(2):
        model = bert(dropout=0.1)
        step = step_of(Rift(attack_steps=2), model)
        found = [gradients(step, model, big) for _ in range(2)]
    assert_equal(*found)


def test_pairs_with_more_classes_than_texts_train(bert, rich_batch) -> None:
    model, one = bert(labels=5), rich_batch()
    pair = replace(one, token_type_ids=(torch.arange(one.input_ids.shape[1]) > 3).long().expand_as(one.input_ids))
    found = gradients(step_of(Rift(attack_steps=1), model), model, pair)
    other = gradients(step_of(Rift(attack_steps=1), model), model, one)
    assert all(torch.isfinite(value).all() for value in found.values())
    assert not torch.equal(found["classifier.weight"], other["classifier.weight"]), "segments count"


def test_it_needs_balanced_batches_unless_told_otherwise() -> None:
    assert Rift().needs == {Substitutes(), BalancedBatches()}
    assert Rift(balanced=False).needs == {Substitutes()}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": 0.0}, "Rift.temperature must be positive, got 0.0"),
        ({"attack_steps": -1}, "Rift.attack_steps must be 0 or more, got -1"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Rift(**settings)
