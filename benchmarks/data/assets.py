"""Download files into a folder, check their SHA-256, and unpack archives.

If the hash of a file is not known beforehand, the first download is trusted: its hash is written to
`assets.lock.json` in the folder, and later downloads must match it.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from baselines.validation import MachineError, UserError
from benchmarks.data.digests import sha256_of
from benchmarks.data.plain_files import alone_in

LOCK = "assets.lock.json"
ATTEMPTS = 5
TIMEOUT_SECONDS = 60
PAUSE_SECONDS = 1.0
PIECE = 1 << 20

RANGE_REFUSED = 416
FOR_THE_MOMENT = (408, 425, 429, 500, 502, 503, 504)

UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError)

State = Literal["checked", "missing", "partly fetched", "damaged", "not checked", "not unpacked"]


@dataclass(frozen=True)
class Archive:
    """What to extract from an archive.

    Attributes:
        folder: target folder inside the assets folder; used by this archive only.
        root: the folder inside the archive to extract; None for everything.
        members: the files to extract, relative to the root; all files if empty.
        convert: makes further files from the extracted ones, given their folder.
    """

    folder: str
    root: str | None = None
    members: tuple[str, ...] = ()
    convert: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Asset:
    """A file to download.

    Attributes:
        key: its name in commands and tables.
        url: where to download it.
        path: its path inside the assets folder.
        sha256: its hash, or None if not known before the first download.
        size: bytes, or None if not known.
        archive: what to extract, if it is an archive.
    """

    key: str
    url: str
    path: str
    sha256: str | None = None
    size: int | None = None
    archive: Archive | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether its hash is known before the first download."""
        return self.sha256 is not None


def fetch(asset: Asset, folder: Path, opener: Callable[..., Any] = urlopen) -> str:
    """Download a file unless it exists, then check and unpack it.

    An interrupted download stays in a `.part` file; the next call continues it. Where another process is fetching into
    the folder, it is waited for.

    Args:
        folder: the assets folder.
        opener: opens a request as `urllib.request.urlopen` does.
    Returns:
        The file's SHA-256.
    Raises:
        UserError: for a wrong hash, or an archive without the expected files; nothing of it is kept.
        MachineError: if it cannot be downloaded or written.
    """
    path = folder / asset.path
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(folder, f"another command is fetching into {folder}; waiting for its end"):
        return _fetch(asset, folder, path, opener)


def _fetch(asset: Asset, folder: Path, path: Path, opener: Callable[..., Any]) -> str:
    expected = _expected(asset, folder)
    with _written(path):
        found = sha256_of(path) if path.is_file() else None
    if found is None or expected not in (None, found):
        found = _fetched(asset, path, expected, opener)
    with _written(path):
        if asset.archive is not None and not _is_unpacked(asset, folder, found):
            try:
                _unpack(asset, asset.archive, folder, found)
            except ValueError:
                if expected is None:
                    path.unlink()  # a sign-in page in place of the file must not become the trusted version
                raise
        if expected is None:
            _lock(folder, "fetched", asset.key, found)
    return found


def state_of(asset: Asset, folder: Path) -> State:
    """The state of an asset in the folder, from reading its files in full; "not checked" means no hash is known."""
    path = folder / asset.path
    if not path.is_file():
        return "partly fetched" if _part(path).is_file() else "missing"
    expected = _expected(asset, folder)
    if expected is None:
        return "not checked"
    if sha256_of(path) != expected:
        return "damaged"
    if asset.archive is not None and not _is_unpacked(asset, folder, expected):
        return "not unpacked"
    return "checked"


def _expected(asset: Asset, folder: Path) -> str | None:
    return asset.sha256 or _read_lock(folder)["fetched"].get(asset.key)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _version(path: Path) -> Path:
    """The file that holds the server's version of the download, so that parts of two versions are never joined."""
    return path.with_name(f"{path.name}.part.version")


def _fetched(asset: Asset, path: Path, expected: str | None, opener: Callable[..., Any]) -> str:
    """Download the file, put it in its place and return its hash."""
    _download(asset, path, opener)
    part = _part(path)
    with _written(path):
        found = sha256_of(part)
        _version(path).unlink(missing_ok=True)
        if expected not in (None, found):
            part.unlink()
            raise UserError(
                f"{asset.key} from {asset.url} has the SHA-256 {found}, expected {expected}; it was deleted: fetch it "
                f"again, and if the hash stays the same, the file was changed at its source"
            )
        os.replace(part, path)
    return found


def _download(asset: Asset, path: Path, opener: Callable[..., Any]) -> None:
    """Fill the `.part` file; continue after broken connections.

    Raises:
        MachineError: if the source refuses, or the connection breaks too often.
    """
    why = ""
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE_SECONDS * attempt)
        try:
            if _continue(asset, path, opener):
                return
            why = "the connection broke off"
        except HTTPError as error:
            why = f"the server answered {error.code} {error.reason}"
            if error.code not in FOR_THE_MOMENT:
                break
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
    raise MachineError(
        f"{asset.key} cannot be fetched from {asset.url}: {why}; the same command continues where it stopped"
    )


def _continue(asset: Asset, path: Path, opener: Callable[..., Any]) -> bool:
    """Request what is still missing; return whether the file is now complete."""
    part, version = _part(path), _version(path)
    have = part.stat().st_size if part.is_file() else 0
    known = version.read_text("utf-8") if version.is_file() else None
    request = Request(asset.url)
    if have and (known or asset.is_pinned):
        request.add_header("Range", f"bytes={have}-")
        if known:
            request.add_header("If-Range", known)
    try:
        response = opener(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code != RANGE_REFUSED:
            raise
        # The server has no more bytes than we have. The hash will show whether they are the right ones.
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True
        part.unlink()
        return False
    with response:
        goes_on = response.status == http.client.PARTIAL_CONTENT and (
            response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        )
        if response.status == http.client.PARTIAL_CONTENT and not goes_on:
            raise http.client.HTTPException("the server sent another part than was asked for")
        start = have if goes_on else 0
        length = response.headers.get("Content-Length")
        with _written(path):
            _remember_version(version, response.headers.get("ETag"))
        _append(response, part, "ab" if goes_on else "wb")
    return length is None or part.stat().st_size == start + int(length)


def _remember_version(version: Path, tag: str | None) -> None:
    """Store the version tag; only a strong tag guarantees the same bytes."""
    if tag is None or tag.startswith("W/"):
        version.unlink(missing_ok=True)
    else:
        version.write_text(tag, "utf-8")


def _append(response: IO[bytes], part: Path, mode: str) -> None:
    """Write the bytes as they arrive; those before a broken connection are kept."""
    with _written(part):
        file = part.open(mode)
    with file:
        while piece := response.read(PIECE):
            with _written(part):
                file.write(piece)
                file.flush()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Name the path if the disk fails, so that a full disk is not taken for a broken connection."""
    try:
        yield
    except OSError as error:
        raise MachineError(f"{path} cannot be read or written: {error.strerror or error}") from error


def _unpack(asset: Asset, archive: Archive, folder: Path, sha256: str) -> None:
    """Unpack beside the archive's folder and then replace it, so that it is complete or absent.

    Raises:
        UserError: for an archive that cannot be read, has paths outside its folder, or lacks expected files.
    """
    target = folder / archive.folder
    fresh = target.with_name(f"{target.name}.unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        try:
            _take_out(folder / asset.path, archive, fresh)
        except UNREADABLE as error:
            raise UserError(f"{asset.key} in {asset.path} is no archive that can be read: {error}") from error
        missing = [member for member in archive.members if not (fresh / member).is_file()]
        if missing or not any(fresh.iterdir()):
            raise UserError(
                f"{asset.key} in {asset.path} lacks {' and '.join(missing) or 'any file'}; "
                f"it is another archive than {asset.url} held when this was written"
            )
        if archive.convert is not None:
            archive.convert(fresh)
        files = _hashes(fresh)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _lock(folder, "unpacked", asset.key, {"archive": sha256, "files": files})


def _take_out(path: Path, archive: Archive, fresh: Path) -> None:
    for name, stream in _files_in(path):
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or "\\" in name:
            raise UserError(f"the archive {path.name} holds {name!r}, which leads out of its folder")
        if archive.root is not None:
            if not place.is_relative_to(archive.root):
                continue
            place = place.relative_to(archive.root)
        if archive.members and str(place) not in archive.members:
            continue
        target = fresh / place
        target.parent.mkdir(parents=True, exist_ok=True)
        with stream() as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, PIECE)


def _files_in(path: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Name and opener of each plain file in a zip or tar archive; links and devices are left out."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    yield entry.filename, lambda entry=entry: zipped.open(entry)
        return
    with tarfile.open(path) as tarred:
        for member in tarred:
            if member.isfile():
                yield member.name, lambda member=member: tarred.extractfile(member)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _is_unpacked(asset: Asset, folder: Path, sha256: str) -> bool:
    """Whether the extracted files of this archive are complete and unchanged."""
    assert asset.archive is not None
    record = _read_lock(folder)["unpacked"].get(asset.key)
    target = folder / asset.archive.folder
    return (
        record is not None
        and record["archive"] == sha256
        and target.is_dir()
        and _hashes(target) == record["files"]
        and all(member in record["files"] for member in asset.archive.members)
    )


def _read_lock(folder: Path) -> dict[str, dict[str, Any]]:
    """The hashes recorded at first downloads and for extracted files.

    Raises:
        UserError: if the file is malformed.
    """
    path = folder / LOCK
    if not path.is_file():
        return {"fetched": {}, "unpacked": {}}
    try:
        lock = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}; restore it, or remove it to trust the files again") from error
    if (
        not isinstance(lock, dict)
        or not _is_of_hashes(lock.get("fetched"))
        or not _is_of_archives(lock.get("unpacked"))
    ):
        raise UserError(f"{path} is no record of fetched files; restore it, or remove it to trust the files again")
    return lock


def _is_of_hashes(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_of_archives(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, dict) and isinstance(each.get("archive"), str) and _is_of_hashes(each.get("files"))
        for each in value.values()
    )


def _lock(folder: Path, part: Literal["fetched", "unpacked"], key: str, value: Any) -> None:
    lock = _read_lock(folder)
    lock[part][key] = value
    path = folder / LOCK
    fresh = path.with_name(f"{LOCK}.fresh")
    fresh.write_text(json.dumps(lock, indent=1, sort_keys=True) + "\n", "utf-8")
    os.replace(fresh, path)
