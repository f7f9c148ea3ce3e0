"""The store: written once, whole or not at all, torn lines redone, damage named."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest
from made_up import attack, outcome, training

from benchmarks.results.store import Store, content_key, write_atomically


def test_records_come_back_equal(tmp_path) -> None:
    store, record = Store(tmp_path / "out"), training()
    assert store.training(record.key) is None
    store.put_training(record)
    assert store.training(record.key) == record
    assert list(store.trainings()) == [record]
    attacked = attack(record)
    store.put_attack(attacked)
    assert store.attack(attacked.key) == attacked
    assert list(store.attacks()) == [attacked]


def test_keys_are_of_content_not_of_order() -> None:
    assert content_key({"a": 1, "b": [1, 2]}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 1.5})
    assert content_key({"a": 3, "b": {"c": [2, 0.5]}}) == content_key({"a": 3.0, "b": {"c": (2.0, 0.5)}})
    assert len(content_key({})) == 64


def test_a_record_is_written_once(tmp_path) -> None:
    store, record = Store(tmp_path), training()
    store.put_training(record)
    with pytest.raises(RuntimeError, match="clean_correct was '1110', is '0000'"):
        store.put_training(replace(record, clean_correct="0000"))
    assert store.training(record.key) == record


def test_outcomes_are_appended_and_a_torn_line_is_redone(tmp_path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        store.append_outcome("k", outcome(number, perturbed=("line\nfeed \u2028 and 🙂",)))
    path = store.outcomes_path("k")
    whole = path.read_bytes()
    for cut in (1, 40, len(whole.splitlines(keepends=True)[-1]) - 1):
        path.write_bytes(whole[:-cut])
        assert [each.example_id for each in store.outcomes("k")] == ["test-0", "test-1"]
        store.append_outcome("k", outcome(2, perturbed=("line\nfeed \u2028 and 🙂",)))
        assert path.read_bytes() == whole
    assert store.outcomes("none") == []


def test_a_damaged_line_is_named(tmp_path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        store.append_outcome("k", outcome(number))
    path = store.outcomes_path("k")
    path.write_bytes(path.read_bytes().replace(b'"queries":10', b'"queries":11', 1))
    with pytest.raises(RuntimeError, match="line 1 is damaged"):
        store.outcomes("k")


def test_a_damaged_record_is_named(tmp_path) -> None:
    store, record = Store(tmp_path), training()
    store.put_training(record)
    path = tmp_path / "trainings" / record.key / "record.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(RuntimeError, match="is damaged"):
        store.training(record.key)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="is a file; give another with --out"):
        Store(tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a read-only file system, raised where the store tries: the superuser passes permission bits."""

    def read_only(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("benchmarks.results.store.tempfile.TemporaryFile", read_only)
    with pytest.raises(ValueError, match="cannot be written \\(Read-only file system\\)"):
        Store(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.md"
    write_atomically(path, "old")
    assert path.stat().st_mode & 0o777 == 0o644, "others may read it"

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("benchmarks.results.store.os.fsync", full)
    with pytest.raises(RuntimeError, match=r"table.md cannot be written: No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["table.md"]
