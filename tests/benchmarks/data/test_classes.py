"""Labels are resolved by name before number, and what is ambiguous is refused."""

from __future__ import annotations

import pytest

from benchmarks.data.classes import Classes


def numbers(names: str, labels: str) -> tuple[dict[str, int], str | None]:
    """Labels, separated by bars, resolved to classes, separated by bars."""
    return Classes(tuple(names.split("|"))).numbers_of(
        (f"row {n}", each) for n, each in enumerate(labels.split("|"), 1)
    )


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        ("1|2|3", "2|1", {"2": 1, "1": 0}),
        ("-1|1", "1|-1", {"1": 1, "-1": 0}),
        ("1|0", "0|1", {"0": 1, "1": 0}),  # names in the other order than their numbers
        ("0.0|1.0", "1.0", {"1.0": 1}),
        ("NEGATIVE|POSITIVE", "positive|negative", {"positive": 1, "negative": 0}),
        ("very good|very bad", "VERY_BAD|very-good", {"VERY_BAD": 1, "very-good": 0}),
        ("a|A", "A|a", {"A": 1, "a": 0}),
        ("LABEL_0|LABEL_1", "label_1", {"label_1": 1}),
    ],
)
def test_a_name_wins_over_a_number(names: str, labels: str, expected: dict[str, int]) -> None:
    assert numbers(names, labels) == (expected, None)


def test_numbers_of_nameless_classes_are_their_own() -> None:
    assert numbers("LABEL_0|LABEL_1", "1|0") == ({"1": 1, "0": 0}, None)


def test_numbers_beside_names_are_taken_by_position_and_said() -> None:
    found, note = numbers("World|Sci/Tech", "1|0")
    assert found == {"1": 1, "0": 0}
    assert note == "The file's labels are numbers, taken as class numbers: 0 = World, 1 = Sci/Tech."


@pytest.mark.parametrize(
    ("names", "labels", "sentence"),
    [
        ("1|2|3", "0|1", "row 1: the label '0' is none of the model's classes, while '1' is one"),
        ("1|2|3", "4|5", "a number is ambiguous, since the names contain other numbers"),
        ("1 star|2 stars|3 stars", "1|2", "a number is ambiguous, since the names contain other numbers"),
        ("class 1|class 0", "0|1", "a number is ambiguous, since the names contain other numbers"),
        ("neg|pos", "0|2", "row 2: the label '2' is outside the model's 2 classes; labels are numbers from 0 to 1"),
        ("neg|pos", "neg|1", "row 2: the label '1' is none of the model's classes, while 'neg' is one"),
        ("a|A", "b|a", "row 1: the label 'b'"),
        ("neg|pos", "1.0|0.0", "write whole numbers without a fraction"),
        ("neg|pos", "True|False", "write the class names, or the class numbers from 0"),
        ("neg|pos", "01|0", "the label '01' is no number"),
        ("neg|pos", "9" * 5000, "is no number"),
        ("neg|pos", "|1", "the label '' is no number"),
    ],
)
def test_what_is_no_class_is_refused_with_its_place(names: str, labels: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        numbers(names, labels)
    assert sentence in str(refusal.value) and "row " in str(refusal.value)


@pytest.mark.parametrize(
    ("model", "task", "written", "order"),
    [
        ("POSITIVE|NEGATIVE", "negative|positive", "0|1", (1, 0)),
        ("1|0", "negative|positive", "0|1", (1, 0)),  # as the task's files write them
        ("1|-1", "-1|1", "-1|1", (1, 0)),
        ("Sci/Tech|World|Business|Sports", "World|Sports|Business|Sci/Tech", "1|2|3|4", (1, 3, 2, 0)),
    ],
)
def test_a_models_classes_are_matched_to_the_tasks_by_name(model: str, task: str, written: str, order) -> None:
    assert Classes(tuple(model.split("|"))).order_for("t", task.split("|"), written.split("|")) == (order, None)


@pytest.mark.parametrize(
    ("model", "task", "said"),
    [
        ("LABEL_0|LABEL_1", "negative|positive", "LABEL_0 = negative, LABEL_1 = positive"),
        ("bad|good", "1|2", "bad = 1, good = 2"),
        ("1 star|2 stars", "-1|1", "1 star = -1, 2 stars = 1"),
    ],
)
def test_where_one_side_has_no_names_the_position_decides_and_is_said(model: str, task: str, said: str) -> None:
    order, note = Classes(tuple(model.split("|"))).order_for("mine", task.split("|"))
    assert order == (0, 1) and note == f"Classes of the model were matched to those of mine by position: {said}."


@pytest.mark.parametrize(
    ("model", "task", "sentence"),
    [
        ("bad|good", "negative|positive", "cannot be matched to those of 't', which are 'negative', 'positive'; write"),
        ("negative|good", "negative|positive", "cannot be matched"),
        ("0|1", "1|2", "cannot be matched"),
        ("2 stars|1 star", "0|1", "cannot be matched"),
        ("a|b|c", "a|b", "a classifier into the 2 classes of 't' ('a', 'b'), got one into 3: 'a', 'b', 'c'"),
    ],
)
def test_names_that_fit_in_part_or_not_at_all_are_refused(model: str, task: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Classes(tuple(model.split("|"))).order_for("t", task.split("|"))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"id2label": {"0": "neg", "1": "pos"}}, "neg|pos"),
        ({"id2label": {1: "pos", 0: "neg"}, "label2id": None}, "neg|pos"),
        ({"label2id": {"pos": 1, "neg": 0}}, "neg|pos"),
        ({"label2id": {"pos": "1", "neg": "0"}, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, "neg|pos"),
        ({"id2label": {"0": "neg", "1": "pos"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, "neg|pos"),
        ({"id2label": {"0": 1, "1": 2}, "label2id": {"1": 0, "2": 1}}, "1|2"),
        ({"num_labels": 3}, "LABEL_0|LABEL_1|LABEL_2"),
        ({}, "LABEL_0|LABEL_1"),
    ],
)
def test_names_are_read_from_any_part_of_a_configuration(values, names: str) -> None:
    assert Classes.of_configuration(values).names == tuple(names.split("|"))


@pytest.mark.parametrize(
    "values",
    [
        {"id2label": {"0": "neg", "1": "pos"}, "label2id": {"neg": 1, "pos": 0}},
        {"id2label": {"0": "same", "1": "same"}},
        {"id2label": {"0": "a", "2": "b"}},
        {"id2label": {"0": None, "1": "b"}},
        {"id2label": ["a", "b"]},
        {"id2label": {}},
        {"label2id": {"a": "first"}},
        {"label2id": {"a": True}},
        {"label2id": 3},
        {"num_labels": 1e30},
        {"num_labels": 10**30},
        {"num_labels": True},
        {"num_labels": -1},
    ],
)
def test_contradictions_and_what_is_no_map_are_refused(values) -> None:
    with pytest.raises(ValueError):
        Classes.of_configuration(values)
