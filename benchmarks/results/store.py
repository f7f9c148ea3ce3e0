"""The store: a folder of records, written once and atomically, and of outcomes, appended line by line."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord

READABLE = 0o644

Record = TypeVar("Record", TrainingRecord, AttackRecord)


def canonical(values: Any) -> str:
    """JSON with sorted keys and no spare space: equal values give equal text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_key(identity: Mapping[str, Any]) -> str:
    """SHA-256 of an identity's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


class Store:
    """Records under one folder: `trainings/<key>/`, `attacks/<key>/`.

    Raises:
        ValueError: where the folder is a file, or cannot be written.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise ValueError(f"the output folder {self.root} is a file; give another with --out")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise ValueError(
                f"the output folder {self.root} cannot be written ({error.strerror}); give another with --out"
            ) from error

    def model_folder(self, key: str) -> Path:
        """Where the weights of a training lie."""
        return self.root / "trainings" / key / "model"

    def outcomes_path(self, key: str) -> Path:
        """The file an attack's outcomes are appended to."""
        return self.root / "attacks" / key / "outcomes.jsonl"

    def put_training(self, record: TrainingRecord) -> None:
        """Writes a training's record, once."""
        self._put("trainings", record)

    def training(self, key: str) -> TrainingRecord | None:
        """The record called `key`, or None."""
        return self._get("trainings", key, TrainingRecord)

    def trainings(self) -> Iterator[TrainingRecord]:
        """All training records, by key."""
        return self._all("trainings", TrainingRecord)

    def put_attack(self, record: AttackRecord) -> None:
        """Writes an attack's record, once; its outcomes were appended before."""
        self._put("attacks", record)

    def attack(self, key: str) -> AttackRecord | None:
        """The record called `key`, or None."""
        return self._get("attacks", key, AttackRecord)

    def attacks(self) -> Iterator[AttackRecord]:
        """All attack records, by key."""
        return self._all("attacks", AttackRecord)

    def append_outcome(self, key: str, outcome: Outcome) -> None:
        """Adds one line to an attack's outcomes: the outcome and a checksum."""
        path = self.outcomes_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = canonical(outcome.as_json())
        line = canonical({"outcome": outcome.as_json(), "sha256": hashlib.sha256(body.encode()).hexdigest()}) + "\n"
        with path.open("r+b" if path.exists() else "xb") as file:
            file.seek(self._sound_bytes(path) if path.stat().st_size else 0)
            file.truncate()
            file.write(line.encode())

    def outcomes(self, key: str) -> list[Outcome]:
        """An attack's outcomes; a torn last line is left out, so that its text is attacked again.

        Raises:
            RuntimeError: where a line before the last is damaged.
        """
        path = self.outcomes_path(key)
        if not path.exists():
            return []
        return [outcome for outcome, _ in _sound_lines(path)]

    def _sound_bytes(self, path: Path) -> int:
        """Bytes up to the end of the last whole line."""
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) == b"\n":
                return path.stat().st_size
        return path.read_bytes().rfind(b"\n") + 1

    def _put(self, kind: str, record: TrainingRecord | AttackRecord) -> None:
        stored = self._get(kind, record.key, type(record))  # type: ignore[type-var]
        if stored is not None:
            raise RuntimeError(f"the record {kind}/{record.key} is written already: {_difference(stored, record)}")
        write_atomically(
            self._path(kind, record.key), json.dumps(dataclasses.asdict(record), indent=1, ensure_ascii=False)
        )

    def _get(self, kind: str, key: str, record_type: type[Record]) -> Record | None:
        path = self._path(kind, key)
        if not path.exists():
            return None
        try:
            return record_type(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise RuntimeError(
                f"the record {path} is damaged ({error}); move its folder away and repeat the command"
            ) from error

    def _all(self, kind: str, record_type: type[Record]) -> Iterator[Record]:
        for path in sorted((self.root / kind).glob("*/record.json")):
            record = self._get(kind, path.parent.name, record_type)
            if record is not None:
                yield record

    def _path(self, kind: str, key: str) -> Path:
        return self.root / kind / key / "record.json"


def _sound_lines(path: Path) -> Iterator[tuple[Outcome, int]]:
    """Whole outcomes with the number of their line."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            entry = json.loads(line)
            body = canonical(entry["outcome"])
            if hashlib.sha256(body.encode()).hexdigest() != entry["sha256"]:
                raise ValueError("its checksum does not fit")
            yield Outcome.from_json(entry["outcome"]), number
        except (ValueError, KeyError, TypeError) as error:
            raise RuntimeError(
                f"{path}, line {number} is damaged ({error}); move the folder away and repeat"
            ) from error


def _difference(stored: Any, new: Any) -> str:
    """The first fields in which two records differ."""
    before, after = dataclasses.asdict(stored), dataclasses.asdict(new)
    return "; ".join(
        f"{name} was {before[name]!r}, is {after[name]!r}" for name in before if before[name] != after[name]
    )[:500]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or not at all: temporary file, fsync, rename, fsync of the folder.

    Args:
        content: bytes, or text that is written as UTF-8.
    Raises:
        RuntimeError: naming the path, where the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(READABLE)  # a temporary file is its owner's alone
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise RuntimeError(f"{path} cannot be written: {error.strerror or error}") from error
