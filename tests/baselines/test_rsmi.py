"""RSMI: noise behind every third layer, masks on salient tokens, and an answer in one step or two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

from baselines.batch import Batch
from baselines.fine_tune import FineTune
from baselines.guard import Question, put_guard
from baselines.rsmi import RSMI, SaliencyMasking, noisy_layers
from benchmarks.contract.small import small_bert, small_texts, small_tokenizer
from benchmarks.victims.guarded import victim_of

TEXTS = small_texts()


def victim(guard: SaliencyMasking):
    model = small_bert()
    put_guard(model, guard)
    return victim_of(model, small_tokenizer(), max_length=32)


def passes(guard: SaliencyMasking, text=TEXTS[2]) -> np.ndarray:
    """Logits of all passes for one text."""
    (found,) = victim(guard).pass_logits([Question(text, np.random.default_rng(0))])
    return found


def test_noise_is_added_behind_the_layers_0_3_6_and_9_and_leaves_no_hook(bert) -> None:
    model, seen = bert(layers=8), []
    ids = torch.randint(5, 100, (2, 6))
    with noisy_layers(model, 0.2, lambda hidden: seen.append(hidden.shape) or torch.randn_like(hidden)):
        first, second = (model.eval()(input_ids=ids).logits for _ in range(2))
    assert len(seen) == 6 and not torch.allclose(first, second)
    assert not any(module._forward_hooks for module in model.modules())
    with noisy_layers(model, 0.0, lambda hidden: 1 / 0):
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_five_votes_decide_if_all_agree() -> None:
    assert binom.cdf(4, 5, 0.5) == pytest.approx(0.969, abs=1e-3) and binom.cdf(5, 5, 0.5) == 1
    agreed = passes(SaliencyMasking(noise_std=1e-4))
    assert len(agreed) == 5 and len(set(agreed.argmax(1))) == 1
    guard = SaliencyMasking(noise_std=3.0, ensemble=20)
    split = [text for text in TEXTS if len(passes(guard, text)) == 20]
    assert split, "with strong noise votes differ, and the second step answers"


def test_two_texts_in_a_row_are_answered_as_each_alone() -> None:
    guard = SaliencyMasking()
    both = victim(guard)(TEXTS)
    assert np.array_equal(both, np.concatenate([victim(guard)([text]) for text in TEXTS])), "a short text comes first"


def test_short_texts_have_one_salient_token_and_special_ones_are_struck() -> None:
    model, guard = victim(SaliencyMasking()), SaliencyMasking()
    for text, most in ((TEXTS[0], 1), (TEXTS[2], 5)):
        rows = model.reader.rows([text])
        ids = torch.tensor([rows[0].ids])

        batch = Batch(ids, torch.ones_like(ids), torch.zeros(1, dtype=torch.int64))
        question = Question(text, np.random.default_rng(0))
        salient = guard._salient(model.model, batch, question, model.reader.special_ids)
        assert len(salient) <= most and not {0, len(rows[0].ids) - 1} & set(salient)


def rich(batch, *lengths: int):
    plain = batch(lengths=lengths)
    places = torch.arange(plain.input_ids.shape[1]).expand_as(plain.input_ids)
    words = (places - 1).masked_fill(plain.attention_mask == 0, -1)
    return replace(plain, words=words, mask_token=torch.tensor(3))


def test_the_most_salient_words_are_masked_one_of_a_short_text(batch) -> None:
    given = rich(batch, 14, 6)
    gradient = torch.zeros(*given.input_ids.shape, 4)
    gradient[0, 5], gradient[0, 9], gradient[0, 0] = 2.0, 1.0, 9.0  # [CLS] is no word
    gradient[1, 3], gradient[1, 2] = 2.0, 1.0
    found = (RSMI()._masked(given, gradient) != given.input_ids).nonzero().tolist()
    assert found == [[0, 5], [0, 9], [1, 3]]


def test_without_noise_masks_and_reach_it_is_fine_tuning(bert, batch) -> None:
    given, gradients = rich(batch, 12, 7), []
    for defense in (FineTune(), RSMI(reach=0.0).changed(noise_std=0.0, masks=0)):
        model = bert(dropout=0.0)
        defense.step(model, given)
        gradients.append(model.classifier.weight.grad)
    assert torch.allclose(*gradients, atol=1e-7)


def test_a_batch_without_words_is_refused(bert, batch) -> None:
    with pytest.raises(ValueError, match=r"put Words\(\) in its needs"):
        RSMI().step(bert(), batch())
