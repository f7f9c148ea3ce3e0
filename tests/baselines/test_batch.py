"""A batch."""

from dataclasses import replace

import torch

from baselines.batch import Batch


def test_inputs_leave_out_absent_segments(batch) -> None:
    full = batch()
    assert set(full.inputs()) == {"input_ids", "attention_mask", "token_type_ids"}
    bare = Batch(full.input_ids, full.attention_mask, full.labels)
    assert set(bare.inputs()) == {"input_ids", "attention_mask"}
    assert set(bare.context()) == {"attention_mask"}
    assert len(bare) == 4


def test_moving_keeps_what_is_absent_absent(batch) -> None:
    full = batch()
    moved = Batch(full.input_ids, full.attention_mask, full.labels).to("meta")
    assert moved.input_ids.device.type == "meta"
    assert moved.token_type_ids is None and moved.substitutes is None and moved.replaceable is None


def test_what_a_batch_carries_beyond_tokens_moves_with_it_and_is_no_input(batch) -> None:
    full = batch()
    rich = replace(full, substitutes=full.input_ids.unsqueeze(-1), replaceable=torch.ones(9, dtype=torch.bool))
    assert rich.inputs().keys() == full.inputs().keys()
    moved = rich.to("meta")
    assert moved.substitutes.device.type == moved.replaceable.device.type == "meta"


def test_a_batch_made_on_the_host_knows_whether_it_is_full(batch) -> None:
    padded, full = batch((3, 5)), batch((4, 4))
    assert (padded.is_full, full.is_full) == (False, True)
    assert full.to("meta").is_full and not replace(padded, token_type_ids=None).is_full
    assert Batch(*(each.to("meta") for each in (full.input_ids, full.attention_mask, full.labels))).is_full is None


def test_a_batch_takes_the_values_of_another(batch) -> None:
    first, second = batch(seed=1), batch(seed=2)
    copy = first.clone()
    copy.copy_(second)
    assert torch.equal(copy.input_ids, second.input_ids) and not torch.equal(copy.input_ids, first.input_ids)


def test_parts_share_out_the_texts_and_keep_the_rest(batch) -> None:
    full = replace(batch(), substitutes=batch().input_ids.unsqueeze(-1), replaceable=torch.ones(9, dtype=torch.bool))
    first, second, third = full.parts(3)
    assert [len(first), len(second), len(third)] == [2, 1, 1]
    assert torch.equal(first.input_ids, full.input_ids[[0, 3]]) and torch.equal(second.labels, full.labels[[1]])
    assert first.replaceable is full.replaceable and first.token_type_ids.shape == first.input_ids.shape
    assert len(full.parts(9)) == 4, "a text is not cut"
    assert replace(full, substitutes=None, token_type_ids=None).parts(2)[1].substitutes is None


def test_held_out_texts_are_moved_copied_and_shared_out_with_the_batch(batch) -> None:
    full, other = (replace(batch(seed=seed), held_out=batch((5, 2, 4), seed=seed + 5)) for seed in range(2))
    assert full.to("meta").held_out.labels.device.type == "meta" and "held_out" not in full.inputs()
    copy = full.clone()
    copy.copy_(other)
    assert torch.equal(copy.held_out.input_ids, other.held_out.input_ids)
    assert not torch.equal(full.held_out.input_ids, other.held_out.input_ids)
    parts = full.parts(4)
    assert [len(part.held_out) for part in parts] == [1, 1, 1, 1]
    assert torch.equal(parts[1].held_out.input_ids, full.held_out.input_ids[1:2])
