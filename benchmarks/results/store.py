"""The store: a folder of records, written once and atomically, and of outcomes, appended line by line."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

from baselines.validation import MachineError, UserError
from benchmarks.data.digests import sha256_of
from benchmarks.data.files import is_unicode
from benchmarks.data.plain_files import (
    NotPlain,
    complete_lines,
    is_plain_file,
    open_plain,
    read_bytes,
    read_text,
    remove_left_parts,
    require_plain,
    sync,
    write_atomically,
)
from benchmarks.results.locks import UnderWay, is_held, locked
from benchmarks.results.metrics import broken_among, tally
from benchmarks.results.records import AttackRecord, EvaluationRecord, Outcome, TrainingRecord, typed

log = logging.getLogger(__name__)

Kind = Literal["trainings", "evaluations", "attacks"]

RECORD = "record.json"
RECORD_BYTES = 1 << 28
LINE_BYTES = 1 << 26
TAIL_BYTES = 1 << 16
WEIGHTS_BYTES = 1 << 36
MOST_COUNTED = 1 << 63
SHOWN = 5
KINDS: tuple[Kind, ...] = ("trainings", "evaluations", "attacks")
FOLDERS = (*KINDS, "adversarial_texts", "locks", "quarantine", "tokens", "tracked")
KEY = re.compile(r"[0-9a-f]{64}")
FOLDER = re.compile(rf"(adversarial_texts/)?(trainings|attacks)/{KEY.pattern}")
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)  # errors from damaged files

Record = TypeVar("Record", TrainingRecord, EvaluationRecord, AttackRecord)


class Damaged(MachineError):
    """A record or an outcome is damaged; `fact` says which and why."""

    @property
    def fact(self) -> str:
        return self.args[0]

    def __str__(self) -> str:
        return f"{self.fact}; the command that made it moves it away and redoes it"


class Incomplete(Damaged):
    """A finished attack lacks outcomes; the existing ones are intact."""


def canonical(values: Any) -> str:
    """JSON with sorted keys and no extra spaces: equal values give equal text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_key(identity: Mapping[str, Any]) -> str:
    """SHA-256 of an identity's canonical JSON, in hexadecimal; 3 and 3.0 count as equal."""
    return hashlib.sha256(canonical(_whole_numbers(identity)).encode()).hexdigest()


def _whole_numbers(value: Any) -> Any:
    """The same value with every float that is whole as an int."""
    if isinstance(value, Mapping):
        return {name: _whole_numbers(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def differences(stored: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The fields in which two identities or records differ, by dotted names: `settings.steps was 3, is 5`."""
    for name in dict.fromkeys((*stored, *wanted)):
        if name not in wanted:
            yield f"{prefix}{name} was {stored[name]!r}, is absent"
        elif name not in stored:
            yield f"{prefix}{name} was absent, is {wanted[name]!r}"
        elif isinstance(stored[name], Mapping) and isinstance(wanted[name], Mapping):
            yield from differences(stored[name], wanted[name], f"{prefix}{name}.")
        elif _whole_numbers(stored[name]) != _whole_numbers(wanted[name]):
            yield f"{prefix}{name} was {stored[name]!r}, is {wanted[name]!r}"


class Store:
    """Records under one folder: `trainings/<key>/`, `evaluations/<key>/`, `attacks/<key>/`.

    Damaged records are moved to `quarantine/`. Links inside the folder are not followed, and only regular files are
    read or written.

    Args:
        root: the folder; it may be a link itself.
        writable: False for reading only; nothing is created in the folder.
        waits: whether to wait for a record that another process is making, instead of raising an error.
    Raises:
        UserError: if the folder is a file or cannot be written, or if a folder in it is a link or a file.
    """

    def __init__(self, root: Path, *, writable: bool = True, waits: bool = False):
        self.root, self.waits = Path(root), waits
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"the output folder {self.root} is a file; give another with --out")
        for name in FOLDERS:
            place = self.root / name
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                raise UserError(f"{place} is a link or a file; a folder is allowed there: put one in its place")
        if not writable:
            return
        if not is_unicode(str(root)):  # weights could not be written into it
            raise UserError(f"the output folder must have a name in UTF-8, got {str(root)!r}; give another with --out")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise UserError(
                f"the output folder {self.root} cannot be written ({error.strerror}); give another with --out"
            ) from error

    def locked(self, kind: Kind, key: str, *, at_once: bool = False) -> AbstractContextManager[None]:
        """Keep other processes off one record while the block runs; see `benchmarks.results.locks.locked`."""
        return locked(self._lock(kind, key), f"{self.root / kind / key}", waits=self.waits and not at_once)

    def is_held(self, kind: Kind, key: str) -> bool:
        """Whether another process is making a record."""
        return is_held(self._lock(kind, key))

    def _lock(self, kind: Kind, key: str) -> Path:
        return self.root / "locks" / f"{kind}-{key}"

    def model_folder(self, key: str) -> Path:
        """The folder of a training's weights."""
        return self._home("trainings", key) / "model"

    def weights_path(self, key: str) -> Path:
        """The file of those weights."""
        return self.model_folder(key) / "model.safetensors"

    def checkpoints_folder(self, key: str) -> Path:
        """The folder of an unfinished training's checkpoints."""
        return self._home("trainings", key) / "checkpoints"

    def outcomes_path(self, key: str) -> Path:
        """The file to which an attack's outcomes are appended."""
        return self._home("attacks", key) / "outcomes.jsonl"

    def victim_path(self, key: str) -> Path:
        """The file with the hash of the weights that were attacked."""
        return self._home("attacks", key) / "victim.json"

    def of_training_texts(self) -> Store:
        """The store inside this one for attacks on training texts; their outcomes are no results."""
        return Store(self.root / "adversarial_texts", writable=False, waits=self.waits)

    def put_training(self, record: TrainingRecord) -> None:
        """Write a training's record; a second one is an error."""
        self._put("trainings", record)

    def training(self, key: str) -> TrainingRecord | None:
        """The record called `key`, or None."""
        return self._get("trainings", key, TrainingRecord)

    def trainings(self) -> Iterator[TrainingRecord]:
        """All training records, by key."""
        return self._all("trainings", TrainingRecord)

    def put_evaluation(self, record: EvaluationRecord) -> None:
        """Write the evaluation of an external victim; a second one is an error."""
        self._put("evaluations", record)

    def evaluation(self, key: str) -> EvaluationRecord | None:
        """The record called `key`, or None."""
        return self._get("evaluations", key, EvaluationRecord)

    def evaluations(self) -> Iterator[EvaluationRecord]:
        """All evaluations of external victims, by key."""
        return self._all("evaluations", EvaluationRecord)

    def put_attack(self, record: AttackRecord) -> None:
        """Write an attack's record, after its outcomes; a second one is an error."""
        self._put("attacks", record)

    def attack(self, key: str) -> AttackRecord | None:
        """The record called `key`, or None; also None unless each planned text has exactly one outcome."""
        record = self.planned_attack(key)
        return record if record is not None and not any(self._unlike_plan(record)) else None

    def planned_attack(self, key: str) -> AttackRecord | None:
        """The record called `key`, complete or not, or None."""
        return self._get("attacks", key, AttackRecord)

    def attacks(self) -> Iterator[AttackRecord]:
        """All attack records, by key, complete or not."""
        return self._all("attacks", AttackRecord)

    def append_outcome(self, key: str, outcome: Outcome) -> None:
        """Add one line to an attack's outcomes: the outcome and a checksum.

        Raises:
            MachineError: naming the file, if the disk is full or the folder cannot be written.
        """
        path = self.outcomes_path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(open_plain(path, os.O_RDWR | os.O_CREAT, None), "r+b") as file:
                file.seek(_sound_bytes(file))
                file.truncate()
                file.write(_line(outcome).encode())
        except OSError as error:
            raise MachineError(f"{path} cannot be written: {error.strerror or error}") from error

    def outcomes(self, key: str) -> list[Outcome]:
        """An attack's outcomes; an incomplete last line is left out, so that its text is attacked again.

        Raises:
            Damaged: if an earlier line is damaged.
        """
        path = self.outcomes_path(key)
        lines = complete_lines(path, LINE_BYTES) if path.exists() else iter(())
        return list(_sound_outcomes(path, lines))

    def ends_whole(self, key: str) -> bool:
        """Whether the last line of an attack's outcomes is complete."""
        with os.fdopen(open_plain(self.outcomes_path(key), os.O_RDONLY, None), "rb") as file:
            return _sound_bytes(file) == os.fstat(file.fileno()).st_size

    def hold_to(self, key: str, weights_sha256: str | None) -> None:
        """Tie an attack to the attacked weights: outcomes of other weights are moved away.

        Repeating a training on a GPU gives other weights, and outcomes of two models must not be mixed.
        """
        path = self.victim_path(key)
        if self.victim(key) not in (None, weights_sha256):
            log.warning(self.set_aside("attacks", key, f"the attack {path.parent} was on weights no longer stored"))
        if not path.exists():
            write_atomically(path, canonical({"weights_sha256": weights_sha256}) + "\n")

    def victim(self, key: str) -> str | None:
        """SHA-256 of the attacked weights, or None if it was not stored.

        Raises:
            Damaged: if the file cannot be read.
        """
        path = self.victim_path(key)
        if not path.exists():
            return None
        try:
            return json.loads(read_text(path, LINE_BYTES))["weights_sha256"]
        except UNREADABLE as error:
            raise Damaged(f"{path} is damaged ({_briefly(error)})") from error

    def quarantine(self) -> list[str]:
        """Move away every damaged or failed training, evaluation and attack; return one sentence for each.

        The next run repeats them. If an attack only lacks outcomes, only its record is moved, and texts with outcomes
        are not attacked again. Records in use by another process are left alone. Checkpoints left behind by a finished
        training are deleted, and so are temporary files of writers that have ended. Outcomes with errors are removed,
        so that these texts are attacked again; for attacks on training texts, until a training has taken up the others.
        """
        inside = self.of_training_texts()
        said = inside._set_damage_aside() if inside.root.is_dir() else []
        said += self._set_damage_aside()
        if inside.root.is_dir():
            said += inside._forget_broken(keep=self._texts_taken_up())
        return said + self._forget_broken()

    def _texts_taken_up(self) -> set[str]:
        """The names of the attacks on training texts that finished trainings have used."""
        finished = (record.identity for record in self.trainings() if record.status == "finished")
        return {content_key(identity["adversarial_texts"]) for identity in finished if "adversarial_texts" in identity}

    def _set_damage_aside(self) -> list[str]:
        said = []
        remove_left_parts(self.root)
        for kind in KINDS:
            for key in self.keys(kind):
                if self._damage(kind, key) is None:
                    continue
                with suppress(UnderWay), self.locked(kind, key, at_once=True):
                    damage = self._damage(kind, key)  # another process may have been faster
                    if isinstance(damage, Incomplete):
                        said.append(self._set_record_aside(kind, key, damage.fact))
                    elif damage is not None:
                        said.append(self.set_aside(kind, key, damage.fact))
        return said

    def _forget_broken(self, keep: Collection[str] = ()) -> list[str]:
        """Remove the outcomes with errors from every attack except those in `keep`; return one sentence per attack."""
        said = []
        for key in self.keys("attacks"):
            if key in keep or self.is_held("attacks", key) or not broken_among(self.outcomes(key)):
                continue
            with suppress(UnderWay), self.locked("attacks", key, at_once=True):
                found = self.outcomes(key)
                broken = broken_among(found)
                kept = "".join(_line(outcome) for outcome in found if outcome.status != "error")
                self._path("attacks", key).unlink(missing_ok=True)
                write_atomically(self.outcomes_path(key), kept)
                said.append(f"the attack {self._path('attacks', key).parent}: {broken}; they are attacked again")
        return said

    def _damage(self, kind: Kind, key: str) -> Damaged | None:
        """The damage of a training, evaluation or attack, or None."""
        try:
            if self.check(kind, key) and kind == "trainings":
                shutil.rmtree(self.checkpoints_folder(key), ignore_errors=True)
        except Damaged as damage:
            return damage
        return None

    def keys(self, kind: Kind) -> list[str]:
        """The names of all folders of a kind, finished or not."""
        return sorted(path.name for path in (self.root / kind).glob("*") if path.is_dir() or KEY.fullmatch(path.name))

    def check(self, kind: Kind, key: str) -> bool:
        """Read everything of a training, an evaluation or an attack; return whether it is finished.

        Raises:
            Incomplete: for an attack that lacks outcomes of texts in its record.
            Damaged: for the first damaged file, or for a training that failed.
        """
        if kind == "trainings":
            record = self.training(key)
            if record is None:
                return False
            if record.status == "failed":
                raise Damaged(f"the training {self._path(kind, key).parent} {record.error}")
            for complaint in (self.texts_complaint(record), self.model_complaint(record)):
                if complaint is not None:
                    raise Damaged(complaint)
            return True
        if kind == "evaluations":
            return self.evaluation(key) is not None
        self.victim(key)
        record = self.planned_attack(key)  # before its outcomes, since another process may be writing
        found = [outcome.example_id for outcome in self.outcomes(key)]
        planned = found if record is None else record.example_ids
        wrong = list(unlike_plan(planned, found))
        if wrong:
            lacks_some = len(wrong) == 1 and len(found) < len(planned)
            raise (Incomplete if lacks_some else Damaged)(f"the attack {self._path(kind, key).parent}: {wrong[0]}")
        if record is not None and found and not self.ends_whole(key):
            raise Damaged(f"the last line of {self.outcomes_path(key)} was not written to its end")
        return record is not None

    def model_complaint(self, record: TrainingRecord) -> str | None:
        """What is wrong with a finished training's model by the hashes in its record; None if it is intact.

        Raises:
            Damaged: if the model's folder holds anything but regular files and folders.
        """
        weights = self.weights_path(record.key)
        if record.status != "finished":
            return None
        if not is_plain_file(weights, WEIGHTS_BYTES):
            return f"the weights {weights} are missing, or too large to be read"
        if sha256_of(weights) != record.weights_sha256:
            return f"the weights {weights} are not those that were trained"
        for name, digest in (record.model_files or {}).items():
            path = self.model_folder(record.key) / name
            if not is_plain_file(path) or sha256_of(path) != digest:
                return f"{path} is missing or not what was stored with the weights"
        return None

    def texts_complaint(self, record: TrainingRecord) -> str | None:
        """What is wrong with the attacked texts that a training used; None if they are intact or there are none."""
        attack = record.identity.get("adversarial_texts")
        if attack is None or record.status != "finished":
            return None
        inside, key = self.of_training_texts(), content_key(attack)
        if not inside.outcomes_path(key).is_file():
            return f"the attacked texts that the training {record.key} took up are gone"
        added = record.identity["settings"].get("added", "successful")  # the value of records without this setting
        found = tally(inside.outcomes(key), added)
        others = [stage["trace"].get("adversarial_texts") for stage in record.stages]
        if all(told == found for told in others):
            return None
        return f"the attacked texts {inside.outcomes_path(key)} are not those that the training {record.key} took up"

    def set_aside(self, kind: Kind, key: str, why: str) -> str:
        """Move a training's or an attack's folder to `quarantine/` and return a sentence on it."""
        target = self._in_quarantine(f"{kind}-{key}")
        if os.path.lexists(self.root / kind / key):  # another process may have been faster
            os.replace(self.root / kind / key, target)
        return f"{why}; it was moved to {target} and is redone"

    def _set_record_aside(self, kind: Kind, key: str, why: str) -> str:
        """Move only a record to `quarantine/`, so that missing parts are redone; return a sentence on it."""
        target = self._in_quarantine(f"{kind}-{key}-record")
        os.replace(self._path(kind, key), target)
        return f"{why}; its record was moved to {target} and what is missing is redone"

    def _in_quarantine(self, name: str) -> Path:
        """An unused path there."""
        home = self.root / "quarantine"
        home.mkdir(exist_ok=True)
        number = 1
        while os.path.lexists(home / f"{name}-{number}"):
            number += 1
        return home / f"{name}-{number}"

    def pack(self, folder: str) -> dict[str, bytes]:
        """The files of a training's or an attack's folder by name, without checkpoints; empty if it does not exist.

        Args:
            folder: by its path in the store, such as `trainings/<key>`.
        """
        home = self._folder(folder)
        paths = (path for path in sorted(home.rglob("*")) if is_plain_file(path) and not path.name.startswith("."))
        names = {path.relative_to(home).as_posix(): path for path in paths}
        return {name: path.read_bytes() for name, path in names.items() if not name.startswith("checkpoints/")}

    def unpack(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Write the result of `pack` from another store, the record last.

        A folder with the same record is not changed. Without a record in `files` the work was unfinished: existing
        files may be further along and are kept.

        Raises:
            UserError: for a name that leads out of the folder.
            Damaged: if the received record is damaged.
        """
        home = self._folder(folder)
        for name in files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise UserError(f"the file name {name!r} leads out of the folder {folder}")
        record = home / RECORD
        is_finished = RECORD in files
        if is_finished and record.is_file() and read_bytes(record) == files[RECORD]:
            return
        for name in sorted(files, key=lambda name: name == RECORD):
            if is_finished or not (home / name).exists():
                write_atomically(home / name, files[name])
        if is_finished:
            Store(home.parent.parent, writable=False).check(home.parent.name, home.name)  # type: ignore[arg-type]

    def _folder(self, folder: str) -> Path:
        if not FOLDER.fullmatch(folder):
            raise UserError(f"a folder of the store is called trainings/<key> or attacks/<key>, got {folder!r}")
        inside, _, name = folder.rpartition("/")
        store = self.of_training_texts() if inside.startswith("adversarial_texts/") else self
        return store._home(inside.rpartition("/")[2], name)  # type: ignore[arg-type]

    def _put(self, kind: Kind, record: TrainingRecord | EvaluationRecord | AttackRecord) -> None:
        stored = self._get(kind, record.key, type(record))  # type: ignore[type-var]
        if stored is not None:
            changes = "; ".join(differences(dataclasses.asdict(stored), dataclasses.asdict(record)))[:500]
            raise MachineError(f"the record {kind}/{record.key} is written already: {changes}")
        values = json.loads(json.dumps(dataclasses.asdict(record)))
        text = json.dumps(values | {"sha256": _checksum(values)}, indent=1, ensure_ascii=False)
        _sync_all(self._home(kind, record.key))
        write_atomically(self._path(kind, record.key), text)

    def _get(self, kind: Kind, key: str, record_type: type[Record]) -> Record | None:
        path = self._path(kind, key)
        if not path.exists():
            return None
        try:
            values = parse_json(read_text(path, RECORD_BYTES))
            checksum = values.pop("sha256", None)  # records of the first version have none
            if checksum not in (None, _checksum(values)):
                raise ValueError("its checksum does not fit")
            record = typed(record_type(**values))
            # Records of the first version are named by their identity to the letter.
            if record.key != key or key not in (content_key(record.identity), _checksum(record.identity)):
                raise ValueError("its name is not the hash of its identity")
            return record
        except UNREADABLE as error:
            raise Damaged(f"the record {path} is damaged ({_briefly(error)})") from error

    def _unlike_plan(self, record: AttackRecord) -> Iterator[str]:
        """How the stored outcomes of an attack differ from the planned ones; only the texts' ids are compared."""
        path = self.outcomes_path(record.key)
        lines = complete_lines(path, LINE_BYTES) if path.exists() else iter(())
        found = [outcome["example_id"] for outcome, _ in _entries(path, lines)]
        return unlike_plan(record.example_ids, found)

    def _all(self, kind: Kind, record_type: type[Record]) -> Iterator[Record]:
        for key in self.keys(kind):
            record = self._get(kind, key, record_type)
            if record is not None:
                yield record

    def _path(self, kind: Kind, key: str) -> Path:
        return self._home(kind, key) / RECORD

    def _home(self, kind: Kind, key: str) -> Path:
        """The folder of a training, an evaluation or an attack.

        Raises:
            Damaged: if it holds anything but regular files and folders.
        """
        home = self.root / kind / key
        try:
            require_plain(self.root, home)
        except NotPlain as error:
            raise Damaged(str(error)) from error
        if home.is_file():
            raise Damaged(f"{home} is a file; a folder is allowed there")
        return home


def _briefly(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _line(outcome: Outcome) -> str:
    """An outcome as it is stored, with its checksum."""
    return canonical({"outcome": outcome.as_json(), "sha256": _checksum(outcome.as_json())}) + "\n"


def _sound_bytes(file: BinaryIO) -> int:
    """Bytes up to the end of the last complete line, which is looked for from the end of the file."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - TAIL_BYTES)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0


def _checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of the written values; unlike for a key, 3 and 3.0 differ."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _sound_outcomes(path: Path, lines: Iterator[bytes]) -> Iterator[Outcome]:
    """The outcomes on some lines of a file.

    Raises:
        Damaged: naming the line.
    """
    for number, (outcome, checksum) in enumerate(_entries(path, lines), start=1):
        try:
            if _checksum(outcome) != checksum:
                raise ValueError("its checksum does not fit")
            yield Outcome.from_json(outcome)
        except UNREADABLE as error:
            raise _damaged_line(path, number, error) from error


def _entries(path: Path, lines: Iterator[bytes]) -> Iterator[tuple[dict[str, Any], str]]:
    """The outcome and the checksum on each line of a file, both unchecked.

    Raises:
        Damaged: naming the line.
    """
    number = 1
    try:
        for line in lines:
            entry = parse_json(line)
            if not isinstance(entry["outcome"]["example_id"], str):
                raise ValueError("its text has no name")
            yield entry["outcome"], entry["sha256"]
            number += 1
    except UNREADABLE as error:
        raise _damaged_line(path, number, error) from error


def _damaged_line(path: Path, number: int, error: Exception) -> Damaged:
    return Damaged(f"{path}, line {number} is damaged ({_briefly(error)})")


def parse_json(text: str | bytes) -> Any:
    """Parse the JSON of a stored file, without impossibly large whole numbers.

    Raises:
        ValueError: for such a number, or for invalid JSON.
    """
    return json.loads(text, parse_int=_bounded)


def _bounded(digits: str) -> int:
    number = int(digits[:30])
    if len(digits) > 30 or abs(number) > MOST_COUNTED:
        raise ValueError(f"the number {digits[:30]}... is larger than any that is stored")
    return number


def unlike_plan(planned: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    """How the texts with outcomes differ from the planned ones, one sentence each: missing, foreign, duplicate."""
    if missing := sorted(set(planned) - set(found)):
        yield f"no outcome for {listed(missing)}"
    if foreign := sorted(set(found) - set(planned)):
        yield f"outcomes for texts that were not planned: {listed(foreign)}"
    if twice := [example for example, times in Counter(found).items() if times > 1]:
        yield f"more than one outcome for {listed(twice)}"


def listed(names: Sequence[str]) -> str:
    """The first few names, and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _sync_all(home: Path) -> None:
    """Flush everything in a folder to disk, before its record is written.

    Raises:
        MachineError: naming the folder, if the disk is full.
    """
    try:
        for folder, _, names in os.walk(home):
            for place in (*(Path(folder) / name for name in names), Path(folder)):
                sync(place)
    except OSError as error:
        raise MachineError(f"{home} cannot be written: {error.strerror or error}") from error
