"""The sentences that refuse bad input."""

import pytest

from baselines.validation import printable, require, require_file_name, unknown


def test_unknown_names_the_nearest_known_name() -> None:
    assert (
        str(unknown("task", "imbd", {"sst2", "imdb"})) == "unknown task 'imbd'; did you mean 'imdb'? known: imdb, sst2"
    )


def test_unknown_offers_no_far_name() -> None:
    assert str(unknown("task", "xyz", ["sst2"])) == "unknown task 'xyz'; known: sst2"


def test_of_a_long_list_the_nearest_names_are_shown() -> None:
    said = str(unknown("column", "row_7x", [f"row_{number}" for number in range(90)]))
    assert said.startswith("unknown column 'row_7x'; did you mean 'row_7") and "the nearest of 90 known: " in said
    assert said.count("row_") == 12, "the given name, the hint and ten names"


def test_require_says_what_is_allowed_and_received() -> None:
    require(True, "steps", "1 or more", 1)
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        require(False, "steps", "1 or more", 0)


def test_text_keeps_its_letters_and_loses_what_steers() -> None:
    assert printable("caf\u00e9 \U0001f600 \u200dx\u4e2d") == "caf\u00e9 \U0001f600 \u200dx\u4e2d", "joined signs stay"
    assert printable("a\x1b[2Jb\x00\u202ec\u2028\ud800") == "a[2Jbc"


@pytest.mark.parametrize("name", ["table1", "my-run_2.b", "0", "x" * 100])
def test_plain_names_pass(name: str) -> None:
    require_file_name(name, "--name")


@pytest.mark.parametrize("name", ["", ".x", "-x", "a/b", "a b", "x" * 101, "a\n"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"--name must be a plain name of letters, .* got"):
        require_file_name(name, "--name")
