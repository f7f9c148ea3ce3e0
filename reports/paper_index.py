"""A page with the source of each method and hyperparameter, generated from the code's docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tabulate import tabulate

from baselines.defense import Defense
from baselines.settings import default_of, is_inlined, plain
from benchmarks.clock.cost import epoch_units
from benchmarks.experiments.defenses import TABLE_ORDER, tree_defenses

HEAD = """# Paper index

Every hyperparameter with its default and where it is from, written from the code by `earlyrobust paper-index FILE`; a
test holds this page to it. What a task or a preset sets apart, `earlyrobust show METHOD --task TASK` tells.
"""

FIELD = re.compile(r" {4}(?P<names>\w+(?:, \w+)*): (?P<text>.*)")


def paper_index() -> str:
    """The page, in Markdown: the settings shared by all methods, then a section per method with its own."""
    order = [*TABLE_ORDER, *sorted(tree_defenses().keys() - set(TABLE_ORDER))]
    shared = {field.name: default_of(field) for field in dataclasses.fields(Defense)}
    sections = [_section("Every method", "", Defense, {})]
    for defense in map(tree_defenses().__getitem__, order):
        sections.append(_section(defense.title, f"{defense.paper}. ", defense, shared))
    return "\n".join([HEAD, *sections])


def _section(title: str, paper: str, defense: type[Defense], known: Mapping[str, Any]) -> str:
    """One method, without the settings with the same default in `known`."""
    rows = [
        (f"`{name}`", f"`{_short(value)}`", text.replace("|", r"\|"))
        for name, value, text in _settings(defense)
        if name not in known or value != known[name]
    ]
    parts = [f"## {title}", f"{paper}{source(defense)}".strip(), _by_task(defense), _published(defense), _cost(defense)]
    if rows:
        parts.append(tabulate(rows, ("Setting", "Default", "What it is"), tablefmt="pipe", disable_numparse=True))
    return "\n\n".join(part for part in parts if part) + "\n"


def _settings(defense: type[Defense]) -> Iterator[tuple[str, Any, str]]:
    """Each setting's name, default and description; an inlined value is replaced by its own settings."""
    described = descriptions(defense)
    for field in dataclasses.fields(defense):
        value, text = default_of(field), described[field.name]
        if not is_inlined(field):
            yield field.name, value, text
            continue
        inside = descriptions(type(value))
        for each in dataclasses.fields(value):
            own = f" Here: {text}" if f"`{each.name}`" in text else ""
            yield each.name, getattr(value, each.name), f"{inside[each.name]}{own}"


def _by_task(defense: type[Defense]) -> str:
    """The settings that are specific to a task, as a sentence."""
    tasks = [
        f"{task} {', '.join(f'`{name}={_short(value)}`' for name, value in settings.items())}"
        for task, settings in defense.task_settings.items()
    ]
    return f"By task: {'; '.join(tasks)}." if tasks else ""


def _published(defense: type[Defense]) -> str:
    """How the authors' schedule differs from the shared one, as a sentence."""
    settings = ", ".join(f"`{name}={_short(value)}`" for name, value in defense.published.items())
    return f"Published schedule (`--schedule published`): {settings}." if settings else ""


def _cost(defense: type[Defense]) -> str:
    """What a training by default costs, and one with the release's settings, as a sentence."""
    if defense is Defense:
        return ""
    costs = [f"{epoch_units(defense()):.1f} epochs of fine-tuning"]
    if hasattr(defense, "released"):
        costs.append(f"{epoch_units(defense.released()):.1f} with the settings of its release")
    return f"Predicted cost: {', '.join(costs)}."


def source(defense: type) -> str:
    """The `Source:` and `Departures:` of a class's docstring, each a paragraph."""
    text = inspect.cleandoc(vars(defense).get("__doc__") or "")
    found = []
    for name in ("Source", "Departures"):
        match = re.search(rf"^{name}: (.*?)(?=\n\n|\n\w+:|\Z)", text, re.MULTILINE | re.DOTALL)
        if match:
            found.append(f"{name}: {' '.join(match[1].split())}")
    return "\n\n".join(found)


def descriptions(defense: type) -> dict[str, str]:
    """The docstrings' descriptions of fields, by name; a subclass overrides its base class."""
    found: dict[str, str] = {}
    for each in reversed(defense.__mro__):
        found |= _attributes(vars(each).get("__doc__") or "")
    return found


def _attributes(docstring: str) -> dict[str, str]:
    """The entries under `Attributes:`."""
    _, _, block = inspect.cleandoc(docstring).partition("Attributes:\n")
    found: dict[str, str] = {}
    names: tuple[str, ...] = ()
    for line in block.split("\n"):
        if entry := FIELD.fullmatch(line):
            names = tuple(entry["names"].split(", "))
            found |= dict.fromkeys(names, entry["text"])
        elif line.startswith(" " * 8) and names:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found


def _short(value: Any) -> str:
    """A default as a user would set it; a nested method by its title and what differs from its own defaults."""
    if not dataclasses.is_dataclass(value):
        return f"{value:g}" if isinstance(value, float) else str(value)
    usual = plain(type(value)(), whole=True)
    changed = {name: each for name, each in plain(value, whole=True).items() if each != usual[name]}
    return f"{type(value).__name__}({', '.join(f'{name}={_short(each)}' for name, each in changed.items())})"
