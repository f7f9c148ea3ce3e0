"""Match labels to a classifier's classes: by name, or by number if names do not decide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baselines.validation import UserError, require

MOST_CLASSES = 1 << 16
MOST_SHOWN = 8

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER_INSIDE = re.compile(r"(?<![0-9])[+-]?[0-9]+(?:\.[0-9]+)?")
_TRUTH_VALUES = ("true", "false", "yes", "no")


@dataclass(frozen=True)
class Classes:
    """The classes of a classifier.

    Attributes:
        names: C names, by class number. transformers writes `LABEL_0`, `LABEL_1`, ... for classes without a name.
    """

    names: tuple[str, ...]

    @classmethod
    def of_configuration(cls, values: Mapping[str, Any]) -> Classes:
        """The classes that a model's `config.json` describes.

        Args:
            values: its content; `id2label`, `label2id` and `num_labels` may each be absent.
        Raises:
            UserError: if they contradict each other, or do not map between numbers and names.
        """
        count = values.get("num_labels")
        require(count is None or (type(count) is int and 1 <= count <= MOST_CLASSES), "num_labels", "a number", count)
        numbers = _numbers_of_names(values.get("label2id"))
        if all(map(_is_generic, numbers, numbers.values())):
            numbers = {}
        if values.get("id2label") is None:
            names = tuple(f"LABEL_{number}" for number in range(len(numbers) or count or 2))
        else:
            names = _names_by_number(values["id2label"])
        if not numbers:
            return cls(names)
        by_number = {number: name for name, number in numbers.items()}
        found = tuple(by_number.get(number, "") for number in range(len(names)))
        if not cls(names).are_named and all(found):
            return cls(found)
        if any(folded(names[number]) != folded(name) for name, number in numbers.items() if number < len(names)):
            raise UserError(
                f"id2label and label2id contradict each other: {_listed(names)} and {numbers}; correct one of them"
            )
        return cls(names)

    @property
    def are_named(self) -> bool:
        """Whether at least one class has a name of its own."""
        return not all(map(_is_generic, self.names, range(len(self.names))))

    def numbers_of(self, labels: Iterable[tuple[str, str]]) -> tuple[dict[str, int], str | None]:
        """Map every label of a file to a class number; also return a sentence if numbers were taken by position.

        A label is a class name. If no label is a name and all are whole numbers, they are class numbers from 0. If the
        names themselves carry other numbers ("1 star"), that would be a guess, and an error is raised.

        Args:
            labels: the place of each label ("texts.csv, row 3"), and the label as written. All are checked.
        Raises:
            UserError: naming the first label that is no class, and the classes.
        """
        places: dict[str, str] = {}
        for where, written in labels:
            places.setdefault(written, where)
        by_name, by_folded_name = self._lookups()
        for known, key in (by_name, by_folded_name):
            if all(key(written) in known for written in places):
                return {written: known[key(written)] for written in places}, None
        named = [written for written in places if folded(written) in by_folded_name[0]]
        wrong = next(written for written in places if written not in named)
        where = places[wrong]
        if named:
            raise UserError(
                f"{where}: the label {wrong[:80]!r} is none of the model's classes, while {named[0][:80]!r} is one; "
                f"the classes are {self}"
            )
        words = [written for written in places if not _WHOLE_NUMBER.fullmatch(written)]
        if words:
            wrong = words[0]
            raise UserError(f"{places[wrong]}: the label {wrong[:80]!r} is no number and none of {self}{_hint(wrong)}")
        if _carry_other_numbers(self.names):
            raise UserError(
                f"{where}: the label {wrong[:80]!r} is none of {self}, and a number is ambiguous, since the names "
                f"contain other numbers; write the class names"
            )
        outside = [written for written in places if not 0 <= int(written) < len(self.names)]
        if outside:
            raise UserError(
                f"{places[outside[0]]}: the label {outside[0][:80]!r} is outside the model's {len(self.names)} classes"
                f"; labels are numbers from 0 to {len(self.names) - 1}, or {self}"
            )
        numbers = {written: int(written) for written in places}
        if not self.are_named:
            return numbers, None
        pairs = _pairs(range(len(self.names)), self.names)
        return numbers, f"The file's labels are numbers, taken as class numbers: {pairs}."

    def order_for(
        self, task: str, names: Sequence[str], written: Sequence[str] = ()
    ) -> tuple[tuple[int, ...], str | None]:
        """The model's class for each class of a task; also return a sentence if position decided.

        Args:
            task: its name, for messages.
            names: the task's class names, by number.
            written: how the task's files write the class names, in the same order.
        Returns:
            (C,) class numbers of the model.
        Raises:
            UserError: for a different number of classes, and for names that match in part or not at all.
        """
        if len(names) != len(self.names):
            raise UserError(
                f"the model must be a classifier into the {len(names)} classes of {task!r} ({_listed(names)}), got one "
                f"into {len(self.names)}: {self}"
            )
        for theirs in (names, written):
            for known, key in self._lookups():
                if theirs and sorted(map(key, theirs)) == sorted(known):
                    return tuple(known[key(name)] for name in theirs), None
        shared = {folded(name) for name in names} & {folded(name) for name in self.names}
        nameless = not self.are_named or _all_numbers(self.names) or _all_numbers(names)
        if shared or not nameless or not _ascend(self.names):
            raise UserError(
                f"the model's classes {self} cannot be matched to those of {task!r}, which are {_listed(names)}; "
                f"write the task's names into id2label of the model's config.json"
            )
        said = f"Classes of the model were matched to those of {task} by position: {_pairs(self.names, names)}."
        return tuple(range(len(names))), said

    def _lookups(self) -> list[tuple[dict[str, int], Callable[[str], str]]]:
        """Class numbers by name, then by folded name, each with the function that makes a key of a name."""
        as_written, as_folded = list(self.names), [folded(name) for name in self.names]
        return [(_numbered(as_written), str), (_numbered(as_folded), folded)]

    def __str__(self) -> str:
        return _listed(self.names)


def folded(name: str) -> str:
    """A name in lower case, with one kind of separator between words."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _is_generic(name: str, number: int) -> bool:
    return folded(name) == f"label_{number}"


def _numbered(names: Sequence[str]) -> dict[str, int]:
    """Numbers by name, without names that two classes share."""
    times = Counter(names)
    return {name: number for number, name in enumerate(names) if times[name] == 1}


def _names_by_number(by_number: Any) -> tuple[str, ...]:
    """The names of an `id2label`, by number."""
    require(isinstance(by_number, Mapping) and len(by_number) > 0, "id2label", "a map from number to name", by_number)
    require(len(by_number) <= MOST_CLASSES, "id2label", f"of at most {MOST_CLASSES} classes", len(by_number))
    found = {str(number): name for number, name in by_number.items()}
    keys = [str(number) for number in range(len(found))]
    require(set(found) == set(keys), "id2label", f"a map from 0 to {len(found) - 1}", list(found)[:MOST_SHOWN])
    names = [found[key] for key in keys]
    plain = all(isinstance(name, str | int | float) for name in names)
    require(plain, "id2label", "a map to names", names[:MOST_SHOWN])
    written = tuple(str(name) for name in names)
    double = next((name for name, times in Counter(written).items() if times > 1), None)
    require(double is None, "id2label", "a map with one name for each class", double)
    return written


def _numbers_of_names(by_name: Any) -> dict[str, int]:
    """The numbers of a `label2id`, by name; empty if it is absent."""
    if by_name is None:
        return {}
    require(isinstance(by_name, Mapping), "label2id", "a map from name to number", by_name)
    for name, number in by_name.items():
        whole = isinstance(number, int | str) and _WHOLE_NUMBER.fullmatch(str(number)) is not None
        require(whole and int(number) >= 0, "label2id", "a map from name to number", {name: number})
    return {str(name): int(number) for name, number in by_name.items()}


def _numbers_inside(names: Sequence[str]) -> list[float] | None:
    """The number in each name, if every name has exactly one."""
    found = [_NUMBER_INSIDE.findall(name) for name in names]
    return [float(each[0]) for each in found] if all(len(each) == 1 for each in found) else None


def _carry_other_numbers(names: Sequence[str]) -> bool:
    """Whether names carry numbers other than the class numbers, or a name is itself a number."""
    inside = _numbers_inside(names)
    return any(map(_is_number, names)) or (inside is not None and inside != list(range(len(names))))


def _ascend(names: Sequence[str]) -> bool:
    """Whether every name has a number and the numbers ascend."""
    inside = _numbers_inside(names)
    return inside is None or inside == sorted(inside)


def _is_number(name: str) -> bool:
    return _NUMBER_INSIDE.fullmatch(name.strip()) is not None


def _all_numbers(names: Sequence[str]) -> bool:
    return all(map(_is_number, names))


def _hint(written: str) -> str:
    if _is_number(written):
        return "; write whole numbers without a fraction, as in 1"
    if written.casefold() in _TRUTH_VALUES:
        return "; write the class names, or the class numbers from 0"
    return ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(repr(name[:80]) for name in names[:MOST_SHOWN]) + more


def _pairs(ours: Iterable[Any], theirs: Sequence[str]) -> str:
    pairs = [f"{one} = {other[:80]}" for one, other in zip(ours, theirs, strict=False)]
    return ", ".join(pairs[:MOST_SHOWN]) + (", ..." if len(pairs) > MOST_SHOWN else "")
