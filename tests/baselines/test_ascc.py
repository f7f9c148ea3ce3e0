"""ASCC: without its term it is fine-tuning; without substitutes nothing diverges; its passes are counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.ascc import Ascc
from baselines.fine_tune import FineTune
from baselines.primitives.perturbation import forward
from baselines.primitives.substitution import available, divergence, mix, substitute_words
from baselines.threads import cpu_threads
from baselines.training import Passes


def test_without_its_term_it_is_fine_tuning(bert, rich_batch) -> None:
    """Without dropout, whose masks the adversary's passes would shift."""
    model, one = bert(dropout=0.0), rich_batch()
    assert_equal(gradients(Ascc(divergence_weight=0).step, model, one), gradients(FineTune().step, model, one))


def test_texts_without_substitutes_do_not_diverge(bert, rich_batch) -> None:
    model, one = bert(dropout=0.0), rich_batch()
    bare = replace(one, substitutes=one.substitutes[..., :1])
    found = gradients(Ascc(divergence_weight=10.0).step, model, bare)
    # KL is zero, its gradient zero up to rounding
    assert_equal(found, gradients(FineTune().step, model, one), rtol=1e-4, atol=1e-6)


def test_the_adversary_moves_predictions_further_than_the_even_mixture(bert, rich_batch) -> None:
    model = bert(dropout=0.0)
    for seed in range(4):
        one = rich_batch(seed=seed)
        usable = available(one.substitutes)
        found = Ascc(init_magnitude=0).attack(model, one)
        assert (found[~usable] == 0).all() and not found.requires_grad
        torch.testing.assert_close(found.sum(-1), torch.ones(usable.shape[:2]))
        even = usable / usable.sum(-1, keepdim=True)
        with torch.no_grad():
            clean = model(**one.inputs()).logits
            moved = [
                divergence(clean, forward(model, mix(weights, substitute_words(model, one)), one).logits).item()
                for weights in (found, even)
            ]
        assert moved[0] > moved[1]


def test_a_large_weight_on_sparsity_leaves_single_words(bert, rich_batch) -> None:
    model, one = bert(), rich_batch()
    loose, sparse = (Ascc(sparsity=weight).attack(model, one).amax(-1).mean() for weight in (0.0, 1e6))
    assert sparse > loose and sparse > 0.9


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_its_passes_are_those_of_the_cost_table(bert, rich_batch, steps: int) -> None:
    model, one = bert(), rich_batch()
    assert passes(Ascc(attack_steps=steps).step, model, one) == Passes(steps + 3, 2, steps)
    full = Ascc(attack_steps=steps, attack_backward="full")
    assert passes(full.step, model, one) == Passes(steps + 3, steps + 2, 0)


def test_what_the_attack_throws_away_does_not_matter(bert, rich_batch) -> None:
    model, one = bert(dropout=0.1), rich_batch()
    assert_equal(*(gradients(Ascc(attack_backward=kind).step, model, one) for kind in ("input", "full")))


def test_the_same_weights_on_two_threads(bert, rich_batch) -> None:
    big = rich_batch(lengths=(20,) * 16)
    with cpu_threads(2):
        model = bert(dropout=0.1)
        found = [gradients(Ascc(attack_steps=2).step, model, big) for _ in range(2)]
    assert_equal(*found)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Ascc.divergence_weight must be 0 or more, got -1.0"):
        Ascc(divergence_weight=-1.0)


def test_the_adversary_climbs_with_dropout_or_without_as_the_authors_have_it(bert, rich_batch) -> None:
    modes = []

    class Spy(Ascc):
        def attack(self, model, batch):
            modes.append(model.training)
            return super().attack(model, batch)

    model, one = bert(dropout=0.3), rich_batch()
    for dropout in (True, False):
        gradients(Spy(attack_dropout=dropout).step, model, one)
        assert model.training
    assert modes == [True, False]
    assert "attack_dropout" not in Ascc().identity()
