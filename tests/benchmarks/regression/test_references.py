"""A difference is named by example and field; what hangs on rounding is left out or refused; times never decide."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.regression.references import (
    differences,
    make_reference,
    read_reference,
    time_advice,
    write_reference,
)
from benchmarks.regression.subset import Observation

EXAMPLES = {
    "test-0": {"read_as": 1},
    "test-1": {"read_as": 0},
    "test-0 under TextFooler": {"status": "failed", "queries": 12, "text": "a fair meal"},
}
SEEN = Observation(
    settings={"steps": 3, "pair": [1, 2]},
    counters={"stage train": {"updates": 4, "n_forward": 16}, "model": {"kept_heads": [[0, 2]]}},
    examples=EXAMPLES,
    seconds={"train": 0.5},
)


def with_example(name: str, **fields: object) -> Observation:
    return dataclasses.replace(SEEN, examples=EXAMPLES | {name: EXAMPLES[name] | fields})


@pytest.fixture
def reference(tmp_path: Path):
    """The reference of `SEEN`, written and read again."""
    write_reference(tmp_path / "one.json", make_reference(SEEN, [SEEN]))
    return read_reference(tmp_path / "one.json")


def test_the_same_again_differs_in_nothing(reference) -> None:
    assert differences(reference, SEEN) == []


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (with_example("test-0", read_as=0), "test-0: read_as was 1, is 0"),
        (with_example("test-0 under TextFooler", queries=13), "test-0 under TextFooler: queries was 12, is 13"),
        (with_example("test-0 under TextFooler", text="x"), "test-0 under TextFooler: text was 'a fair meal', is 'x'"),
        (dataclasses.replace(SEEN, examples={}), "test-0: read_as was 1, is 'absent'"),
        (dataclasses.replace(SEEN, settings={"steps": 4, "pair": [1, 2]}), "settings: steps was 3, is 4"),
        (
            dataclasses.replace(SEEN, counters=SEEN.counters | {"stage train": {"updates": 4, "n_forward": 17}}),
            "stage train: n_forward was 16, is 17",
        ),
        (
            dataclasses.replace(SEEN, counters=SEEN.counters | {"stage more": {"updates": 1}}),
            "stage more: updates was 'absent', is 1",
        ),
    ],
)
def test_a_difference_names_example_and_field(reference, now: Observation, sentence: str) -> None:
    assert differences(reference, now)[0] == sentence


def test_an_example_that_a_nudge_turns_is_left_out_and_named() -> None:
    turned = with_example("test-1", read_as=1)
    made = make_reference(SEEN, [SEEN, turned])
    assert made.left_out == ["test-1"] and "test-1" not in made.examples
    assert differences(made, turned) == []


def test_no_reference_hangs_on_rounding() -> None:
    moved = dataclasses.replace(SEEN, counters=SEEN.counters | {"model": {"kept_heads": [[0, 1]]}})
    with pytest.raises(RuntimeError, match=r"model: kept_heads was \[\[0, 2\]\], is \[\[0, 1\]\]"):
        make_reference(SEEN, [moved])
    with pytest.raises(RuntimeError, match="2 of 3 examples come out otherwise"):
        make_reference(SEEN, [with_example("test-1", read_as=1), with_example("test-0 under TextFooler", queries=13)])


def test_a_model_that_reads_one_class_gives_no_reference() -> None:
    same = with_example("test-1", read_as=1)
    with pytest.raises(RuntimeError, match="no reference is made: the model reads every text as class 1"):
        make_reference(same, [same])


def test_times_are_advice_with_a_threshold_from_the_repetitions() -> None:
    slower = dataclasses.replace(SEEN, seconds={"train": 0.55})
    made = make_reference(SEEN, [slower])
    assert made.noise == pytest.approx(1.1)
    assert time_advice(made, slower) == "times of an update within 1.21x of the reference's"
    slow = dataclasses.replace(SEEN, seconds={"train": 0.65})
    assert "beyond the noise (advice only): train 1.30x, not within 1.21x" in time_advice(made, slow)
    assert differences(made, slow) == []
    elsewhere = dataclasses.replace(made, made_on=made.made_on | {"processor": "abacus"})
    assert time_advice(elsewhere, slow) == "times not compared: other processor than the reference's"


def test_a_damaged_reference_is_refused(tmp_path: Path) -> None:
    for content in ("{", '{"settings": {}}'):
        (tmp_path / "one.json").write_text(content)
        with pytest.raises(ValueError, match="make it again with --update"):
            read_reference(tmp_path / "one.json")
