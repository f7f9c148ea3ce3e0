"""Words that differ, on a terminal and as edits."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from baselines.validation import STEERING
from reports.word_differences import CONTROL, STYLES, terminal_words, word_differences, word_edits


@pytest.mark.parametrize(
    ("original", "perturbed", "removed", "added"),
    [
        ("A good film.", "A fine film.", ["good"], ["fine"]),
        ("the film was good", "the film was fine", ["good"], ["fine"]),
        ("a foolish plot", "a fo olish plot", ["foolish"], ["fo olish"]),
        ("a plot", "a thin plot", [], ["thin"]),
        ("bad, bad food", "bad, awful food", ["bad"], ["awful"]),
        ("The soup", "Thе soup", ["The"], ["Thе"]),
        ("it's dull", "it is dull", ["it's"], ["it is"]),
        ("same", "same", [], []),
    ],
)
def test_the_words_that_differ_are_marked(original, perturbed, removed, added) -> None:
    before, after = word_differences(original, perturbed)
    assert [text.strip() for text, differs in before if differs] == removed
    assert [text.strip() for text, differs in after if differs] == added


@given(st.text(), st.text())
def test_joined_pieces_are_the_texts_and_what_agrees_is_equal(original: str, perturbed: str) -> None:
    sides = word_differences(original, perturbed)
    for text, pieces in zip((original, perturbed), sides, strict=True):
        assert "".join(piece for piece, _ in pieces) == " ".join(STEERING.sub(" ", text).split())
    kept = ["".join(text for text, differs in pieces if not differs).split() for pieces in sides]
    assert "".join(kept[0]) == "".join(kept[1])


@given(st.text())
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert not any(differs for side in word_differences(text, text) for _, differs in side)


def applied(words: list[str], edits: list[tuple[int, int, str]]) -> str:
    for start, end, instead in reversed(edits):
        words = [*words[:start], instead, *words[end:]]
    return "".join(words)


@given(st.text(), st.text())
def test_edits_turn_one_text_into_the_other_to_the_letter(original: str, perturbed: str) -> None:
    words, edits = word_edits(original, perturbed)
    plain, wanted = (" ".join(CONTROL.sub(" ", text).split()) for text in (original, perturbed))
    assert "".join(words) == plain and applied(words, edits) == wanted
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(edits))


def test_edits_name_the_words_that_differ_and_none_else() -> None:
    assert word_edits("a good film.", "a fine film .") == (
        ["a ", "good ", "film", "."],
        [(1, 2, "fine "), (2, 3, "film ")],
    )
    assert word_edits("same text", "same text")[1] == []


def test_a_terminal_colours_words_and_reads_no_markup() -> None:
    _, after = word_differences("a [red]good[/red] \x1b[2Jfilm", "a [red]fine[/red] \x1b[2Jfilm")
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system="standard", width=80)
    console.print(terminal_words(after, STYLES["adversarial"]))
    shown = output.getvalue()
    assert "\x1b[1;32mfine\x1b[0m" in shown
    assert "[red]" in shown and "\x1b[2J" not in shown


def test_a_text_of_one_word_repeated_is_compared_at_once() -> None:
    """Difflib took a minute and a half for these: every word matches every other."""
    words = ["good"] * 12_000
    other = [*words[:4_000], "fine", *words[4_001:8_000], "very", *words[8_000:]]
    found, edits = word_edits(" ".join(words), " ".join(other))
    assert len(edits) == 2 and applied(found, edits) == " ".join(other)
