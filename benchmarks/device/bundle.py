"""The bundle for a machine without a network: MiniLM in half precision, a task's texts, synonyms, Python packages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from baselines.validation import MachineError, UserError
from benchmarks.clock.machine import git_state
from benchmarks.data.digests import sha256_of
from benchmarks.data.tasks import find_task
from benchmarks.results.store import write_atomically
from benchmarks.victims.backbones import WEIGHTS, find_backbone

LIMIT_BYTES = 60_000_000
MANIFEST = "manifest.json"
TASK = "sst2"
SYNONYMS = "synonyms.json.gz"

# The packages the suite imports in training and attacking, besides those of a machine with torch and transformers; none
# has compiled parts, so that the files of this Python's packages work in any other Python.
PACKAGES = ("typeguard", "rich", "tabulate", "nvidia-ml-py", "lemminflect")
COMPILED = (".so", ".pyd", ".dylib")


@dataclass(frozen=True)
class Bundle:
    """An opened bundle.

    Attributes:
        folder: its path.
        commit: the code's commit when it was packed.
        files: bytes by path in the folder.
    """

    folder: Path
    commit: str
    files: dict[str, int]

    @property
    def backbone(self) -> Path:
        """The folder of the backbone, which also encodes sentences."""
        return self.folder / "backbone"

    @property
    def data(self) -> Path:
        """The folder of data sets."""
        return self.folder / "data"

    @property
    def synonyms(self) -> Path | None:
        """The neighbour list, if one was packed."""
        path = self.folder / SYNONYMS
        return path if path.is_file() else None

    @property
    def nltk_data(self) -> Path | None:
        """NLTK's tagger and stop words, if they were packed."""
        path = self.folder / "nltk_data"
        return path if path.is_dir() else None

    def sizes(self) -> dict[str, int]:
        """Bytes by part, largest first."""
        found: dict[str, int] = {}
        for path, size in self.files.items():
            part = path.partition("/")[0]
            found[part] = found.get(part, 0) + size
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def pack(
    folder: Path,
    data: Path,
    *,
    synonyms: Path | None = None,
    nltk_data: Path | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> Bundle:
    """Write a bundle into `folder` and open it.

    Args:
        folder: new or empty.
        data: holds `sst2/`.
        synonyms: a neighbour list, JSON, gzipped or not.
        nltk_data: NLTK's tagger and stop words; without them parts of speech come from a dictionary.
        limit_bytes: maximum size of the bundle.
    Raises:
        UserError: if the folder is not empty, an input is missing, or the bundle would be too large.
        MachineError: if a package is not installed here or has compiled parts.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"the bundle's folder {folder} is not empty; give a new one")
    task = find_task(TASK)
    texts = [data / TASK / name for name in (task.train_file, task.test_file)]
    wanted = [*texts, *(path for path in (synonyms, nltk_data) if path is not None)]
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        raise UserError(f"the bundle needs {', '.join(missing)}, which does not exist; see --data and --synonyms")
    try:
        _write_backbone(folder / "backbone")
        for path in texts:
            _copy(path, folder / "data" / TASK / path.name)
        if synonyms is not None:
            _copy(synonyms, folder / SYNONYMS)
        if nltk_data is not None:
            shutil.copytree(nltk_data, folder / "nltk_data", ignore=shutil.ignore_patterns("*.pickle", "*_tagger.zip"))
        for package in PACKAGES:
            _copy_package(package, folder / "site")
        files = {str(path.relative_to(folder)): path.stat().st_size for path in _files(folder)}
        bundle = Bundle(folder, git_state()["commit"], files)
        total = sum(files.values())
        if total > limit_bytes:
            parts = ", ".join(f"{part} {size / 1e6:.1f}" for part, size in bundle.sizes().items())
            raise UserError(
                f"the bundle has {total / 1e6:.1f} MB and may have {limit_bytes / 1e6:.1f}: {parts} MB; leave out "
                f"--nltk-data, give a shorter list of synonyms, or more --megabytes"
            )
        hashes = {path: {"bytes": size, "sha256": sha256_of(folder / path)} for path, size in files.items()}
        manifest = {"commit": bundle.commit, "packed_at": _now(), "files": hashes}
        write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # an incomplete bundle must not be sent
        raise
    return bundle


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle that was sent, and check the hash of each file.

    Raises:
        UserError: if it is no bundle, or a file is missing or damaged.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
        files, commit = manifest["files"], manifest["commit"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{str(folder)!r} holds no bundle ({error}); make one with 'earlyrobust evidence --bundle DIR --data DATA'"
        ) from error
    for name, known in files.items():
        file = folder / name
        if not file.is_file() or sha256_of(file) != known["sha256"]:
            raise UserError(f"{file} is not the file that was packed; send the bundle again")
    return Bundle(folder, commit, {name: known["bytes"] for name, known in files.items()})


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_backbone(folder: Path) -> None:
    """Write MiniLM with its weights rounded to half precision; every run reads them back as float32."""
    minilm = find_backbone("minilm")
    folder.mkdir(parents=True, exist_ok=True)
    weights = load_file(Path(minilm.source) / WEIGHTS)
    halves = {name: value.half() if value.dtype == torch.float32 else value for name, value in weights.items()}
    save_file(halves, folder / WEIGHTS, metadata={"format": "pt"})
    minilm.config.save_pretrained(folder)
    minilm.load_tokenizer().save_pretrained(folder)


def _copy_package(name: str, site: Path) -> None:
    """Copy the files of an installed package, without its commands."""
    try:
        package = distribution(name)
    except PackageNotFoundError as error:
        raise MachineError(f"the package {name} is not installed here and cannot be packed; pip install it") from error
    for file in package.files or []:
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        if file.suffix in COMPILED:
            raise MachineError(f"the package {name} has compiled parts ({file}), which another Python cannot load")
        _copy(Path(str(file.locate())), site / file)
