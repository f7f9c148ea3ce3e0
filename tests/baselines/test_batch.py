"""A batch."""

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
    assert moved.token_type_ids is None
