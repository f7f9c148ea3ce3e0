"""Examples are values."""

from benchmarks.data.examples import Example


def test_examples_are_compared_by_content() -> None:
    assert Example("a", ("x",), 1) == Example("a", ("x",), 1) != Example("a", ("x",), 0)
