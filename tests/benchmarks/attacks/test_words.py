"""Our texts against TextAttack's, word by word."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.attacks.homoglyphs import HOMOGLYPHS
from benchmarks.attacks.textattack_import import import_textattack
from benchmarks.attacks.words import Text, changed_words, window_bounds, words_in, words_of

ODD = (
    *("good", "film's", "'quoted'", "well-made", "*", "@x", "_", "a_b", "--", "I", "S", "PLI", "3.5", "e-mail@x.org"),
    *(
        "<br />",
        "\U0001f600",
        "\u05e9\u05dc\u05d5\u05dd",
        "caf\u00e9",
        "\u0130stanbul",
        "\u00df",
        "U.S.",
        "x,y",
        "(a)b",
    ),
    *(" ", "  ", "\t", "\n", ".", ",", "!", "-", "'"),
    *list(HOMOGLYPHS.values())[:6],
)
odd = st.sampled_from(ODD)
texts = st.lists(odd | st.text(max_size=5), min_size=1, max_size=10).map(" ".join) | st.lists(odd, max_size=8).map(
    "".join
)
replacements = st.sampled_from(
    ["", "fine", "w ord", "ice cream", "--", "'s", "[UNK]", "don 't", "\u0130", "so-so", "x"]
)


def ours_and_theirs(columns: tuple[str, ...]):
    """The same text as our `Text` and as TextAttack's."""
    import_textattack()
    from textattack.shared import AttackedText

    names = ("text",) if len(columns) == 1 else ("premise", "hypothesis")
    return Text(columns), AttackedText(OrderedDict(zip(names, columns, strict=True)))


@settings(max_examples=300, deadline=None)
@given(text=texts)
def test_words_are_textattacks(text: str) -> None:
    import_textattack()
    from textattack.shared.utils import words_from_text

    assert words_of(text) == words_from_text(text)


@pytest.mark.parametrize("text", ["我喜欢这部电影 very much", "good电影", "a b c 好"])
def test_chinese_is_segmented_as_textattack_does(text: str) -> None:
    import_textattack()
    from textattack.shared.utils import words_from_text

    assert words_of(text) == words_from_text(text)
    mine, theirs = ours_and_theirs((text,))
    assert mine.words == theirs.words
    for index in range(len(mine.words)):
        assert mine.after(index, "new").words == theirs.replace_word_at_index(index, "new").words


@settings(max_examples=300, deadline=None)
@given(columns=st.tuples(texts) | st.tuples(texts, texts), new=replacements, data=st.data())
def test_a_replaced_word_leaves_the_text_that_textattack_leaves(columns, new, data) -> None:
    if any("<SPLIT>" in column for column in columns) or "<SPLIT>" in "".join(columns):
        return  # TextAttack's own separator, which it cannot tell from the text
    mine, theirs = ours_and_theirs(columns)
    for _ in range(2):  # the second change sees what the first one left
        assert mine.words == theirs.words and mine.joined == theirs.text
        if not mine.words:
            return
        index = data.draw(st.integers(0, len(mine.words) - 1))
        if new == mine.words[index]:
            return
        after, expected = mine.after(index, new), theirs.replace_word_at_index(index, new)
        assert mine.replaced(index, new) == tuple(expected._text_input.values())
        assert mine.words_with(index, new) == expected.words == after.words
        assert mine.newly_modified(index, new) == expected.attack_attrs["newly_modified_indices"]
        assert after.modified == expected.attack_attrs["modified_indices"]
        mine, theirs = after, expected


@settings(max_examples=300, deadline=None)
@given(
    columns=st.tuples(texts) | st.tuples(texts, texts),
    new=replacements,
    size=st.sampled_from([None, 1, 3, 15]),
    data=st.data(),
)
def test_windows_are_textattacks(columns, new, size, data) -> None:
    mine, theirs = ours_and_theirs(columns)
    if not mine.words or "<SPLIT>" in "".join(columns):
        return
    theirs_size = float("inf") if size is None else size
    index = data.draw(st.integers(0, len(mine.words) - 1))
    assert mine.window(index, size) == theirs.text_window_around_index(index, theirs_size)
    if words_in(new):
        place = next(iter(mine.newly_modified(index, new)))
        expected = theirs.replace_word_at_index(index, new).text_window_around_index(place, theirs_size)
        assert mine.windows_with(index, [new], size) == [expected]


def test_an_inserted_space_moves_the_marks_behind_it() -> None:
    text = Text(("good film today",)).after(2, "now").after(0, "go od")
    assert text.words == ["go", "od", "film", "now"]
    assert text.modified == {0, 1, 3}


def test_changed_words_are_counted_place_by_place() -> None:
    assert changed_words(["a", "b", "c"], ["a", "x", "c"]) == 1
    assert changed_words(["a", "b"], ["x", "a", "b"]) == 2


def test_windows_stay_inside_the_text() -> None:
    assert window_bounds(30, 0, 15) == (0, 14)
    assert window_bounds(30, 29, 15) == (15, 29)
    assert window_bounds(30, 10, 15) == (3, 17)
    assert window_bounds(5, 2, 15) == (0, 4)
    assert window_bounds(5, 2, None) == (0, 4)
