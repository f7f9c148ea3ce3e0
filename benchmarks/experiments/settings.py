"""Convert hyperparameters given as text or JSON values, and set them in a defense."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from baselines.defense import Defense
from baselines.settings import named
from baselines.validation import UserError, shown, unknown
from benchmarks.experiments.defenses import find_defense, known_defenses

Settings = TypeVar("Settings")


def parse_assignments(assignments: typing.Sequence[str]) -> dict[str, str]:
    """`["steps=3", "search.steps=2"]` as a dictionary.

    Raises:
        UserError: if an assignment has no `=`, or one field is set twice.
    """
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise UserError(f"a setting is written FIELD=VALUE, got {shown(assignment)}")
        if name in values:
            raise UserError(f"the setting {shown(name)} is given twice: {shown(values[name])} and {shown(value)}")
        values[name] = value
    return values


def build(name: str, task: str, *changes: Mapping[str, Any]) -> Defense:
    """A defense with its settings for `task`, changed by each of `changes` in order.

    Raises:
        UserError: for an unknown defense or an invalid setting.
    """
    defense_type = find_defense(name)
    defense = defense_type.for_task(task)
    for change in changes:
        defense = with_settings(defense, change)
    return defense


def with_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """A copy of a dataclass with some fields changed; `search.steps` changes a field of a nested dataclass.

    Fields of an inlined value also have short names: `steps` for `ascent.steps`. A value is text, converted to the
    field's type, or a plain JSON value. `search=smart` replaces a nested defense by another known one, and so does a
    dictionary with its key under "defense"; changes of the schedule are kept.

    Raises:
        UserError: for an unknown field, a value of the wrong type, or one that the dataclass itself rejects.
    """
    owner = type(settings)
    hints = typing.get_type_hints(owner)
    holders = dict(named(settings))
    direct: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, dot, rest = name.partition(".")
        if head not in holders:
            raise unknown(f"setting of {owner.__name__}", head, holders)
        if holders[head] != head:
            head, dot, rest = holders[head], ".", name
        current = getattr(settings, head)
        if dot:
            if not dataclasses.is_dataclass(current):
                raise UserError(f"{owner.__name__}.{head} is {current!r} and has no field {shown(rest)} of its own")
            inside = nested.setdefault(head, {})
            if rest in inside:
                raise UserError(f"the setting {rest!r} of {owner.__name__} is given twice, got {name!r} too")
            inside[rest] = value
        elif isinstance(value, str) and isinstance(current, Defense):
            direct[head] = _another(value, current, hints[head], f"{owner.__name__}.{head}")
        elif isinstance(value, Mapping) and dataclasses.is_dataclass(current):
            inner = dict(value)
            if "defense" in inner:
                direct[head] = _another(inner.pop("defense"), current, hints[head], f"{owner.__name__}.{head}")
            nested.setdefault(head, {}).update(inner)
        else:
            direct[head] = convert(value, hints[head], f"{owner.__name__}.{head}")
    for head, inner in nested.items():
        direct[head] = with_settings(direct.get(head, getattr(settings, head)), inner)
    return dataclasses.replace(settings, **direct)  # type: ignore[type-var]


def _another(key: str, current: Defense, hint: type, name: str) -> Defense:
    """The known defense `key`, with those settings of the schedule that were changed in `current`."""
    known = {kind.key: kind for kind in known_defenses().values() if issubclass(kind, hint)}
    if key not in known:
        raise unknown(f"defense for {name}", key, known)
    kind = known[key]
    if type(current) is kind:
        return current
    usual = type(current)().schedule()
    return kind(**{setting: value for setting, value in current.schedule().items() if value != usual[setting]})


def convert(value: Any, hint: Any, name: str) -> Any:
    """`value` as the type `hint`.

    Raises:
        UserError: naming the field, what is allowed and what was received.
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(hint), name)
    if origin is Literal:
        for choice in get_args(hint):
            if value == choice or value == str(choice):
                return choice
        raise UserError(f"{name} must be one of {', '.join(map(repr, get_args(hint)))}, got {shown(value)}")
    if hint is bool:
        known = {"true": True, "false": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in known:
            return known[str(value).lower()]
        raise UserError(f"{name} must be true or false, got {shown(value)}")
    if hint in (int, float) and not isinstance(value, bool):
        try:
            return hint(value) if isinstance(value, str) or hint is float else _whole(value)
        except (TypeError, ValueError, OverflowError):
            pass
        raise UserError(f"{name} must be {'a whole number' if hint is int else 'a number'}, got {shown(value)}")
    if hint is str and isinstance(value, str):
        return value
    if isinstance(hint, type) and isinstance(value, hint):
        return value
    raise UserError(f"{name} must be {getattr(hint, '__name__', hint)}, got {shown(value)}")


def _whole(value: Any) -> int:
    if int(value) != value:
        raise ValueError(value)
    return int(value)


def _convert_union(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    """Convert to the first alternative that accepts the value; None is written `none`."""
    if type(None) in choices and (value is None or str(value).lower() == "none"):
        return None
    remaining = [choice for choice in choices if choice is not type(None)]
    refusals = []
    for choice in remaining:
        try:
            return convert(value, choice, name)
        except UserError as refusal:
            refusals.append(str(refusal))
    ending = ", or none" if type(None) in choices else ""
    raise UserError(refusals[0].replace(", got", f"{ending}, got", 1))
