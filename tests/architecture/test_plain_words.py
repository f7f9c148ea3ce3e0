"""Words that the source, the README and the documents no longer use, each with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINGS = ("baselines", "method", "benchmarks", "reports", "earlyrobust")

# Word or phrase: why it is not used, and what is used instead
RETIRED = {
    "anew": "old-fashioned; write 'again' or 'new'",
    "thereof": "old-fashioned; write 'of it'",
    "hears": "a program hears nothing; write 'observes', 'receives' or 'is called with'",
    "told from": "an inverted sentence; write 'distinguished from' or 'detected'",
    "told apart": "an inverted sentence; write 'distinguished'",
    "owes": "a riddle; write 'the effect of'",
    "otherwise than": "rare; write 'differs from'",
    "found here or nowhere": "a riddle; say what is validated",
    "does not serve": "rare; write 'cannot be used'",
    "says what none says": "a riddle; write 'is malformed'",
    "goes without saying": "an idiom; say what is left out",
    "for want of": "old-fashioned; write 'to save' or 'since it is missing'",
    "likewise": "unclear about what is alike; repeat it",
    "mend": "rare; write 'repair' or 'correct'",
    "spelt out": "an idiom; say what is written or computed",
    "reckoned": "old-fashioned; write 'computed'",
    "lest": "old-fashioned; write 'so that ... not'",
    "footing": "a former name of `conditions`",
    "refuse_unlike": "a former name of `require_comparable`",
    "Remembers": "a former name of `Stateful`",
    "eager_because": "a former name of `not_capturable_reason`",
    "steady_rows": "a former name of `batch_invariant`",
    "begin_anew": "a former name of `restart`",
    "count_anew": "a former name of `restart`",
}
ENDING_ELSE = re.compile(r"(?<!thing )(?<!all )(?<!nobody )(?<!one )\belse[.;,]")
BLOCK = re.compile(r"<!-- earlyrobust [\w-]+.*?<!-- end of [\w-]+ -->", re.DOTALL)


def texts() -> list[tuple[str, str]]:
    """Path and text of all own source and documents, without tables that were written from stored records."""
    source = (path for wing in WINGS for path in (ROOT / wing).rglob("*.py"))
    documents = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
    found = (*source, *documents)
    return [(str(path.relative_to(ROOT)), BLOCK.sub("", path.read_text("utf-8"))) for path in found]


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str]]:
    """Place and text of every line."""
    return [
        (f"{name}:{number}", line) for name, text in texts() for number, line in enumerate(text.splitlines(), start=1)
    ]


def places(lines: list[tuple[str, str]], pattern: re.Pattern[str]) -> list[str]:
    """The lines that match."""
    return [f"{place}: {line.strip()}" for place, line in lines if pattern.search(line)]


@pytest.mark.parametrize("word", RETIRED)
def test_a_retired_word_does_not_return(lines, word: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])")
    assert not places(lines, pattern), f"{word!r}: {RETIRED[word]}"


def test_no_clause_ends_with_else(lines) -> None:
    assert not places(lines, ENDING_ELSE), "write 'otherwise' before the clause, or name what else"
    assert ENDING_ELSE.search("in full precision else, while") and not ENDING_ELSE.search("for anything else.")
