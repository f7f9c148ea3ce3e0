"""Batches: the same for every method, little padding, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.data.batches import BucketedBatches
from benchmarks.data.encoding import Encoded
from benchmarks.data.substitutes import Substitutes


def encoded(count: int = 103, segments: bool = True) -> Encoded:
    """Text i starts with token i + 10, which names it."""
    lengths = np.random.default_rng(0).integers(3, 20, count)
    ids = np.concatenate([np.full(length, number + 10, np.int32) for number, length in enumerate(lengths)])
    types = np.ones_like(ids) if segments else np.empty(0, np.int32)
    return Encoded(ids, types, np.cumsum([0, *lengths]), np.arange(count) % 2, pad_id=0)


def names(batches) -> list[list[int]]:
    return [(batch.input_ids[:, 0] - 10).tolist() for batch in batches]


def test_an_epoch_holds_every_text_once_with_its_label() -> None:
    data = BucketedBatches(encoded(), 8, seed=42)
    batches = list(data.epoch(0))
    assert len(batches) == data.updates_per_epoch == 13
    assert sorted(name for batch in names(batches) for name in batch) == list(range(103))
    for batch in batches:
        assert ((batch.input_ids[:, 0] - 10) % 2 == batch.labels).all()
        assert batch.attention_mask.sum(1).max() == batch.input_ids.shape[1], "padded to the longest, no further"
        assert ((batch.input_ids == 0) == (batch.attention_mask == 0)).all()
        assert (batch.token_type_ids == batch.attention_mask).all()


def test_seed_and_epoch_alone_decide_the_order() -> None:
    first, again, other = (BucketedBatches(encoded(), 8, seed) for seed in (42, 42, 43))
    list(first.epoch(5))
    assert names(first.epoch(1)) == names(again.epoch(1)) != names(other.epoch(1))
    assert names(first.epoch(0)) != names(first.epoch(1))


def test_unshuffled_batches_are_in_stored_order() -> None:
    data = BucketedBatches(encoded(), 8, seed=1)
    assert [name for batch in names(data.epoch(3, shuffle=False)) for name in batch] == list(range(103))


def test_bucketing_saves_padding() -> None:
    data = BucketedBatches(encoded(400), 8, seed=1)

    def padding(batches) -> int:
        return sum(int((batch.attention_mask == 0).sum()) for batch in batches)

    assert padding(data.epoch(0)) < padding(data.epoch(0, shuffle=False)) / 3


def test_no_segments_stay_absent() -> None:
    assert next(BucketedBatches(encoded(segments=False), 8, 1).epoch(0)).token_type_ids is None


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="room for a text"):
        BucketedBatches(encoded(), 0, 1)


def test_balanced_batches_hold_equal_shares_in_the_order_of_classes() -> None:
    data = encoded(90)
    labels = np.repeat([0, 1, 2], [60, 20, 10])
    data = Encoded(data.ids, data.type_ids, data.offsets, labels, 0)
    batches = BucketedBatches(data, 10, seed=1, balanced=True)
    epoch = list(batches.epoch(0))
    assert len(epoch) == batches.updates_per_epoch == 10
    assert all(batch.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 for batch in epoch)
    given = [name for batch in names(epoch) for name in batch]
    assert sorted(set(given) & set(range(60, 90))) == list(range(60, 90)), "small classes are given in full"
    assert len({name for name in given if name < 60}) == 30, "no text of the large class twice"
    assert names(batches.epoch(0)) == names(epoch) != names(batches.epoch(1))


def test_balance_loses_nothing_where_classes_are_equal() -> None:
    data = encoded(96)
    epoch = BucketedBatches(data, 8, seed=1, balanced=True).epoch(0)
    assert sorted(name for batch in names(epoch) for name in batch) == list(range(96))


def test_a_balanced_batch_needs_room_for_every_class() -> None:
    with pytest.raises(AssertionError, match="room for a text of every class"):
        BucketedBatches(encoded(), 1, 1, balanced=True)


def test_substitutes_stand_beside_their_tokens_and_change_nothing_else() -> None:
    data = encoded()
    rows = np.where(data.ids % 2 == 0, data.ids // 2 - 5, -1).astype(np.int32)
    table = np.stack([2 * np.arange(60) + 10, 2 * np.arange(60) + 11, 2 * np.arange(60) + 10], axis=1).astype(np.int32)
    plain = BucketedBatches(data, 8, seed=1)
    rich = BucketedBatches(data, 8, 1, substitutes=Substitutes(rows, table), replaceable=np.arange(200) > 9)
    for one, other in zip(plain.epoch(0), rich.epoch(0), strict=True):
        for name, value in one.inputs().items():
            assert value.equal(other.inputs()[name])
        assert one.substitutes is None and one.replaceable is None
        tokens, others = other.input_ids, other.substitutes
        assert (others[..., 0] == tokens).all() and (others[..., 2] == tokens).all()
        has = (tokens % 2 == 0) & (tokens > 0)
        assert (others[..., 1] == tokens + has).all()
        assert other.replaceable.sum() == 190


def test_no_batch_is_larger_than_that_of_the_longest_texts() -> None:
    for balanced in (False, True):
        data = BucketedBatches(encoded(), 8, seed=1, balanced=balanced)
        (largest,) = data.of_longest(8).epoch(0)
        assert len(largest) == 8 and (not balanced or int(largest.labels.sum()) == 4)
        for batch in (batch for number in range(3) for batch in data.epoch(number)):
            assert batch.input_ids.numel() <= largest.input_ids.numel()
            assert int(batch.attention_mask.sum()) <= int(largest.attention_mask.sum())
        (half,) = data.of_longest(4).epoch(0)
        assert len(half) == 4 and half.input_ids.shape[1] == largest.input_ids.shape[1]


def test_a_token_keeps_its_place_in_every_epoch() -> None:
    data = encoded()
    plain, batches = BucketedBatches(data, 8, seed=1), BucketedBatches(data, 8, seed=1, identified=True)
    for number in range(2):
        seen = []
        for one, other in zip(plain.epoch(number), batches.epoch(number), strict=True):
            assert one.places is None and one.training_tokens is None
            assert one.input_ids.equal(other.input_ids) and other.training_tokens == len(data.ids)
            real = other.attention_mask == 1
            assert (data.ids[other.places[real]] == other.input_ids[real].numpy()).all()
            assert (other.places[~real] == len(data.ids)).all()
            seen.append(other.places[real])
        assert sorted(np.concatenate(seen)) == list(range(len(data.ids)))


def test_held_out_texts_are_never_trained_on_and_come_in_an_order_of_their_own() -> None:
    data = BucketedBatches(encoded(), 8, seed=1, held_out=0.2)
    trained, drawn = set(), []
    for number in range(2):
        for batch in data.epoch(number):
            trained |= set((batch.input_ids[:, 0] - 10).tolist())
            drawn.append((batch.held_out.input_ids[:, 0] - 10).tolist())
    assert data.updates_per_epoch == 11 and len(drawn) == 22 and len(trained) == 82
    assert all(len(set(names)) == 16 for names in drawn) and len({tuple(names) for names in drawn}) == 22
    assert not trained & {name for names in drawn for name in names}
    again, other = (BucketedBatches(encoded(), 8, seed, held_out=0.2) for seed in (1, 2))
    assert names(data.epoch(1)) == names(again.epoch(1)) and set(data.held_out) != set(other.held_out)
    (largest,) = data.of_longest(8).epoch(0)
    assert len(largest.held_out) == 16


def test_few_held_out_texts_come_with_every_batch() -> None:
    data = BucketedBatches(encoded(20), 8, seed=1, held_out=0.1, balanced=True)
    for batch in data.epoch(0):
        assert len(batch.held_out) == 2 and int(batch.labels.sum()) == 4
