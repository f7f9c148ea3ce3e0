"""Names on the command line."""

import pytest

from benchmarks.experiments.options import split_names


def test_names_are_split_at_commas() -> None:
    assert split_names("a, b", ()) == ("a", "b")
    assert split_names(None, ("c",)) == ("c",)


@pytest.mark.parametrize(
    ("text", "sentence"), [("a,,b", "separated by single commas"), ("", "single commas"), ("a,a", "twice")]
)
def test_bad_lists_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        split_names(text, ())
