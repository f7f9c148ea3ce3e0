"""The command line of a verb, made from its function: signature, types and docstring.

A parameter before `*` is given by position, one after it as `--name`. A trailing underscore is dropped, so that a
Python keyword can be an option. A parameter that is a dataclass stands for its fields, each an option.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import inspect
import re
import shutil
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

from baselines.validation import UserError

WIDTH = 100
# Another name that an option answers to.
ALIASES = {"--tasks": "--task", "--task": "--tasks"}
WANTED = {int: ("N", "a whole number"), float: ("X", "a number"), Path: ("PATH", "a path"), str: ("TEXT", "text")}


@dataclass(frozen=True)
class Parameter:
    """A value that a verb takes.

    Attributes:
        name: of the parameter or field.
        owner: the parameter of which it is a field, or None.
        kind: the type of the value, or of each of several.
        count: number of values: 1, another number, or "any" for a repeated option or the last positional argument.
        default: MISSING if the user must give it.
        help: what the docstring says.
        positional: whether it is given by position.
    """

    name: str
    owner: str | None
    kind: type
    count: int | str
    default: Any
    help: str
    positional: bool

    @property
    def flag(self) -> str:
        """`--name`, or for a positional parameter its name in capitals."""
        words = self.name.rstrip("_")
        return words.upper() if self.positional else f"--{words.replace('_', '-')}"

    @property
    def destination(self) -> str:
        """The name of the parsed value."""
        return f"{self.owner or ''}.{self.name}"


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that answers a mistake with a UserError of one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message.removeprefix('argument ')}; see '{self.prog} --help'")


def bind(verb: Callable[..., int], arguments: Sequence[str], prog: str) -> functools.partial[int]:
    """Read a verb's arguments and return the call of it.

    Args:
        prog: what the user typed so far, such as `earlyrobust run`.
    Raises:
        UserError: with one sentence, for an unknown option, a missing one, or a value of the wrong type.
        SystemExit: after printing the help that was asked for.
    """
    parameters = list(_parameters(verb))
    parser = _parser(verb, parameters, prog)
    _refuse_unknown_option(parser, arguments)
    parsed, left = parser.parse_known_args(list(arguments))
    if left:
        parser.error(f"unexpected argument {left[0][:80]!r}")
    absent = [each for each in parameters if each.default is MISSING and getattr(parsed, each.destination) is None]
    if absent:
        parser.error(f"'{prog}' needs {' and '.join(each.flag for each in absent)}")
    return functools.partial(verb, **_values(verb, parameters, parsed))


def _parameters(verb: Callable[..., int]) -> Iterator[Parameter]:
    hints, told = typing.get_type_hints(verb), _described(verb.__doc__ or "")
    for name, each in inspect.signature(verb).parameters.items():
        default = MISSING if each.default is each.empty else each.default
        if is_dataclass(hints[name]):
            about, types_of = _described(hints[name].__doc__ or ""), typing.get_type_hints(hints[name])
            for field in fields(hints[name]):
                own = field.default if default is MISSING else getattr(default, field.name)
                yield _parameter(field.name, name, types_of[field.name], own, about.get(field.name, ""), False)
        else:
            by_place = each.kind is each.POSITIONAL_OR_KEYWORD
            yield _parameter(name, None, hints[name], default, told.get(name, ""), by_place)


def _parameter(name: str, owner: str | None, hint: Any, default: Any, told: str, by_place: bool) -> Parameter:
    """`hint` is a type, one or None, a tuple of some length, or a sequence."""
    choices = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = (each for each in choices if each is not type(None))
    inner = typing.get_args(hint)
    count: int | str = 1
    if typing.get_origin(hint) is tuple:
        hint, count = inner[0], len(inner)
    elif inner:
        hint, count = inner[0], "any"
    return Parameter(name, owner, hint, count, default, told, by_place)


def _described(docstring: str) -> dict[str, str]:
    """The sentences on each name under `Args:` or `Attributes:` of a docstring."""
    *_, section = re.split(r"\n +(?:Args|Attributes):\n", docstring, maxsplit=1)
    section = re.sub(r"\n +(Returns|Raises):.*", "", section, flags=re.DOTALL)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(section).splitlines():
        head = re.match(r"(\w+(?:, \w+)*): (.*)", line)
        if head:
            names = head[1].split(", ")
        for name in names:
            found[name] = f"{found[name]} {line.strip()}" if not head else head[2]
    return found


def _parser(verb: Callable[..., int], parameters: Sequence[Parameter], prog: str) -> Parser:
    summary = inspect.cleandoc(verb.__doc__ or "").partition("\nArgs:")[0]
    width = min(shutil.get_terminal_size().columns, WIDTH)
    parser = Parser(
        prog=prog,
        usage=_usage(parameters, prog),
        description=summary,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=width),
    )
    groups: dict[str | None, Any] = {None: parser}
    told = _described(verb.__doc__ or "")
    for each in parameters:
        if each.owner not in groups:
            groups[each.owner] = parser.add_argument_group(told[str(each.owner)].rstrip("."))
        _add(groups[each.owner], each)
    return parser


def _usage(parameters: Sequence[Parameter], prog: str) -> str:
    given = [(each.flag + " ..." * (each.count == "any"), each) for each in parameters if each.positional]
    places = [place if each.default is MISSING else f"[{place}]" for place, each in given]
    needed = [f"{each.flag} {WANTED[each.kind][0]}" for each in parameters if _is_required_option(each)]
    optional = any(not each.positional and each.default is not MISSING for each in parameters)
    return " ".join([prog, *places, *needed, *(["[OPTIONS]"] if optional else [])])


def _is_required_option(parameter: Parameter) -> bool:
    return parameter.default is MISSING and not parameter.positional


def _add(group: Any, parameter: Parameter) -> None:
    """Add one parameter; values stay text, and are converted later, where the message can name the option."""
    told = parameter.help.replace("%", "%%")
    if parameter.kind is bool:
        yes, no = parameter.flag, f"--no-{parameter.flag[2:]}"
        shown = {False: told, True: argparse.SUPPRESS}
        where = {"dest": parameter.destination, "default": None}
        group.add_argument(yes, action="store_true", help=shown[bool(parameter.default)], **where)
        no_help = f"turns off: {told}" if parameter.default else argparse.SUPPRESS
        group.add_argument(no, action="store_false", help=no_help, **where)
        return
    metavar = WANTED[parameter.kind][0]
    if parameter.default is MISSING:
        told += "" if parameter.positional else " (required)"
    elif parameter.default not in (None, ()):
        told += f" (default: {parameter.default})"
    if parameter.positional:
        nargs = "*" if parameter.count == "any" else "?"
        group.add_argument(parameter.destination, metavar=parameter.flag, nargs=nargs, help=told)
        return
    several: dict[str, Any] = {"action": "append"} if parameter.count == "any" else {}
    if isinstance(parameter.count, int) and parameter.count > 1:
        several["nargs"] = parameter.count
    options = {"dest": parameter.destination, "metavar": metavar} | several
    group.add_argument(parameter.flag, help=told, **options)
    if parameter.flag in ALIASES:
        group.add_argument(ALIASES[parameter.flag], help=argparse.SUPPRESS, **options)


def _refuse_unknown_option(parser: Parser, arguments: Sequence[str]) -> None:
    known = list(parser._option_string_actions)
    for each in arguments:
        if each == "--":
            return
        name = each.partition("=")[0]
        if name.startswith("--") and name not in known:
            close = difflib.get_close_matches(name[:80].replace("_", "-"), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"see '{parser.prog} --help'"
            raise UserError(f"unknown option {name[:80]!r} of '{parser.prog}'; {hint}")


def _values(verb: Callable[..., int], parameters: Sequence[Parameter], parsed: argparse.Namespace) -> dict[str, Any]:
    """The verb's arguments; those that were not given keep their defaults."""
    found: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    hints = typing.get_type_hints(verb)
    for each in parameters:
        if each.owner is not None:
            inside.setdefault(each.owner, {})
        written = getattr(parsed, each.destination)
        if written is not None:
            target = found if each.owner is None else inside[each.owner]
            target[each.name] = _converted(each, written)
    for name, changes in inside.items():
        found[name] = _with(inspect.signature(verb).parameters[name].default, hints[name], changes)
    return found


def _with(default: Any, kind: type, changes: Mapping[str, Any]) -> Any:
    """The value for a dataclass: its default, or one with the values that the user gave."""
    base = {} if default is inspect.Parameter.empty else vars(default)
    return kind(**{**base, **changes})


def _converted(parameter: Parameter, written: Any) -> Any:
    if isinstance(written, list):
        return tuple(_converted(parameter, each) for each in written)
    if isinstance(written, bool):
        return written
    if parameter.kind in (Path, str) and (not written or "\0" in written):
        raise UserError(f"{parameter.flag} must be {WANTED[parameter.kind][1]}, got {written[:80]!r}")
    try:
        return parameter.kind(written)
    except ValueError:
        raise UserError(f"{parameter.flag} must be {WANTED[parameter.kind][1]}, got {written[:80]!r}") from None
