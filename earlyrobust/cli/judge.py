"""The verb for human judgement of attacked texts."""

from __future__ import annotations

from pathlib import Path

from baselines.validation import require, unknown
from earlyrobust.cli.answers import print_table, say

ACTIONS = ("export", "import")


def judge(
    action: str,
    out: Path,
    *,
    folder: Path,
    n: int | None = None,
    task: str | None = None,
    seed: int | None = None,
    json: Path | None = None,
) -> int:
    """Ask people whether attacked texts are still right: export questions, import answers.

    `export` writes a CSV for each of three raters, with originals and attacked texts in random order, and a key.
    `import` reads the filled files and prints the share of valid successes, the validated Aua % and the agreement.

    Args:
        action: export or import.
        out: the folder of results.
        folder: where the questions, the key and the answers are; new or empty for export.
        n: successes to judge, spread over methods and attacks; 100 when left out. For export.
        task: the task, as the report calls it, if there are several. For export.
        seed: decides which successes are drawn; 0 when left out. For export.
        json: file for the printed table as JSON. For import.
    """
    from reports.judging import judged_table, write_questions
    from reports.tables import write_table

    if action not in ACTIONS:
        raise unknown("action", action, ACTIONS)
    if action == "export":
        require(json is None, "--json", "left out for 'judge export'", json)
        say(*map(str, write_questions(out, folder, 100 if n is None else n, task, 0 if seed is None else seed)))
        return 0
    for option, value in (("--n", n), ("--task", task), ("--seed", seed)):
        require(value is None, option, "left out for 'judge import'", value)
    table = judged_table(out, folder)
    print_table(table, json)
    say(*map(str, write_table(table, folder, "judged")))
    return 0
