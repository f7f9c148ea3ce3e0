"""Settings as plain values: what is inlined goes by its own names, and what came later keeps older keys."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from baselines.settings import added_later, changed, inlined, named, plain


@dataclass(frozen=True)
class Inner:
    steps: int = 3
    unit: str = added_later("text")

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"Inner.steps must be 0 or more, got {self.steps}")


@dataclass(frozen=True)
class Outer:
    rate: float = 0.1
    inner: Inner = inlined(Inner())
    nested: Inner = Inner(1)
    later: bool = added_later(False)


def test_an_inlined_value_is_written_as_if_its_fields_were_the_owner_s() -> None:
    assert plain(Outer(), whole=True) == {
        "rate": 0.1,
        "steps": 3,
        "unit": "text",
        "nested": {"steps": 1, "unit": "text"},
        "later": False,
    }


def test_what_came_later_is_left_out_at_its_default_alone() -> None:
    assert plain(Outer(), whole=False) == {"rate": 0.1, "steps": 3, "nested": {"steps": 1}}
    grown = Outer(inner=Inner(unit="token"), later=True)
    assert plain(grown, whole=False) == {
        "rate": 0.1,
        "steps": 3,
        "unit": "token",
        "nested": {"steps": 1},
        "later": True,
    }


def test_settings_are_changed_by_either_name() -> None:
    assert dict(named(Outer()))["steps"] == "inner"
    assert changed(Outer(), {"steps": 5, "rate": 1.0}) == Outer(1.0, Inner(5))
    assert changed(Outer(), {"inner": Inner(7, "token"), "steps": 5}) == Outer(inner=Inner(5, "token"))


def test_unknown_and_refused_settings_are_named() -> None:
    with pytest.raises(ValueError, match="unknown setting of Outer 'step'; did you mean 'steps'"):
        changed(Outer(), {"step": 5})
    with pytest.raises(ValueError, match=r"Inner\.steps must be 0 or more, got -1"):
        changed(Outer(), {"steps": -1})
