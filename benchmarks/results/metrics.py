"""The only definitions of Clean%, Aua%, ASR%, #Query and other values derived from outcomes.

Of N outcomes, `skipped` texts were misread before any change, `failed` ones were attacked and are still read
correctly, `successful` ones were misread in the end. A text with a failed attack (`error`) counts in N only: neither as
read correctly before the attack nor under it, so an error never makes a defense look better.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from baselines.needs import Added
from benchmarks.results.records import Outcome

BROKEN_PERCENT = 1.0
STARVED_PERCENT = 10.0


def too_many_broke(outcomes: Sequence[Outcome]) -> bool:
    """Whether more than 1 % of the attacks ended with an error, so that their percentages mean nothing."""
    return _share(outcomes, ("error",), len(outcomes)) > BROKEN_PERCENT


def broken_among(outcomes: Sequence[Outcome]) -> str | None:
    """How many attacks ended with an error and why, as a clause; None if none did."""
    reasons = Counter(reason(outcome) for outcome in outcomes if outcome.status == "error")
    if not reasons:
        return None
    (why, times), others = reasons.most_common(1)[0], len(reasons) - 1
    more = "" if not others else f" ({times} of them), and for {others} other reasons"
    return f"{reasons.total()} of {len(outcomes)} texts broke: {why}{more}"


def reason(outcome: Outcome) -> str:
    """Why an attack ended with an error: the last line of its traceback, without the exception's module."""
    last = ((outcome.error or "").strip().splitlines() or ["no reason was kept"])[-1]
    return re.sub(r"^[\w.]*\.(?=\w+(:|$))", "", last)[:300]


def starved_among(outcomes: Sequence[Outcome]) -> str | None:
    """What is to be said of starved searches, in a sentence; None if at most 10 % of the attacked texts had one."""
    percent = starved_percent(outcomes)
    if not percent > STARVED_PERCENT:
        return None
    return (
        f"starved: on {percent:.0f} % of the attacked texts most words made no difference to the score, so that the "
        f"search had no direction; the margin score (+margin) does not saturate"
    )


def starved_percent(outcomes: Sequence[Outcome]) -> float:
    """Percentage of the attacked texts whose search was starved; NaN if no attack measured it."""
    measured = [each for each in outcomes if each.equal_ranking_share is not None]
    return 100 * sum(each.is_starved for each in measured) / len(measured) if measured else float("nan")


def _share(outcomes: Sequence[Outcome], statuses: tuple[str, ...], among: int) -> float:
    """Percentage of outcomes with one of the statuses; NaN if there are none."""
    return 100 * sum(outcome.status in statuses for outcome in outcomes) / among if among else float("nan")


def clean_percent(outcomes: Sequence[Outcome]) -> float:
    """Clean% on the attacked texts: 100 (failed + successful) / N."""
    return _share(outcomes, ("failed", "successful"), len(outcomes))


def aua_percent(outcomes: Sequence[Outcome]) -> float:
    """Accuracy under attack: 100 failed / N; texts misread from the start count in N."""
    return _share(outcomes, ("failed",), len(outcomes))


def first_flip_aua_percent(outcomes: Sequence[Outcome]) -> float:
    """Aua% if an attack on a victim that answers by chance may stop at its first wrong answer; never above Aua%.

    It is Aua% itself for a victim that answers a text always alike.
    """
    withstood = sum(each.status == "failed" and not each.first_flip for each in outcomes)
    return 100 * withstood / len(outcomes) if outcomes else float("nan")


def certified_percent(outcomes: Sequence[Outcome], words: int, *, released: bool = False) -> float:
    """CertAcc: percentage of all texts read rightly and proven to stay so under any change of that many words.

    NaN if no text has a certificate.

    Args:
        released: at the level of the method's own release, not at the suite's.
    """
    found = [each.certificate for each in outcomes if each.certificate is not None]
    if not found:
        return float("nan")
    radii = [each["radius_released" if released else "radius"] for each in found if each["right"]]
    return 100 * sum(radius is not None and radius >= words for radius in radii) / len(outcomes)


def median_radius(outcomes: Sequence[Outcome]) -> float:
    """Median certified radius in words of the texts that have one; NaN if none has."""
    found = [each.certificate["radius"] for each in outcomes if each.certificate is not None]
    radii = [radius for radius in found if radius is not None]
    return float(np.median(radii)) if radii else float("nan")


def abstention_percent(outcomes: Sequence[Outcome]) -> float:
    """Percentage of the certified texts in which the two leading votes do not differ beyond chance."""
    found = [each.certificate for each in outcomes if each.certificate is not None]
    return 100 * _mean([float(each["abstains"]) for each in found])


def uncovered_percent(outcomes: Sequence[Outcome]) -> float:
    """Percentage of the successful attacks that make a change which the certificates do not cover."""
    found = [each.certificate for each in outcomes if each.certificate is not None and each.status == "successful"]
    return 100 * _mean([float(each["distance"] is None) for each in found])


def contradicted(outcomes: Sequence[Outcome]) -> list[str]:
    """The texts with a certificate that an attack has refuted; there are none if certificates are sound."""
    return [each.example_id for each in outcomes if each.certificate is not None and each.certificate["contradicted"]]


def asr_percent(outcomes: Sequence[Outcome]) -> float:
    """Attack success rate: 100 successful / (successful + failed)."""
    attacked = sum(outcome.status in ("failed", "successful") for outcome in outcomes)
    return _share(outcomes, ("successful",), attacked)


def mean_queries(outcomes: Sequence[Outcome]) -> float:
    """#Query: mean queries over the attacked texts, successes and failures alike; the first query and repeats count."""
    return _mean([outcome.queries for outcome in outcomes if outcome.status in ("failed", "successful")])


def mean_gradient_passes(outcomes: Sequence[Outcome]) -> float:
    """Mean texts passed forward and backward for gradients, over the attacked texts; NaN for attacks that only ask."""
    attacked = [outcome.gradient_passes for outcome in outcomes if outcome.status in ("failed", "successful")]
    return _mean([passes for passes in attacked if passes is not None])


def _mean(values: Sequence[float]) -> float:
    """Mean; NaN of an empty list."""
    return sum(values) / len(values) if values else float("nan")


def modification_percent(outcomes: Sequence[Outcome]) -> float:
    """Modification rate: mean percentage of words changed, over the successful attacks."""
    changed = [each for each in outcomes if each.status == "successful" and each.words]
    return _mean([100 * each.words_changed / each.words for each in changed])


def mean_similarity(outcomes: Sequence[Outcome]) -> float:
    """Mean similarity of successful texts to their originals, by the recipe's own measure, if it computed one."""
    found = [each.similarity for each in outcomes if each.status == "successful"]
    return _mean([similarity for similarity in found if similarity is not None])


def class_aua_percents(outcomes: Sequence[Outcome]) -> dict[int, float]:
    """Aua% among the texts of each gold label, by label; a label without texts is absent."""
    labels = sorted({outcome.label for outcome in outcomes})
    return {label: aua_percent([each for each in outcomes if each.label == label]) for label in labels}


def budget_aua_percents(outcomes: Sequence[Outcome], budgets: Iterable[int]) -> list[float]:
    """Aua% against an attacker who may ask the victim at most `budget` times per text, for each budget.

    A text withstands a budget if its attack failed, or needed more queries to succeed. Texts misread from
    the start and texts with an attack error are lost at every budget.
    """
    if not outcomes:
        return [float("nan") for _ in budgets]
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    spent = sorted(outcome.queries for outcome in outcomes if outcome.status == "successful")
    return [100 * (failed + len(spent) - bisect_right(spent, budget)) / len(outcomes) for budget in budgets]


def aua_percent_over_log_budget(outcomes: Sequence[Outcome], least: int, most: int) -> float:
    """Mean Aua% over the logarithm of the query budget from `least` to `most`: the area under the curve, as a share.

    A text counts for the part of the range in which it withstands the budget, as in `budget_aua_percents`.
    """
    whole = math.log(most / least)
    withstood = sum(outcome.status == "failed" for outcome in outcomes) * whole
    spent = [outcome.queries for outcome in outcomes if outcome.status == "successful"]
    withstood += sum(math.log(min(max(queries, least), most) / least) for queries in spent)
    return 100 * withstood / whole / len(outcomes) if outcomes else float("nan")


def strict_aua_percent(
    outcomes: Sequence[Outcome], *, least_similarity: float | None = None, most_changed: float | None = None
) -> float:
    """Aua% if a success counts only with at least a similarity, and at most a share of its words changed.

    It overstates the robustness against a strict attack, which would search on where this one stopped. NaN for a bound
    on the similarity if the recipe measured none.
    """
    won = [outcome for outcome in outcomes if outcome.status == "successful"]
    void = set()
    if least_similarity is not None:
        if any(outcome.similarity is None for outcome in won):
            return float("nan")
        void |= {each.example_id for each in won if each.similarity is not None and each.similarity < least_similarity}
    if most_changed is not None:
        void |= {outcome.example_id for outcome in won if outcome.words_changed > most_changed * outcome.words}
    return aua_percent(outcomes) + 100 * len(void) / len(outcomes) if outcomes else float("nan")


def agreement_percent(first: Sequence[Outcome], second: Sequence[Outcome]) -> float:
    """Share of texts with the same verdict, withstood or lost, under two recipes or of two victims.

    A text with an attack error on either side has no verdict and is left out; NaN if no text has one.

    Raises:
        ValueError: if the attacks are not on the same texts.
    """
    one, other = ({outcome.example_id: outcome.status for outcome in outcomes} for outcomes in (first, second))
    if one.keys() != other.keys():
        raise ValueError("agreement needs attacks on the same texts")
    pairs = [(one[example], other[example]) for example in one]
    return _mean([100 * ((a == "failed") == (b == "failed")) for a, b in pairs if "error" not in (a, b)])


def aua_after_stages(outcomes: Sequence[Outcome], stages: Sequence[str]) -> list[float]:
    """Aua after each stage of a cascade: 100 x texts that were attacked and that no stage so far has broken / N.

    Args:
        stages: keys of the attacks of one threat model, in order.
    """
    left = [outcome for outcome in outcomes if outcome.status in ("failed", "successful")]
    found = []
    for stage in stages:
        left = [outcome for outcome in left if (outcome.stages or {}).get(stage) != "successful"]
        found.append(100 * len(left) / len(outcomes) if outcomes else float("nan"))
    return found


def worst_aua_percent(attacks: Iterable[Sequence[Outcome]]) -> float:
    """Aua under the worst of several attacks: the share of texts that withstood all of them.

    Raises:
        ValueError: if the attacks are not on the same texts.
    """
    withstood = [{o.example_id: o.status == "failed" for o in outcomes} for outcomes in attacks]
    if not withstood or not withstood[0]:
        return float("nan")
    if any(each.keys() != withstood[0].keys() for each in withstood):
        raise ValueError("the worst case needs attacks on the same texts")
    survived = sum(all(each[example] for each in withstood) for example in withstood[0])
    return 100 * survived / len(withstood[0])


def right_answers(classes: np.ndarray, labels: Sequence[int]) -> str:
    """Which texts are read correctly, as stored: 1 for right and 0 for wrong, in order.

    Args:
        classes: (N,) the answers. labels: N class numbers.
    """
    return "".join("1" if guess == label else "0" for guess, label in zip(classes, labels, strict=True))


def joining(outcomes: Sequence[Outcome], added: Added) -> list[Outcome]:
    """The outcomes that join the training texts: with "all" those without an error, otherwise the successful ones."""
    return [each for each in outcomes if each.status == "successful" or (added == "all" and each.status != "error")]


def tally(outcomes: Sequence[Outcome], added: Added) -> dict[str, int]:
    """Counts for a training's record of an attack: texts attacked, added, with errors, and queries.

    Args:
        added: which texts joined the training texts; see `joining`.
    """
    return {
        "attacked": len(outcomes),
        "added": len(joining(outcomes, added)),
        "broken": sum(outcome.status == "error" for outcome in outcomes),
        "queries": sum(outcome.queries for outcome in outcomes),
    }
