"""The only definitions of Clean%, Aua%, ASR% and #Query.

N outcomes: `skipped` texts were misread before any change, `failed` ones were attacked and still read rightly,
`successful` ones were misread in the end. A text whose attack broke (`error`) counts in N and among the initially
right, and not as one the model withstood: a breakdown never makes a defense look better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.results.records import Outcome


def _share(outcomes: Sequence[Outcome], statuses: tuple[str, ...], among: int) -> float:
    """Percentage of outcomes with one of the statuses, or NaN among none."""
    return 100 * sum(outcome.status in statuses for outcome in outcomes) / among if among else float("nan")


def clean_percent(outcomes: Sequence[Outcome]) -> float:
    """Clean% on the attacked texts: 100 (N - skipped) / N."""
    return _share(outcomes, ("failed", "successful", "error"), len(outcomes))


def aua_percent(outcomes: Sequence[Outcome]) -> float:
    """Accuracy under attack: 100 failed / N; texts misread from the start count in N."""
    return _share(outcomes, ("failed",), len(outcomes))


def asr_percent(outcomes: Sequence[Outcome]) -> float:
    """Attack success rate: 100 successful / (successful + failed)."""
    attacked = sum(outcome.status in ("failed", "successful") for outcome in outcomes)
    return _share(outcomes, ("successful",), attacked)


def mean_queries(outcomes: Sequence[Outcome]) -> float:
    """#Query: mean queries over the attacked texts, successes and failures alike; the first query and repeats count."""
    queries = [outcome.queries for outcome in outcomes if outcome.status in ("failed", "successful")]
    return sum(queries) / len(queries) if queries else float("nan")


def worst_aua_percent(attacks: Iterable[Sequence[Outcome]]) -> float:
    """Aua under the worst of several attacks: the share of texts that withstood every one.

    Raises:
        ValueError: where the attacks are not on the same texts.
    """
    withstood = [{o.example_id: o.status == "failed" for o in outcomes} for outcomes in attacks]
    if not withstood or not withstood[0]:
        return float("nan")
    if any(each.keys() != withstood[0].keys() for each in withstood):
        raise ValueError("the worst case needs attacks on the same texts")
    survived = sum(all(each[example] for each in withstood) for example in withstood[0])
    return 100 * survived / len(withstood[0])
