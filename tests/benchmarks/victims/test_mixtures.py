"""A mixture of one word alone is that word; gradients are the slopes of the margins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.mixtures import Mixture, WhiteBox
from benchmarks.victims.victim import Victim

TEXT, OTHER = ("a good film", "was it?"), ("a great film", "was it?")


def small_victim(**options) -> Victim:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(num_labels=3, initializer_range=0.3, **sizes))
    return Victim(model, find_backbone("minilm").load_tokenizer(), max_length=32, **options)


def mixture_of(victim: Victim, weights: list[list[float]], label: int = 0) -> Mixture:
    row, other = victim.rows([TEXT, OTHER])
    (place,) = [at for at in range(len(row.ids)) if row.ids[at] != other.ids[at]]
    choices = np.array([[row.ids[place]], [other.ids[place]]])
    return Mixture(row, [[place]], [choices], [np.array(weights, dtype=np.float32)], label)


def margin(logits: np.ndarray, label: int) -> float:
    return float(np.delete(logits, label).max() - logits[label])


@pytest.mark.parametrize("order", [None, (2, 0, 1)])
def test_a_mixture_of_one_word_is_the_word(order) -> None:
    victim = small_victim(order=order)
    found = victim.margins(mixture_of(victim, [[1, 0], [0, 1]], label=1))
    expected = [margin(logits, 1) for logits in victim.logits([TEXT, OTHER])]
    assert found.scores == pytest.approx(expected, abs=1e-4)
    assert victim.queries == 2, "a mixture is no query"


def test_gradients_are_slopes_and_leave_nothing_in_the_model() -> None:
    victim = small_victim()
    weights, step = [[0.7, 0.3], [0.2, 0.8]], 1e-2
    found = victim.margins(mixture_of(victim, weights))
    for sample in range(2):
        for choice in range(2):
            shifted = [np.array(weights) for _ in range(2)]
            shifted[0][sample, choice] += step
            shifted[1][sample, choice] -= step
            above, below = (victim.margins(mixture_of(victim, each.tolist())).scores[sample] for each in shifted)
            assert found.gradients[0][sample, choice] == pytest.approx((above - below) / (2 * step), rel=0.05, abs=0.01)
    assert all(parameter.grad is None for parameter in victim.model.parameters())


def test_a_function_is_no_white_box() -> None:
    function = CallableVictim(lambda texts: [[0.5, 0.5] for _ in texts], "f", 2, 1.0, 0)
    assert isinstance(small_victim(), WhiteBox) and not isinstance(function, WhiteBox)
