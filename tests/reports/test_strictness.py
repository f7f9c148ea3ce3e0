"""Bounds on what counts as a success are the table's cells and the drawing's points."""

from __future__ import annotations

from made_up import outcome

from reports.attack_groups import AttackGroup
from reports.strictness import LEAST_SIMILARITIES, MOST_CHANGED, STEPS, strictness_panels, strictness_table

OUTCOMES = (
    outcome(0, "successful", similarity=0.97, words=10, words_changed=1),
    outcome(1, "successful", similarity=0.86, words=10, words_changed=3),
    outcome(2, "failed"),
    outcome(3, "skipped"),
)


def group(outcomes, method: str = "FreeLB") -> AttackGroup:
    texts = frozenset((each.example_id, each.original) for each in outcomes)
    return AttackGroup("SST-2", method, "TextFooler", ("no", "yes"), ("sentence",), texts, {42: outcomes})


def test_rows_by_hand() -> None:
    unmeasured = [outcome(0, "successful", similarity=None)]
    first, second = strictness_table([group(OUTCOMES), group(unmeasured, "PGD")]).records()
    by_similarity = [first[f"aua_percent_similarity_{least:g}"] for least in LEAST_SIMILARITIES]
    assert by_similarity == [25, 25, 50, 50, 75]
    assert [first[f"aua_percent_words_{100 * most:g}"] for most in MOST_CHANGED] == [25, 25, 50, 50, 75]
    assert second["aua_percent_similarity_0.8"] is None and second["aua_percent_words_40"] == 0


def test_a_panel_for_each_bound_with_a_line_for_each_method() -> None:
    panels = strictness_panels([group(OUTCOMES), group(OUTCOMES[2:], "PGD")])
    assert [(task, panel.title) for task, panel in panels] == [
        ("SST-2", "TextFooler, similarity"),
        ("SST-2", "TextFooler, words"),
    ]
    similarity, words = (panel.series[0].y for _, panel in panels)
    assert similarity[0] == words[-1] == 25 and similarity[-1] == words[0] == 75 and len(words) == STEPS + 1
    assert [series.name for series in panels[0][1].series] == ["FreeLB", "PGD"]
