"""Verbs that list what the suite knows, and tell of one thing in it."""

from __future__ import annotations

from pathlib import Path

from earlyrobust.cli.answers import print_table, say


def ls(what: str = "defenses", *, json: Path | None = None) -> int:
    """List defenses, tasks, recipes, presets, experiments, or the parts of the evidence.

    Args:
        what: defenses, tasks, recipes, presets, experiments or evidence (its parts).
        json: file for the same content as JSON.
    """
    from reports.listings import listing

    return print_table(listing(what), json)


def show(name: str, *, task: str | None = None, json: Path | None = None) -> int:
    """Show one defense with its hyperparameters, or one recipe with its parts.

    Args:
        name: a defense or a recipe.
        task: a task, for the settings the defense has there.
        json: file for the same content as JSON.
    """
    from reports.listings import details

    return print_table(details(name, task), json)


def diff_recipes(first: str, second: str, *, json: Path | None = None) -> int:
    """Print the parts in which two recipes differ.

    Args:
        first: a recipe.
        second: another recipe.
        json: file for the same content as JSON.
    """
    from reports.listings import recipe_differences

    return print_table(recipe_differences(first, second), json)


def paper_index(to: Path) -> int:
    """Write the page on where each method and each hyperparameter is from.

    Args:
        to: file to write, in Markdown.
    """
    from benchmarks.results.store import write_atomically
    from reports.paper_index import paper_index as page

    write_atomically(to, page())
    say(str(to))
    return 0
