"""The doctor's findings, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.jobs.doctor import Finding
from benchmarks.speed.self_test import SelfTest
from reports.statistics import time_ratio
from reports.tables import Column, Table


def findings_table(findings: Sequence[Finding]) -> Table:
    """One row per check."""
    columns = (Column("What", "what", False), Column("State", "state", False), Column("Found", "found", False))
    return Table("This machine", columns, tuple((each.what, each.state, each.detail) for each in findings))


def self_test_table(tests: Sequence[SelfTest], first: Sequence[float], second: Sequence[float]) -> Table:
    """One row per planted fault, and the noise floor in the caption and the last row.

    Args:
        first, second: seconds of one method under two names, block by block.
    """
    columns = (
        Column("Planted", "planted", False),
        Column("Expected", "expected", False),
        Column("Seen", "seen", False),
        Column("Passed", "passed", False),
    )
    rows = [(each.fault, each.expected, each.seen, "yes" if each.passed else "no") for each in tests]
    ratio = time_ratio(dict(enumerate(first)), dict(enumerate(second)))
    covers = ratio.low <= 1 <= ratio.high
    rows.append(
        (
            "one method under two names",
            "a ratio whose interval holds 1",
            f"{ratio.mean:.3f}, 95 % interval {ratio.low:.3f} to {ratio.high:.3f}",
            "yes" if covers else "no",
        )
    )
    floor = 100 * max(ratio.high - 1, 1 - ratio.low)
    caption = (
        f"Noise floor: ratios of times within {floor:.1f} % of 1 mean nothing here, over {ratio.count} blocks "
        f"of short runs.",
    )
    return Table("The clock, tested on itself", columns, tuple(rows), caption)
