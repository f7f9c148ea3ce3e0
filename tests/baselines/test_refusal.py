"""The sentences that refuse bad input."""

import pytest

from baselines.refusal import require, unknown


def test_unknown_names_the_nearest_known_name() -> None:
    assert (
        str(unknown("task", "imbd", {"sst2", "imdb"})) == "unknown task 'imbd'; did you mean 'imdb'? known: imdb, sst2"
    )


def test_unknown_offers_no_far_name() -> None:
    assert str(unknown("task", "xyz", ["sst2"])) == "unknown task 'xyz'; known: sst2"


def test_require_says_what_is_allowed_and_received() -> None:
    require(True, "steps", "1 or more", 1)
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        require(False, "steps", "1 or more", 0)
