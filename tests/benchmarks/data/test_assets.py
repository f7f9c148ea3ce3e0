"""Downloads: continued, checked, locked, unpacked; nothing bad is kept."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from archives import tarred, zipped
from file_server import serving

from benchmarks.data import assets
from benchmarks.data.assets import LOCK, Archive, Asset, fetch, state_of

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    """A server that holds `CONTENT` as /file; no pauses between attempts."""
    monkeypatch.setattr(assets, "PAUSE_SECONDS", 0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        running.files["/file"] = CONTENT
        yield running


@pytest.fixture
def asset(server) -> Asset:
    """The file, pinned."""
    return Asset("thing", f"{server.address}/file", "folder/thing.bin", SHA256, len(CONTENT))


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_fetched_once_and_then_only_checked(server, asset, tmp_path: Path) -> None:
    assert state_of(asset, tmp_path) == "missing"
    assert fetch(asset, tmp_path) == fetch(asset, tmp_path) == SHA256
    assert (tmp_path / asset.path).read_bytes() == CONTENT
    assert server.asked == [("/file", None)]
    assert state_of(asset, tmp_path) == "checked"
    assert names(tmp_path) == {"folder/thing.bin"}


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_broken_download_is_continued_where_it_broke(server, asset, tmp_path: Path, is_pinned: bool) -> None:
    server.break_after = [100_000, 50_000]
    wanted = asset if is_pinned else replace(asset, sha256=None)
    assert fetch(wanted, tmp_path) == SHA256
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_continues_what_an_earlier_one_left(server, asset, tmp_path: Path) -> None:
    server.break_after = [10_000] * assets.ATTEMPTS
    with pytest.raises(RuntimeError, match="the connection broke off; the same command continues"):
        fetch(asset, tmp_path)
    assert state_of(asset, tmp_path) == "partly fetched"
    assert not (tmp_path / asset.path).exists()
    assert fetch(asset, tmp_path) == SHA256
    assert server.asked[-1] == ("/file", f"bytes={10_000 * assets.ATTEMPTS}-")


def test_a_server_that_ignores_ranges_sends_all_again(server, asset, tmp_path: Path) -> None:
    server.answers_ranges, server.break_after = False, [100_000]
    assert fetch(asset, tmp_path) == SHA256
    assert len(server.asked) == 2


def test_two_versions_are_never_joined(server, asset, tmp_path: Path) -> None:
    server.break_after = [100_000] * assets.ATTEMPTS
    server.answers_ranges = False
    unpinned = replace(asset, sha256=None)
    with pytest.raises(RuntimeError):
        fetch(unpinned, tmp_path)
    server.answers_ranges, server.tag, server.files["/file"] = True, '"two"', CONTENT[::-1]
    assert fetch(unpinned, tmp_path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_without_hash_or_version_a_broken_download_starts_again(server, asset, tmp_path: Path) -> None:
    server.tag, server.break_after = None, [100_000]
    assert fetch(replace(asset, sha256=None), tmp_path) == SHA256
    assert [wanted for _, wanted in server.asked] == [None, None]


def test_a_part_that_is_whole_already_is_taken(server, asset, tmp_path: Path) -> None:
    part = tmp_path / f"{asset.path}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    assert fetch(asset, tmp_path) == SHA256
    assert names(tmp_path) == {"folder/thing.bin"}


@pytest.mark.parametrize("part", [CONTENT + b"more", CONTENT[:100] + b"x" * 100], ids=["too long", "another file's"])
def test_a_wrong_part_does_not_stand_in_the_way_for_ever(server, asset, tmp_path: Path, part: bytes) -> None:
    path = tmp_path / f"{asset.path}.part"
    path.parent.mkdir()
    path.write_bytes(part)
    try:
        fetch(asset, tmp_path)
    except ValueError:
        fetch(asset, tmp_path)
    assert (tmp_path / asset.path).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_is_kept(server, asset, tmp_path: Path) -> None:
    wrong = replace(asset, sha256="0" * 64)
    with pytest.raises(ValueError) as refusal:
        fetch(wrong, tmp_path)
    sentence = str(refusal.value)
    assert "thing from http" in sentence and SHA256 in sentence and "expected 000" in sentence and "\n" not in sentence
    assert names(tmp_path) == set()


def test_a_damaged_file_is_named_and_fetched_again(server, asset, tmp_path: Path) -> None:
    fetch(asset, tmp_path)
    (tmp_path / asset.path).write_bytes(CONTENT[:-1])
    assert state_of(asset, tmp_path) == "damaged"
    fetch(asset, tmp_path)
    assert state_of(asset, tmp_path) == "checked"


def test_a_hash_not_known_beforehand_holds_from_the_first_fetch_on(server, asset, tmp_path: Path) -> None:
    unpinned = replace(asset, sha256=None)
    fetch(unpinned, tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["fetched"] == {"thing": SHA256}
    assert state_of(unpinned, tmp_path) == "checked"
    (tmp_path / asset.path).unlink()
    server.files["/file"] = b"other"
    with pytest.raises(ValueError, match=f"expected {SHA256}"):
        fetch(unpinned, tmp_path)
    assert names(tmp_path) == {LOCK}


def test_a_file_without_any_hash_is_not_taken_for_checked(asset, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / asset.path).write_bytes(b"brought along")
    assert state_of(replace(asset, sha256=None), tmp_path) == "not checked"


def test_a_server_out_of_breath_is_asked_again_and_a_refusal_is_not(server, asset, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert fetch(asset, tmp_path) == SHA256
    with pytest.raises(RuntimeError, match="the server answered 404"):
        fetch(replace(asset, url=f"{server.address}/nowhere", path="other"), tmp_path)
    assert sum(path == "/nowhere" for path, _ in server.asked) == 1


def test_no_server_is_one_sentence(asset, tmp_path: Path, monkeypatch) -> None:
    def unreachable(*_: object, **__: object):
        raise OSError("no route to host")

    monkeypatch.setattr(assets, "PAUSE_SECONDS", 0)
    with pytest.raises(RuntimeError, match=r"thing cannot be fetched from .*: no route to host; the same command"):
        fetch(asset, tmp_path, opener=unreachable)


def test_a_folder_that_is_a_file_is_named(asset, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with pytest.raises(RuntimeError, match=r"thing\.bin cannot be read or written"):
        fetch(asset, tmp_path)


@pytest.mark.parametrize("content", ["no json", "[]", "{}"])
def test_a_broken_lock_is_refused(asset, tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(ValueError, match="to trust the files again"):
        fetch(replace(asset, sha256=None), tmp_path)


def packed(server, content: bytes, archive: Archive) -> Asset:
    server.files["/packed"] = content
    return Asset("packed", f"{server.address}/packed", "archives/packed", archive=archive)


def test_what_is_wanted_is_taken_out_of_a_zip(server, tmp_path: Path) -> None:
    content = zipped({"root/a.txt": b"a", "root/deep/b.txt": b"b", "root/c.txt": b"c", "__MACOSX/a.txt": b"x"})
    asset = packed(server, content, Archive("out", "root", ("a.txt", "deep/b.txt")))
    fetch(asset, tmp_path)
    assert names(tmp_path) == {"archives/packed", "out/a.txt", "out/deep/b.txt", LOCK}
    assert state_of(asset, tmp_path) == "checked"


def test_a_tar_is_unpacked_whole_but_for_its_links(server, tmp_path: Path) -> None:
    asset = packed(server, tarred({"./model.pb": b"m", "./variables/v": b"v"}, link="/etc"), Archive("out"))
    fetch(asset, tmp_path)
    assert names(tmp_path / "out") == {"model.pb", "variables/v"}
    assert not (tmp_path / "out" / "link").exists()


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_unpacked_files_are_checked_and_taken_out_again(server, tmp_path: Path, change: str) -> None:
    asset = packed(server, zipped({"a": b"a", "b": b"b"}), Archive("out"))
    fetch(asset, tmp_path)
    if change == "removed":
        (tmp_path / "out" / "a").unlink()
    else:
        (tmp_path / "out" / ("a" if change == "changed" else "c")).write_bytes(b"!")
    assert state_of(asset, tmp_path) == "not unpacked"
    fetch(asset, tmp_path)
    assert (state_of(asset, tmp_path), len(server.asked)) == ("checked", 1)


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "a\\..\\out.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_that_leads_out_is_refused(server, tmp_path: Path, pack, name: str) -> None:
    asset = packed(server, pack({"good": b"", name: b"x"}), Archive("out"))
    with pytest.raises(ValueError, match="leads out of its folder"):
        fetch(asset, tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>", "no archive that can be read"),
        (tarred({"a": b"a" * 9000})[:60], "no archive that can be read"),
        (zipped({"root/other": b""}), "lacks a"),
        (zipped({"a": b""}), "lacks a"),
    ],
    # An archive holds the time of its making: as a test's name it would differ from one worker to the next.
    ids=["a page", "cut short", "another folder", "outside the folder"],
)
def test_an_archive_without_what_is_wanted_is_refused(server, tmp_path: Path, content: bytes, sentence: str) -> None:
    asset = packed(server, content, Archive("out", "root", ("a",)))
    with pytest.raises(ValueError, match=sentence):
        fetch(asset, tmp_path)
    assert names(tmp_path) == set(), "and it is not trusted"


def test_what_is_made_of_the_files_is_there_with_them_or_not_at_all(server, tmp_path: Path) -> None:
    def convert(folder: Path) -> None:
        (folder / "b").write_bytes((folder / "a").read_bytes().upper())

    def refuse(folder: Path) -> None:
        raise ValueError("not so")

    asset = packed(server, zipped({"a": b"a"}), Archive("out", convert=refuse))
    with pytest.raises(ValueError, match="not so"):
        fetch(asset, tmp_path)
    assert not (tmp_path / "out").exists()
    fetch(replace(asset, archive=Archive("out", convert=convert)), tmp_path)
    assert (tmp_path / "out" / "b").read_bytes() == b"A"


@pytest.mark.parametrize("is_pinned", [True, False])
def test_two_commands_that_fetch_into_one_folder_fetch_each_file_once(
    server, asset, tmp_path: Path, is_pinned: bool, caplog
) -> None:
    wanted = asset if is_pinned else replace(asset, sha256=None)
    server.tag = None
    found: list[str] = []
    second = threading.Thread(target=lambda: found.append(fetch(wanted, tmp_path)))

    def slowly(*given, **how):
        second.start()
        second.join(0.3)
        return assets.urlopen(*given, **how)

    assert fetch(wanted, tmp_path, slowly) == SHA256
    second.join(10)
    assert found == [SHA256] and server.asked == [("/file", None)]
    assert "another command is fetching into" in caplog.text
    assert (tmp_path / asset.path).read_bytes() == CONTENT and state_of(wanted, tmp_path) == "checked"


def test_two_commands_that_fetch_different_files_forget_none_of_their_hashes(server, asset, tmp_path: Path) -> None:
    server.files |= {f"/{number}": bytes([number]) * 99 for number in range(20)}
    several = [Asset(f"{n}", f"{server.address}/{n}", f"{n}.bin") for n in range(20)]
    halves = [
        threading.Thread(target=lambda half=half: [fetch(each, tmp_path) for each in half])
        for half in (several[:10], several[10:])
    ]
    for each in halves:
        each.start()
    for each in halves:
        each.join()
    assert len(json.loads((tmp_path / LOCK).read_text())["fetched"]) == 20
    assert {state_of(each, tmp_path) for each in several} == {"checked"}
