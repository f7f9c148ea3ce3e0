"""Words that differ, on a page and on a terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from baselines.refusal import STEERING
from reports.word_differences import STYLES, html_words, terminal_words, word_differences


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


def test_html_shows_hostile_words_as_words() -> None:
    before, after = word_differences("<b>good</b> film", '<script x="1">bad</script> film')
    shown = html_words(before, "was") + html_words(after, "is")
    assert set(re.findall(r"<[^>]*>", shown)) == {'<span class="was">', '<span class="is">', "</span>"}
    assert "&lt;" in shown and "&quot;" in shown


def test_a_terminal_colours_words_and_reads_no_markup() -> None:
    _, after = word_differences("a [red]good[/red] \x1b[2Jfilm", "a [red]fine[/red] \x1b[2Jfilm")
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system="standard", width=80)
    console.print(terminal_words(after, STYLES["adversarial"]))
    shown = output.getvalue()
    assert "\x1b[1;32mfine\x1b[0m" in shown
    assert "[red]" in shown and "\x1b[2J" not in shown
