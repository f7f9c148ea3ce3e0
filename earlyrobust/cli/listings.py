"""Verbs that list what the suite knows, and show one thing in detail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baselines.validation import UserError
from earlyrobust.cli.answers import print_table, say


def ls(what: str = "defenses", *, json: Path | None = None) -> int:
    """List defenses, tasks, recipes, presets, experiments, or the parts of the evidence.

    Args:
        what: defenses, tasks, recipes, presets, experiments or evidence (its parts).
        json: file for the same content as JSON.
    """
    from reports.listings import listing

    return print_table(listing(what), json)


def show(
    name: str,
    words: Sequence[str] = (),
    *,
    task: str | None = None,
    synonyms: Path | None = None,
    wordnet: Path | None = None,
    json: Path | None = None,
) -> int:
    """Show one defense with its hyperparameters, one recipe with its parts, or the neighbours of words.

    Args:
        name: a defense, a recipe, or `synonyms`.
        words: with `synonyms`, the words whose neighbours are printed with cosines and senses.
        task: a task, for the settings the defense has there.
        synonyms: with `synonyms`, a neighbour list in place of the packaged one.
        wordnet: with `synonyms`, a folder of WordNet's database files; the meaning of each sense is printed too.
        json: file for the same content as JSON.
    """
    from reports.listings import details, synonym_listing

    if name == "synonyms":
        from benchmarks.attacks.packed_synonyms import packaged_synonyms
        from benchmarks.attacks.resources import read_neighbours

        if task is not None:
            raise UserError(
                f"--task goes with a defense, and 'show synonyms' was asked for; leave it out, got {task!r}"
            )
        source = packaged_synonyms() if synonyms is None else read_neighbours(synonyms)
        return print_table(synonym_listing(words, source, wordnet), json)
    for option, value in (("a word", words), ("--synonyms", synonyms), ("--wordnet", wordnet)):
        if value:
            raise UserError(f"{option} goes with 'show synonyms', and {name!r} was asked for; leave it out")
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
    from reports.output_files import require_output, write_output
    from reports.paper_index import paper_index as page

    require_output(to, "TO")
    write_output(to, page())
    say(str(to))
    return 0
