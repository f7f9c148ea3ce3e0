"""Hyperparameters from text and JSON."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.info_bert import InfoBert
from baselines.pgd import PGD
from baselines.robust_ticket import RobustTicket
from baselines.smart import SMART
from benchmarks.experiments.settings import parse_assignments, with_settings
from method.early_robust import EarlyRobust


@dataclass(frozen=True)
class Inner:
    steps: int = 5

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Inner.steps must be 1 or more, got {self.steps}")


@dataclass(frozen=True)
class Outer:
    rate: float = 0.1
    bound: float | None = None
    norm: Literal["l2", "linf"] = "l2"
    shuffle: bool = True
    search: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("rate=0.5", "rate", 0.5),
        ("rate=1", "rate", 1.0),
        ("bound=2e-5", "bound", 2e-5),
        ("bound=none", "bound", None),
        ("norm=linf", "norm", "linf"),
        ("shuffle=false", "shuffle", False),
    ],
)
def test_text_becomes_the_field_s_type(text: str, name: str, value: object) -> None:
    changed = with_settings(Outer(bound=1.0), parse_assignments([text]))
    assert getattr(changed, name) == value
    assert type(getattr(changed, name)) is type(value)


def test_dots_and_dictionaries_reach_into_nested_settings() -> None:
    assert with_settings(Outer(), {"search.steps": "2"}).search.steps == 2
    assert with_settings(Outer(), {"search": {"steps": 3}, "rate": 1}).search.steps == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rte": "1"}, "unknown setting of Outer 'rte'; did you mean 'rate'?"),
        ({"rate": "fast"}, "Outer.rate must be a number, got 'fast'"),
        ({"search.steps": "2.5"}, "Inner.steps must be a whole number, got '2.5'"),
        ({"search.steps": "0"}, "Inner.steps must be 1 or more, got 0"),
        ({"bound": "wide"}, "Outer.bound must be a number, or none, got 'wide'"),
        ({"norm": "l1"}, "Outer.norm must be one of 'l2', 'linf', got 'l1'"),
        ({"shuffle": "maybe"}, "Outer.shuffle must be true or false, got 'maybe'"),
        ({"rate.x": "1"}, "Outer.rate is 0.1 and has no field 'x' of its own"),
    ],
)
def test_bad_settings_are_refused_with_one_sentence(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        with_settings(Outer(), changes)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_assignments_need_an_equals_sign_and_come_once() -> None:
    with pytest.raises(ValueError, match="written FIELD=VALUE, got 'steps'"):
        parse_assignments(["steps"])
    with pytest.raises(ValueError, match="given twice"):
        parse_assignments(["steps=1", "steps=2"])


def test_a_nested_defense_is_exchanged_by_name_and_then_set() -> None:
    changed = with_settings(EarlyRobust(), parse_assignments(["search.steps=2", "search=smart", "fine_tuning=pgd"]))
    assert changed == EarlyRobust(search=SMART(epochs=1, steps=2), fine_tuning=PGD())


def test_what_was_set_of_the_schedule_is_taken_over_and_the_rest_is_the_new_one_s() -> None:
    """The search's schedule of one epoch, and a rate set before; steps and magnitudes belong to the method."""
    before = with_settings(EarlyRobust(), {"search.learning_rate": 1e-4, "search.steps": 3})
    assert with_settings(before, {"search": "info_bert"}).search == InfoBert(epochs=1, learning_rate=1e-4)
    assert with_settings(before, {"search": "freelb"}) == before, "the same kind is left as it is"
    back = with_settings(with_settings(before, {"search": "pgd"}), {"search": "freelb"})
    assert back.search == FreeLB(epochs=1, learning_rate=1e-4)


def test_a_dictionary_names_its_kind_only_where_that_is_another() -> None:
    for defense in (EarlyRobust(), EarlyRobust(search=PGD().changed(steps=2)), EarlyRobust(search=FineTune(epochs=3))):
        assert with_settings(EarlyRobust(), defense.settings()) == defense
    assert "defense" not in EarlyRobust().settings()["search"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"search": "smrt"}, "unknown defense for EarlyRobust.search 'smrt'; did you mean 'smart'?"),
        ({"search": "early_bert"}, "EarlyRobust.search must be a defense of one stage, got 'early_bert'"),
        ({"fine_tuning": "robust_ticket"}, "EarlyRobust.fine_tuning must be a defense of one stage"),
        ({"fine_tuning.epochs": "3"}, "EarlyRobust.fine_tuning must be left at its default epochs"),
        ({"search.radius": "3"}, "unknown setting of FreeLB 'radius'"),
        ({"search": "mine.py"}, "unknown defense for EarlyRobust.search 'mine.py'"),
    ],
)
def test_nested_defenses_that_will_not_do_are_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        with_settings(EarlyRobust(), changes)
    assert sentence in str(refusal.value)


def test_a_field_for_one_kind_takes_no_other() -> None:
    with pytest.raises(ValueError, match=r"unknown defense for RobustTicket.search 'pgd'; .*known: freelb"):
        with_settings(RobustTicket(), {"search": "pgd"})


def test_the_ascent_s_settings_go_by_their_own_names_and_by_the_ascent_s() -> None:
    one, other = (with_settings(FreeLB(), parse_assignments([f"{name}=3"])) for name in ("steps", "ascent.steps"))
    assert one == other and one.ascent.steps == 3
    assert with_settings(EarlyRobust(), {"search.steps": "2"}).search.ascent.steps == 2
    with pytest.raises(ValueError, match=r"the setting 'steps' of FreeLB is given twice, got 'ascent\.steps' too"):
        with_settings(FreeLB(), {"steps": "2", "ascent.steps": "3"})
