"""A row of a board: the runs of one method with its settings on one task, as plain values that stand in one file.

Which texts were read rightly and which withstood an attack is a bit a text. From these bits two rows are compared text
by text, without models and outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from baselines.validation import require_file_name
from benchmarks.results.records import TrainingRecord, typed
from benchmarks.results.store import content_key
from reports.frame import conditions, counted_seconds
from reports.measured import AttackRuns, Measured, aua_matrices, clean_matrices
from reports.statistics import Estimate, over_runs, summarise, two_level
from reports.table1 import machine_words

BADGES = ("reported", "derived again", "attacked again", "trained again")
NAME_LETTERS = 8
MOST_TEXTS = 10_000_000
ABOUT = ("by", "badge", "link")


@dataclass(frozen=True)
class RowTraining:
    """One training of a row.

    Attributes:
        key: of its record.
        weights_sha256: hash of its weights.
        right: one "1" or "0" per test text, in order; hexadecimal in the file.
        seconds: on the training clock; None for a time that does not count.
        kept_percent: share of the parameters that were kept.
        conditions: what two runs must share for a comparison of their times.
        machine: processor and GPUs, in words.
        commit: of the suite.
        started_at: UTC, ISO 8601.
        flags: what the rule book declares of the run.
    """

    key: str
    weights_sha256: str | None
    right: str
    seconds: float | None
    kept_percent: float
    conditions: dict[str, Any]
    machine: str
    commit: str
    started_at: str
    flags: list[str]


@dataclass(frozen=True)
class RowAttackRun:
    """One run of an attack of a row.

    Attributes:
        key: of its record.
        survived: one "1" or "0" per attacked text, in the order drawn; hexadecimal in the file.
        mean_queries: #Query; None if no text was attacked.
    """

    key: str
    survived: str
    mean_queries: float | None


@dataclass(frozen=True)
class RowAttack:
    """One attack on a row's models.

    Attributes:
        recipe, title, identity, key, texts, count, profile: as of `AttackRuns`.
        runs: by seed.
    """

    recipe: str
    title: str
    identity: dict[str, Any]
    key: str
    texts: str
    count: int
    profile: str
    runs: dict[int, RowAttackRun]

    def withstood(self, seed: int) -> np.ndarray:
        """Whether each text is still read correctly, (N,), bool."""
        return _array(self.runs[seed].survived)

    def queries(self, seed: int) -> float:
        """#Query of a run; NaN if no text was attacked."""
        found = self.runs[seed].mean_queries
        return float("nan") if found is None else found

    @property
    def aua_percent(self) -> Estimate:
        """Aua %, with its interval over runs and texts."""
        return two_level(np.array([100.0 * self.withstood(seed) for seed in self.runs]))

    @property
    def mean_queries(self) -> Estimate:
        """#Query, with its interval over runs."""
        return over_runs(summarise([self.queries(seed) for seed in self.runs]))


@dataclass(frozen=True)
class Row:
    """One method with its settings on one task, under the same conditions.

    Attributes:
        task, defense, title, settings, source, surroundings: as of `Measured`.
        trainings: by seed.
        attacks: complete ones.
        files: SHA-256 of the weights and outcomes that it rests on, by path in the folder of results.
        by: who measured it.
        badge: how far it was repeated by others, one of `BADGES`.
        link: where the folder of results can be fetched.
    """

    task: str
    defense: str
    title: str
    settings: dict[str, Any]
    source: str | None
    surroundings: dict[str, Any]
    trainings: dict[int, RowTraining]
    attacks: tuple[RowAttack, ...]
    files: dict[str, str] = field(default_factory=dict)
    by: str = ""
    badge: str = BADGES[0]
    link: str | None = None

    @property
    def name(self) -> str:
        """Its place on a board: equal for two measurements of the same settings on the same data and backbone.

        Raises:
            UserError: for a task or defense that is no file name.
        """
        for part in (self.task, self.defense):
            require_file_name(part, "the name of a row's task or defense")
        asked = [self.task, self.defense, self.source, self.settings, self.surroundings]
        return f"{self.task}/{self.defense}-{content_key({'row': asked})[:NAME_LETTERS]}"

    def read_rightly(self, seed: int) -> np.ndarray:
        """Whether each test text is read correctly, (N,), bool."""
        return _array(self.trainings[seed].right)

    def seconds(self) -> dict[int, float]:
        """Training seconds by seed, without times that do not count."""
        return {seed: run.seconds for seed, run in self.trainings.items() if run.seconds is not None}

    @property
    def clean_percent(self) -> Estimate:
        """Clean %, with its interval over runs and texts."""
        (matrix,) = clean_matrices([self]) or [np.empty((0, 0))]
        return two_level(matrix)

    @property
    def mean_aua_percent(self) -> Estimate | None:
        """The mean of Aua % over the attacks on most texts, in the runs that all of them have; None without one."""
        found = aua_matrices([self])
        return None if found is None else two_level(found[0])

    @property
    def training_seconds(self) -> Estimate:
        """Training seconds, with their interval over runs."""
        return over_runs(summarise(list(self.seconds().values())))

    @property
    def kept_percent(self) -> Estimate:
        """Share of the parameters that were kept, with its interval over runs."""
        return over_runs(summarise([run.kept_percent for run in self.trainings.values()]))

    @property
    def measurement(self) -> str:
        """A hash of all but who measured it, its badge and its link: equal for the same records."""
        return content_key({name: value for name, value in asdict(self).items() if name not in ABOUT})

    def to_json(self) -> dict[str, Any]:
        """Plain values; beside the bits stand the numbers that are derived from them."""
        values = asdict(self)
        values["trainings"] = {str(seed): _packed(run, "right") for seed, run in values["trainings"].items()}
        for attack, written in zip(self.attacks, values["attacks"], strict=True):
            written["runs"] = {str(seed): _packed(run, "survived") for seed, run in written["runs"].items()}
            written["numbers"] = numbers_of({"aua_percent": attack.aua_percent, "queries": attack.mean_queries})
        values["numbers"] = numbers_of(
            {
                "clean_percent": self.clean_percent,
                "mean_aua_percent": self.mean_aua_percent,
                "training_seconds": self.training_seconds,
                "parameters_kept_percent": self.kept_percent,
            }
        )
        return {"schema": 1, "seeds": sorted(self.trainings), **values}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """The row that `to_json` wrote; its numbers are not read, but derived again.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: for anything else.
        """
        told = {name: value for name, value in values.items() if name not in ("schema", "seeds", "numbers")}
        trainings = {
            int(seed): typed(RowTraining(**_unpacked(run, "right"))) for seed, run in told["trainings"].items()
        }
        attacks = []
        for attack in told["attacks"]:
            runs = {
                int(seed): typed(RowAttackRun(**_unpacked(run, "survived"))) for seed, run in attack["runs"].items()
            }
            own = {name: value for name, value in attack.items() if name != "numbers"}
            attacks.append(typed(RowAttack(**(own | {"runs": runs}))))
            if {len(run.survived) for run in runs.values()} != {attacks[-1].count}:
                raise ValueError(f"a run of {attacks[-1].title} has another number of texts than {attacks[-1].count}")
        if told.get("badge") not in BADGES:
            raise ValueError(f"its badge is {told.get('badge')!r}; allowed: {', '.join(BADGES)}")
        return typed(cls(**(told | {"trainings": trainings, "attacks": tuple(attacks)})))


def row_of(cell: Measured, files: Mapping[str, str] | None = None, **about: Any) -> Row:
    """The row of a victim's stored runs.

    Args:
        files: see `Row`.
        about: by, badge and link.
    """
    return Row(
        task=cell.task,
        defense=cell.defense,
        title=cell.title,
        settings=dict(cell.settings),
        source=cell.source,
        surroundings=dict(cell.surroundings),
        trainings={seed: _training(record) for seed, record in cell.trainings.items()},
        attacks=tuple(map(_attack, cell.attacks)),
        files=dict(files or {}),
        **about,
    )


def _training(record: TrainingRecord) -> RowTraining:
    return RowTraining(
        key=record.key,
        weights_sha256=record.weights_sha256,
        right=record.clean_correct,
        seconds=counted_seconds([record]).get(record.seed),
        kept_percent=100 * record.parameters_kept / record.parameters_before,
        conditions=conditions(record),
        machine=machine_words(record.machine),
        commit=record.versions.get("commit", "not recorded"),
        started_at=record.started_at,
        flags=[*record.flags, *record.invalid],
    )


def _attack(attack: AttackRuns) -> RowAttack:
    return RowAttack(
        recipe=attack.recipe,
        title=attack.title,
        identity=dict(attack.identity),
        key=attack.key,
        texts=attack.texts,
        count=attack.count,
        profile=attack.profile,
        runs={
            seed: RowAttackRun(
                key=attack.keys[seed],
                survived="".join("1" if bit else "0" for bit in attack.withstood(seed)),
                mean_queries=_finite(attack.queries(seed)),
            )
            for seed in attack.runs
        },
    )


def numbers_of(estimates: Mapping[str, Estimate | None]) -> dict[str, Any]:
    """Estimates as plain values, without those of no run; a bound that is not known is None."""
    return {
        name: {"value": found.value, "low": _finite(found.low), "high": _finite(found.high), "runs": found.runs}
        | ({} if found.texts is None else {"texts": found.texts})
        for name, found in estimates.items()
        if found is not None and found.runs
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _array(bits: str) -> np.ndarray:
    return np.array([bit == "1" for bit in bits], bool)


def _packed(run: dict[str, Any], name: str) -> dict[str, Any]:
    """The run with its bits as their number and a hexadecimal number, the first bit the highest."""
    bits = run[name]
    return run | {name: {"texts": len(bits), "bits": f"{int(bits or '0', 2):x}"}}


def _unpacked(run: Mapping[str, Any], name: str) -> dict[str, Any]:
    packed = run[name]
    if not 0 <= packed["texts"] <= MOST_TEXTS:
        raise ValueError(f"{name} has {packed['texts']} texts; at most {MOST_TEXTS} are read")
    bits = f"{int(packed['bits'], 16):0{packed['texts']}b}"
    if len(bits) != packed["texts"]:
        raise ValueError(f"{name} has more bits than its {packed['texts']} texts")
    return {**run, name: bits if packed["texts"] else ""}


def agree(first: Row, second: Row) -> bool:
    """Whether two measurements give the same within chance: Clean % and each Aua % of the second lie in the interval of
    the first, and they share an attack."""
    shared = [(a, b) for a in first.attacks for b in second.attacks if a.key == b.key]
    pairs = [(a.aua_percent, b.aua_percent) for a, b in shared]
    pairs.append((first.clean_percent, second.clean_percent))
    return bool(shared) and all(a.low <= b.value <= a.high for a, b in pairs)


def attacked_texts(row: Row) -> int:
    """The number of texts attacked, over all attacks and runs."""
    return sum(attack.count * len(attack.runs) for attack in row.attacks)


def with_badge(row: Row, badge: str) -> Row:
    """The row with the badge, or with its own if that stands for more."""
    return replace(row, badge=max(row.badge, badge, key=BADGES.index))
