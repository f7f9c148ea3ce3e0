"""Verbs that read folders of results: report, compare, verify, publish."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from earlyrobust.cli.answers import DIFFERENT, FAILED, INCOMPLETE, say


def report(
    *,
    out: Path = Path("results"),
    examples: int = 200,
    paper_numbers: Path | None = None,
    write_into: Path | None = None,
) -> int:
    """Write the full report of a results folder, with a verdict on each claim of the paper.

    All of it goes to one page, index.html, that needs no network. Rates per class, query budgets and agreement go to
    attacks.md, .csv and .json too; the verdicts to claims and what they rest on to claims_parts; published numbers
    beside ours to paper_numbers.

    Args:
        out: the folder of results to read, where these files are written.
        examples: most texts on the page of each attack on each run, in the order drawn; 0 for none.
        paper_numbers: folder with CSV files of published numbers; those that come with the suite when left out.
        write_into: document whose blocks between markers are filled with this folder's tables.
    """
    from reports.attack_report import check_examples, print_report, write_report
    from reports.budgets import draw_budgets
    from reports.card import print_card, write_card
    from reports.documents import write_into as fill_blocks
    from reports.figures import missing_library, write_figure
    from reports.output_files import require_output
    from reports.overview import overview
    from reports.page.page import write_page
    from reports.tables import write_table

    check_examples(examples)
    if write_into is not None:
        require_output(write_into, "--write-into")
    found = overview(out, paper_numbers)
    console = Console()
    if found.attacks is not None:
        print_report(found.attacks, console, examples)
    if found.gaps.rows:
        found.gaps.without("source").print(console)
    print_card(found.card, console)
    if found.attacks is None:
        say("no attack is finished in this folder: its rates, budgets and texts are left out")
    else:
        say(*map(str, write_report(found.attacks, out)))
        if found.attacks.curves:
            figure = missing_library() or write_figure(draw_budgets(found.attacks.curves), out, "budgets")
            say(figure if isinstance(figure, str) else " ".join(map(str, figure)))
    say(*map(str, [*write_card(found.card, out, found.sources), *write_table(found.gaps, out, "paper_numbers")]))
    if write_into is not None:
        say(f"{write_into}: {', '.join(fill_blocks(write_into, out))}")
    say(str(write_page(found, out, examples)))
    return INCOMPLETE if found.attacks is not None and found.attacks.table.incomplete else 0


def compare(first: Path, second: Path, *, json: Path | None = None) -> int:
    """Compare two results folders, or boards, cell by cell, with intervals.

    Exit code 1 if a difference of Clean %, Aua % or #Query is outside its interval. Times are shown if they may be
    compared, and do not change the exit code.

    Args:
        first: folder A, the --out of 'reproduce', 'run' or 'attack', or a board that 'publish' wrote.
        second: folder B; a difference is B minus A.
        json: file for the printed table as JSON.
    """
    from reports.compare import compare as compare_folders
    from reports.tables import write_json

    found = compare_folders(first, second)
    if json is not None:
        write_json(found.table, json)
    found.table.print(Console())
    say(f"{found.differing} differences outside their intervals")
    return DIFFERENT if found.differing else 0


def verify(out: Path = Path("results"), *, json: Path | None = None) -> int:
    """Check the integrity of a results folder: hashes, keys, completeness, every number.

    Derives every number again from the outcomes. Changes nothing. Exit code 1 if something is wrong or unfinished.

    Args:
        out: the folder of results.
        json: file for the printed table as JSON.
    """
    from reports.tables import write_json
    from reports.verified import verified

    table = verified(out)
    if json is not None:
        write_json(table, json)
    if table.incomplete:
        table.print(Console())
    else:
        say(*table.caption)
    return FAILED if table.incomplete else 0


def publish(
    results: Path,
    *,
    to: Path = Path("board"),
    by: str | None = None,
    link: str | None = None,
    runs: int | None = None,
    attack_again: int | None = None,
    synonyms: Path | None = None,
    nltk_data: Path | None = None,
    assets: Path | None = None,
) -> int:
    """Publish finished results on a board: rows, verdicts, a manifest, and the pages that show them.

    Checks the folder as 'verify' does first. A method is left out, and the exit code is 3, where a training or an
    attack is unfinished. Results on generated texts are refused. Nothing is fetched or sent. The folder published/ in
    the folder of results gets each model's numbers as model cards, the Hugging Face Hub and Every Eval Ever have them.

    Args:
        results: the folder of results.
        to: the board's folder. README.md, docs/index.md and docs/results.md beside it are filled where they have a
            block of its name.
        by: who measured the results.
        link: address of an archive of the folder of results, with the weights.
        runs: runs that each method must have; all seeds that the folder has of the task when left out.
        attack_again: attack so many random texts of each method again first, with the stored weights; a method is left
            out where more than 2 % give another verdict.
        synonyms: for --attack-again, the neighbour list of the run, if it had one of its own.
        nltk_data: for --attack-again, the run's folder of NLTK data.
        assets: for --attack-again, the run's folder of assets.
    """
    from reports.board import UNNAMED, Again
    from reports.board import publish as publish_results
    from reports.board_page import require_pictures, write_pages

    require_pictures()
    again = None if attack_again is None else Again(attack_again, synonyms, nltk_data, assets)
    found = publish_results(results, to, UNNAMED if by is None else by, link, runs, again)
    say(*found.changes, f"rows that were there already: {found.unchanged}")
    say(*(f"left out: {reason}" for reason in found.left_out))
    say(*map(str, [*write_pages(to), *found.outside]))
    return INCOMPLETE if found.left_out else 0
