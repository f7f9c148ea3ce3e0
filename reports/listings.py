"""Lists of defenses, tasks, recipes and so on, and the details of one defense or recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from baselines.defense import Defense
from baselines.validation import require, unknown
from benchmarks.attacks.packed_synonyms import MOST_NEIGHBOURS, PackedSynonyms
from benchmarks.attacks.recipe import MARK, Recipe
from benchmarks.attacks.recipes import LIBRARY, RECIPES, find_recipe
from benchmarks.attacks.synonyms import Synonyms
from benchmarks.attacks.wordnet import WordNet
from benchmarks.data.assets import LOCK, Asset, state_of
from benchmarks.data.tasks import TASKS, find_task
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.defenses import find_defense, known_defenses
from benchmarks.experiments.presets import PRESETS
from reports.tables import Column, Table


def _text_table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    columns = tuple(Column(heading, heading.lower().replace(" ", "_"), False) for heading in headings)
    return Table(title, columns, tuple(rows))


def listing(what: str) -> Table:
    """All defenses, tasks, recipes, presets, experiments or parts of the evidence.

    Raises:
        UserError: for anything else.
    """
    if what == "defenses":
        rows = [(key, defense.title, defense.paper) for key, defense in known_defenses().items()]
        return _text_table("Defenses", ("Key", "Title", "Paper"), rows)
    if what == "tasks":
        rows = [(task.key, task.title, ", ".join(task.columns), ", ".join(task.label_names)) for task in TASKS.values()]
        return _text_table("Tasks", ("Key", "Title", "Columns", "Labels"), rows)
    if what == "recipes":
        rows = [(key, recipe.title, recipe.source) for key, recipe in RECIPES.items()]
        return _text_table("Recipes", ("Key", "Title", "Source"), rows)
    if what == "presets":
        rows = [
            (preset.key, ", ".join(preset.tasks), preset.backbone, str(preset.runs), str(preset.train_texts or "all"))
            for preset in PRESETS.values()
        ]
        return _text_table("Presets", ("Key", "Tasks", "Backbone", "Runs", "Training texts"), rows)
    if what == "experiments":
        rows = [(key, experiment.shows, ", ".join(experiment.tasks or ())) for key, experiment in EXPERIMENTS.items()]
        return _text_table("Experiments", ("Key", "What it shows", "Tasks"), rows)
    if what == "evidence":
        from benchmarks.device.parts import PARTS

        rows = [(part.key, part.title, f"{part.minutes:g}", "yes" if part.needs_cuda else "no") for part in PARTS]
        return _text_table("Parts of a device's evidence", ("Key", "What", "Minutes", "Needs CUDA"), rows)
    raise unknown("listing", what, ("defenses", "tasks", "recipes", "presets", "experiments", "evidence"))


def asset_listing(assets: Sequence[Asset], folder: Path) -> Table:
    """The state of each file of an assets folder, its size on disk or as announced, and the source of its hash."""
    rows = []
    for asset in assets:
        path = folder / asset.path
        size = path.stat().st_size if path.is_file() else asset.size
        trust = "pinned" if asset.is_pinned else "as first fetched"
        rows.append((asset.key, state_of(asset, folder), "unknown" if size is None else f"{size / 1e6:.1f} MB", trust))
    caption = (f"As first fetched: no hash is published; the one found is kept in {LOCK} and holds ever after.",)
    table = _text_table("Assets", ("Asset", "State", "Size", "SHA-256"), rows)
    return replace(table, caption=caption if any(not asset.is_pinned for asset in assets) else ())


def details(name: str, task: str | None = None) -> Table:
    """A defense's hyperparameters (as set for `task`), or a recipe's parts.

    Raises:
        UserError: for a name that is neither.
    """
    if name.partition(MARK)[0] in RECIPES or name.startswith(LIBRARY):
        require(task is None, "--task", f"left out for the recipe {name!r}, which is the same for all tasks", task)
        recipe = find_recipe(name)
        rows = [("source", recipe.source), ("note", recipe.note), *_parts(recipe)]
        return _text_table(recipe.title, ("Part", "Value"), rows)
    if name not in known_defenses() and not name.endswith(".py"):
        raise unknown("defense or recipe", name, [*known_defenses(), *RECIPES])
    defense = find_defense(name)
    settings = defense() if task is None else defense.for_task(find_task(task).key)
    return _text_table(f"{defense.title} ({defense.paper})", ("Setting", "Value"), flat(_with_kinds(settings)))


def _with_kinds(defense: Defense) -> dict[str, Any]:
    """A defense's settings, with a key for every nested defense: `search.defense`."""
    values = defense.settings()
    for name, nested in vars(defense).items():
        if isinstance(nested, Defense):
            values[name] = {"defense": nested.key} | values[name]
    return values


def synonym_listing(words: Sequence[str], source: Synonyms, wordnet: Path | None = None) -> Table:
    """Each word's neighbours with cosines, and the sense of the word that a neighbour shares.

    Args:
        wordnet: WordNet's database files, for the meaning of each sense.
    Raises:
        UserError: where no word is given, or one has no neighbours.
    """
    require(bool(words), "words", "one or more, as in 'earlyrobust show synonyms good slow'", "none")
    lexicon = None if wordnet is None else WordNet(wordnet)
    rows = []
    for word in words:
        found = source.neighbours(word.lower(), MOST_NEIGHBOURS)
        require(bool(found), "words", "single English words that the list holds", word)
        senses = source.senses(word.lower()) if isinstance(source, PackedSynonyms) else [None] * len(found)
        for neighbour, cosine, sense in zip(found, source.similarities(word.lower(), found), senses, strict=True):
            row = (word, neighbour, "" if cosine is None else f"{cosine:.2f}", _sense_name(sense))
            rows.append(row if lexicon is None else (*row, _meaning(lexicon, word.lower(), sense)))
    headings = ("Word", "Neighbour", "Cosine", "Shared sense", *(("Meaning",) if lexicon else ()))
    caption = (
        f"From {source.describe().removeprefix('synonyms from ')}.",
        "Shared sense: WordNet's number of the word's meaning that the neighbour has too; none: near by its vector.",
    )
    return replace(_text_table("Synonyms", headings, rows), caption=caption)


def _sense_name(sense: tuple[str, int] | None) -> str:
    return "" if sense is None else f"{sense[0].lower()} {sense[1]}"


def _meaning(lexicon: WordNet, word: str, sense: tuple[str, int] | None) -> str:
    """The definition of the sense, less its examples; of an inflected form, that of its lemma."""
    import lemminflect

    if sense is None:
        return ""
    part, number = sense
    for lemma in (word, *lemminflect.getAllLemmas(word).get(part, ())):
        senses = lexicon.senses(lemma, part)
        if len(senses) >= number:
            return senses[number - 1].synset.gloss.partition('; "')[0]
    return ""


def recipe_differences(first: str, second: str) -> Table:
    """The parts in which two recipes differ.

    Raises:
        UserError: for an unknown recipe.
    """
    one, other = (dict(_parts(find_recipe(name))) for name in (first, second))
    parts = dict.fromkeys((*one, *other))
    rows = [(part, one.get(part, ""), other.get(part, "")) for part in parts if one.get(part) != other.get(part)]
    return _text_table(f"{first} and {second}", ("Part", first, second), rows)


def _parts(recipe: Recipe) -> list[tuple[str, str]]:
    """A recipe's parts; of a cascade the keys of its stages, each under its threat model and number."""
    if not recipe.stages:
        return flat(recipe.identity())
    found = [("key", recipe.key), ("query_budget", str(recipe.query_budget)), ("missing", ", ".join(recipe.missing))]
    numbers: dict[str, int] = {}
    for stage in recipe.stages:
        numbers[stage.threat] = numbers.get(stage.threat, 0) + 1
        found.append((f"{stage.threat}, stage {numbers[stage.threat]}", stage.recipe.key))
    return found


def flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested values as dotted names and text."""
    return [(name, str(value)) for name, value in dotted(values).items()]


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names: `search.steps`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= dotted(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
