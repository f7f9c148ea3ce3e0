"""The small set can be learned, carries what is needed and nothing else; short defenses keep their kind."""

from __future__ import annotations

import torch

from baselines.freelb import FreeLB
from baselines.needs import BalancedBatches, ReplaceableTokens, Substitutes
from baselines.rift import Rift
from baselines.robust_ticket import RobustTicket
from benchmarks.contract.small import FIRST_WORD, SmallSet, short, small_bert, without_noise


def test_the_first_word_decides_the_label() -> None:
    for batch in SmallSet().epoch(0):
        assert torch.equal(batch.input_ids[:, 1] == 10, batch.labels == 1)
        assert batch.substitutes is None and batch.replaceable is None


def test_padding_alone_is_added() -> None:
    for narrow, wide in zip(SmallSet().epoch(0), SmallSet(pad_to=10).epoch(0), strict=True):
        assert torch.equal(wide.input_ids[:, :8], narrow.input_ids) and not wide.attention_mask[:, 8:].any()


def test_needs_are_met() -> None:
    batch = SmallSet(frozenset({Substitutes(), ReplaceableTokens(), BalancedBatches()})).batches[0]
    assert batch.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(batch.substitutes[..., 0], batch.input_ids)
    others = batch.substitutes[batch.input_ids >= FIRST_WORD]
    assert (others.diff(dim=1) != 0).all() and int(others.min()) >= FIRST_WORD
    assert int(batch.replaceable.sum()) == 80


def test_a_short_defense_is_the_same_kind_with_fewer_epochs_and_steps() -> None:
    assert short(FreeLB, 3) == FreeLB().changed(epochs=3, learning_rate=2e-3, steps=2)
    ticket = short(RobustTicket)
    assert (ticket.epochs, ticket.first_epochs, ticket.search.epochs) == (8, 2, 2)


def test_noise_is_taken_out_wherever_it_starts() -> None:
    assert without_noise(FreeLB()).ascent.init_magnitude == 0
    assert without_noise(RobustTicket()).search.ascent.init_magnitude == 0
    assert without_noise(Rift()).init_magnitude == 0


def test_weights_come_from_the_seed() -> None:
    first, again, other = (small_bert(seed).classifier.weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
