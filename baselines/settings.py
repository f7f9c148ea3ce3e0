"""Hyperparameters as plain values: how a dataclass is written into records and keys, and changed by field names.

A method may be made of values that are dataclasses themselves, such as its ascent. Where such a field is `inlined`, the
value's fields are written and named as if they were the method's own: `steps` for `ascent.steps`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, TypeVar

from baselines.validation import unknown

ADDED_LATER, INLINED = "added_later", "inlined"

Settings = TypeVar("Settings")


def added_later(default: Any) -> Any:
    """A field added later: left out of keys at its default, so that older results still match."""
    return field(default=default, metadata={ADDED_LATER: True})


def inlined(default: Any) -> Any:
    """A field that holds a dataclass, the fields of which are named and stored as the method's own."""
    return field(default=default, metadata={INLINED: True})


def default_of(one: dataclasses.Field[Any]) -> Any:
    """A dataclass field's default, newly made where a function makes it."""
    return one.default if one.default_factory is dataclasses.MISSING else one.default_factory()


def is_inlined(one: dataclasses.Field[Any]) -> bool:
    """Whether the fields of what it holds are named as the method's own."""
    return bool(one.metadata.get(INLINED))


def plain(settings: Any, *, whole: bool) -> dict[str, Any]:
    """A dataclass as JSON values; nested ones become dictionaries, and inlined ones are merged.

    A nested value of another class than the field's default names its `key` under "defense".

    Args:
        whole: False leaves out the fields `added_later` that are at their default.
    """
    values: dict[str, Any] = {}
    for each in dataclasses.fields(settings):
        value, default = getattr(settings, each.name), default_of(each)
        if not whole and each.metadata.get(ADDED_LATER) and value == default:
            continue
        if is_inlined(each):
            values |= plain(value, whole=whole)
        elif dataclasses.is_dataclass(value):
            inner = plain(value, whole=whole)
            is_other = hasattr(value, "key") and type(value) is not type(default)
            values[each.name] = {"defense": value.key} | inner if is_other else inner  # type: ignore[union-attr]
        else:
            values[each.name] = value
    return values


def named(settings: Any) -> Iterator[tuple[str, str]]:
    """Every name that a setting goes by, with the field that holds it: its own, or the inlined one it is a field of."""
    for each in dataclasses.fields(settings):
        yield each.name, each.name
        if is_inlined(each):
            yield from ((inner.name, each.name) for inner in dataclasses.fields(getattr(settings, each.name)))


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """A copy with some fields changed, those of inlined values by their own names.

    Raises:
        UserError: for an unknown field, or a value the dataclass refuses.
    """
    owners = dict(named(settings))
    direct: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        if name not in owners:
            raise unknown(f"setting of {type(settings).__name__}", name, owners)
        if owners[name] == name:
            direct[name] = value
        else:
            inner.setdefault(owners[name], {})[name] = value
    for owner, values in inner.items():
        direct[owner] = dataclasses.replace(direct.get(owner, getattr(settings, owner)), **values)
    return dataclasses.replace(settings, **direct)  # type: ignore[type-var]
