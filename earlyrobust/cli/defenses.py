"""Verbs for authors of a defense: write a first version, check the contract, guard against regressions."""

from __future__ import annotations

from pathlib import Path

from earlyrobust.cli.answers import FAILED, print_table, say


def new_defense(name: str, *, out: Path = Path(".")) -> int:
    """Write a working defense to start from, with its test and its card.

    Overwrites nothing.

    Args:
        name: what to call it, in snake case.
        out: folder for the three files.
    """
    from benchmarks.contract.scaffold import new_defense as write_files
    from reports.output_files import require_output_folder

    require_output_folder(out, "--out")
    paths = write_files(name, out)
    say(*map(str, paths), f"next: earlyrobust check {paths[0]}")
    return 0


def check(defense: str, *, json: Path | None = None) -> int:
    """Check a defense against the contract, on a two-layer model.

    Exit code 1 if a check fails.

    Args:
        defense: the path of a Python file that defines one, which is code and is run; or a known defense.
        json: file for the printed table as JSON.
    """
    from benchmarks.contract import verdicts
    from benchmarks.experiments.defenses import find_defense
    from reports.contract import contract_table

    kind = find_defense(defense)
    table = contract_table(defense, list(verdicts(kind)))
    print_table(table, json)
    return FAILED if table.incomplete else 0


def regress(*, references: Path | None = None, defenses: str | None = None, update: bool = False) -> int:
    """Compare a small training and its attacks, text by text, with stored references.

    Exit code 1 if anything differs.

    Args:
        references: folder with a JSON file per defense; the suite's own when left out.
        defenses: defenses by name or as paths of Python files, separated by commas; all with a reference when left out.
        update: make new references instead, and say what changed.
    """
    from benchmarks.regression.check import check
    from benchmarks.regression.check import update as make_references

    if update:
        make_references(references, defenses, say)
        return 0
    found = check(references, defenses, say)
    say(*(f"{each.defense}: {line}" for each in found for line in each.differences))
    return FAILED if any(each.differences for each in found) else 0
