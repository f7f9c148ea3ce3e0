"""Each method is timed in its three ways, on the texts that were given."""

from __future__ import annotations

from benchmarks.speed.loop_speed import GivenBatches, fresh_dropout, time_loops
from benchmarks.speed.step_speed import measured_methods


def test_every_way_is_timed(bert, batch) -> None:
    timings = time_loops(bert(), [batch((4, 6)), batch((5, 3))], longest=10)
    assert [(each.padded_to, each.plain) for each in timings] == [(None, False), (None, True), (10, True)] * 7
    assert all(each.seconds > 0 for each in timings)


def test_batches_come_in_their_order(batch) -> None:
    given = [batch((4,)), batch((5,))]
    assert list(GivenBatches(given).epoch(3)) == given and GivenBatches(given).updates_per_epoch == 2


def test_dropout_is_drawn_as_the_releases_draw_it() -> None:
    methods = fresh_dropout(measured_methods())
    assert {each.dropout for each in methods.values() if hasattr(each, "dropout")} == {"fresh"}
