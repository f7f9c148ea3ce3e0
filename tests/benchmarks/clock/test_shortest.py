"""The shortest of a few calls, of several pieces of work in turn."""

from __future__ import annotations

from benchmarks.clock.shortest import shortest_seconds


def test_pieces_are_called_in_turn_and_the_first_call_of_each_is_not_timed() -> None:
    calls: list[str] = []
    readings = iter([0.0, 4.0, 0.0, 2.0, 0.0, 6.0, 0.0, 1.0])
    found = shortest_seconds(
        lambda: calls.append("a"), lambda: calls.append("b"), repeats=2, clock=lambda: next(readings)
    )
    assert found == [4.0, 1.0] and calls == ["a", "b"] * 3
