"""A verb's command line: places, options, several values, fields of a dataclass, and one sentence for a mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from earlyrobust.cli.main import VERBS
from earlyrobust.cli.parser import bind

SEEN: list[tuple] = []


@dataclass(frozen=True)
class Sizes:
    """How much.

    Attributes:
        tasks: what to run; all
            when left out.
        runs: how often, at 100 % each.
    """

    tasks: str | None = None
    runs: int = 2


@dataclass(frozen=True)
class Needed:
    """What must be given.

    Attributes:
        model, data: where they lie.
    """

    model: str
    data: Path


def verb(
    what: str,
    sizes: Sizes = Sizes(runs=3),
    *,
    set: Sequence[str] = (),
    words: tuple[int, int] | None = None,
    from_: Path | None = None,
    share: float = 0.5,
    slow: bool = False,
    check: bool = True,
) -> int:
    """Do nothing.

    Args:
        what: its name.
        sizes: how much of it.
        set: a setting.
        words: least and most.
        from_: where from.
        share: of it.
        slow: take time.
        check: look at it.
    Raises:
        ValueError: never.
    """
    SEEN.append((what, sizes, set, words, from_, share, slow, check))
    return 7


def needy(needed: Needed) -> int:
    """Needs two options.

    Args:
        needed: both.
    """
    SEEN.append((needed,))
    return 0


def several(what: str, others: Sequence[str] = (), *, slow: bool = False) -> int:
    """Takes many.

    Args:
        what: the first.
        others: the others.
        slow: take time.
    """
    SEEN.append((what, others, slow))
    return 0


def given(line: str) -> tuple:
    assert bind(verb, line.split(), "suite verb")() == 7
    return SEEN.pop()


def test_what_is_left_out_keeps_its_default() -> None:
    assert given("a") == ("a", Sizes(runs=3), (), None, None, 0.5, False, True)


def test_values_are_of_the_types_that_the_function_names() -> None:
    line = "--set x=1 a --set y=2 --words 3 4 --from here --share=0.25 --slow --no-check --task sst2 --runs 5"
    assert given(line) == ("a", Sizes("sst2", 5), ("x=1", "y=2"), (3, 4), Path("here"), 0.25, True, False)
    assert given("a --no-slow --check --tasks demo")[1:2] == (Sizes("demo", 3),)


def test_the_last_value_given_by_place_may_be_several() -> None:
    assert bind(several, ["a", "b", "c", "--slow"], "suite several")() == 0
    assert SEEN.pop() == ("a", ("b", "c"), True)
    assert bind(several, ["a"], "suite several")() == 0
    assert SEEN.pop() == ("a", (), False)


def test_a_dataclass_without_default_is_made_of_its_options() -> None:
    assert bind(needy, ["--model", "m", "--data", "d"], "suite needy")() == 0
    assert SEEN.pop() == (Needed("m", Path("d")),)


MISTAKES = {
    "a --rums 3": "unknown option '--rums' of 'suite verb'; did you mean '--runs'?",
    "a --run 3": "unknown option '--run' of 'suite verb'; did you mean '--runs'?",
    "a --zzz=3": "unknown option '--zzz' of 'suite verb'; see 'suite verb --help'",
    "": "'suite verb' needs WHAT; see 'suite verb --help'",
    "a b": "unexpected argument 'b'; see 'suite verb --help'",
    "a --runs many": "--runs must be a whole number, got 'many'",
    "a --share x": "--share must be a number, got 'x'",
    "a --runs": "--runs: expected one argument; see 'suite verb --help'",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_sentence(line: str) -> None:
    with pytest.raises(ValueError) as mistake:
        bind(verb, line.split(), "suite verb")
    assert str(mistake.value) == MISTAKES[line]


def test_missing_options_are_named_together() -> None:
    with pytest.raises(ValueError, match="'suite needy' needs --model and --data; see"):
        bind(needy, [], "suite needy")


def test_help_says_what_the_docstrings_say(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        bind(verb, ["--help"], "suite verb")
    text = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0
    assert "usage: suite verb WHAT [OPTIONS] Do nothing." in text and "never" not in text
    assert "how much of it: --tasks TEXT what to run; all when left out. --runs N how often, at 100 % each." in text
    assert "(default: 3)" in text and "--no-check" in text and "--task " not in text and "None" not in text
    with pytest.raises(SystemExit):
        bind(needy, ["--help"], "suite needy")
    assert "usage: suite needy --model TEXT --data PATH" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", VERBS)
def test_every_parameter_of_every_verb_is_explained(name: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        bind(VERBS[name], ["--help"], f"earlyrobust {name}")
    lines = capsys.readouterr().out.splitlines()
    bare = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if _is_bare(line, after)]
    assert not bare and all(len(line) <= 120 for line in lines)


def _is_bare(line: str, after: str) -> bool:
    """Whether an option stands without a word on it."""
    words = line.split("  ")
    return line.startswith("  -") and len([word for word in words if word]) < 2 and not after.startswith("      ")
