"""The store: written once, whole or not at all, torn lines redone, damage named."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import attack, outcome, training

from benchmarks.data.plain_files import write_atomically
from benchmarks.results.records import Outcome, TrainingRecord
from benchmarks.results.store import Damaged, Store, content_key, differences
from benchmarks.results.verify import verify

FIELDS = [field.name for field in (*dataclasses.fields(TrainingRecord), *dataclasses.fields(Outcome))]


def test_records_come_back_equal(tmp_path) -> None:
    store, record = Store(tmp_path / "out"), training()
    assert store.training(record.key) is None
    store.put_training(record)
    assert store.training(record.key) == record
    assert list(store.trainings()) == [record]
    attacked = attack(record)
    store.put_attack(attacked)
    assert store.planned_attack(attacked.key) == attacked
    assert list(store.attacks()) == [attacked]
    assert store.attack(attacked.key) is None, "it has no outcomes"


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


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:100],
        lambda text: text.replace('"gpu": 10.0', '"gpu": 1.0'),
        lambda text: text.replace('"batch_size": 8', '"batch_size": 4'),
        lambda text: "[]",
        lambda text: "3",
        lambda text: '{"key": 1}',
    ],
)
def test_a_damaged_record_is_named_moved_aside_and_free_to_be_redone(tmp_path, damage) -> None:
    diverged = {"status": "diverged", "weights_sha256": None}
    store, record, other = Store(tmp_path), training(**diverged), training(seed=43, **diverged)
    for each in (record, other):
        store.put_training(each)
    path = tmp_path / "trainings" / record.key / "record.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(RuntimeError, match=r"is damaged .* moves it away and redoes it"):
        store.training(record.key)
    (said,) = store.quarantine()
    assert str(path) in said and f"was moved to {tmp_path / 'quarantine'}" in said
    assert store.quarantine() == []
    assert list(store.trainings()) == [other]
    store.put_training(record)
    assert store.training(record.key) == record
    assert (tmp_path / "quarantine" / f"trainings-{record.key}-1" / "record.json").is_file()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner),
    )
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_malformed_record_or_outcome_gets_past(tmp_path, content) -> None:
    store = Store(tmp_path, writable=False)
    for path in (store.root / "trainings" / "k" / "record.json", store.outcomes_path("k")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) + "\n")
    with pytest.raises(RuntimeError, match=r"record\.json is damaged"):
        store.training("k")
    with pytest.raises(RuntimeError, match="line 1 is damaged"):
        store.outcomes("k")


def test_damaged_outcomes_are_moved_aside_with_the_attack(tmp_path) -> None:
    store = Store(tmp_path)
    record = attack(training())
    for number in range(4):
        store.append_outcome(record.key, outcome(number))
    store.put_attack(record)
    path = store.outcomes_path(record.key)
    path.write_bytes(path.read_bytes().replace(b'"queries":10', b'"queries":11', 1))
    assert len(store.quarantine()) == 1
    assert store.attack(record.key) is None and store.outcomes(record.key) == []


def test_outcomes_of_other_weights_are_moved_aside(tmp_path, caplog) -> None:
    store = Store(tmp_path)
    for weights, expected in (("1" * 64, 1), ("1" * 64, 2), ("2" * 64, 1)):
        store.hold_to("k", weights)
        assert store.victim("k") == weights
        store.append_outcome("k", outcome(expected))
        assert len(store.outcomes("k")) == expected
    assert "was on weights no longer stored; it was moved to" in caplog.text
    store.victim_path("k").write_text("{")
    with pytest.raises(RuntimeError, match=r"victim\.json is damaged"):
        store.victim("k")


def test_differences_are_told_field_by_field() -> None:
    stored = {"seed": 1, "settings": {"steps": 3, "search": {"steps": 2}}, "old": 0, "same": [1], "whole": 3.0}
    wanted = {"seed": 1, "settings": {"steps": 5, "search": {"steps": 4}}, "new": 1, "same": (1,), "whole": 3}
    assert list(differences(stored, wanted)) == [
        "settings.steps was 3, is 5",
        "settings.search.steps was 2, is 4",
        "old was 0, is absent",
        "new was absent, is 1",
    ]


def test_a_store_may_be_read_without_leaving_a_trace(tmp_path) -> None:
    store = Store(tmp_path / "absent", writable=False)
    assert list(store.trainings()) == [] and not (tmp_path / "absent").exists()


def test_an_output_folder_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="is a file; give another with --out"):
        Store(tmp_path / "out")


def test_a_folder_that_weights_cannot_be_written_into_is_refused_before_the_work(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"must have a name in UTF-8, got '.*caf\\udce9'; give another with --out"):
        Store(tmp_path / "caf\udce9")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a read-only file system, raised where the store tries: the superuser passes permission bits."""

    def read_only(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("benchmarks.results.store.tempfile.TemporaryFile", read_only)
    with pytest.raises(ValueError, match="cannot be written \\(Read-only file system\\)"):
        Store(tmp_path)


def packed(tmp_path) -> tuple[Store, TrainingRecord, dict[str, bytes]]:
    """A store with a training, and its files."""
    store, record = Store(tmp_path / "first"), training(weights_sha256=sha256(b"weights").hexdigest())
    write_atomically(store.weights_path(record.key), b"weights")
    write_atomically(store.checkpoints_folder(record.key) / "stage-0.safetensors", b"state")
    store.put_training(record)
    return store, record, store.pack(f"trainings/{record.key}")


def test_what_one_store_packs_another_unpacks(tmp_path) -> None:
    _, record, files = packed(tmp_path)
    assert list(files) == ["model/model.safetensors", "record.json"], "a checkpoint is no result"
    other = Store(tmp_path / "second")
    assert other.pack(f"trainings/{record.key}") == {}
    other.unpack(f"trainings/{record.key}", files)
    assert other.training(record.key) == record
    assert other.weights_path(record.key).read_bytes() == b"weights"
    other.unpack(f"trainings/{record.key}", files | {"model/model.safetensors": b"others"})
    assert other.weights_path(record.key).read_bytes() == b"weights", "the same record is not written again"


def test_unfinished_work_that_comes_back_takes_nothing_from_what_got_further(tmp_path) -> None:
    store, key = Store(tmp_path), "a" * 64
    store.append_outcome(key, outcome(0))
    files = store.pack(f"attacks/{key}")
    store.append_outcome(key, outcome(1))
    store.unpack(f"attacks/{key}", files | {"victim.json": b"{}"})
    assert [each.example_id for each in store.outcomes(key)] == ["test-0", "test-1"]
    assert store.victim_path(key).read_bytes() == b"{}", "what was not there comes along"


@pytest.mark.parametrize("folder", ["trainings/x", "../trainings/" + "a" * 64, "locks/" + "a" * 64, "/etc"])
def test_only_folders_of_the_store_are_packed(tmp_path, folder: str) -> None:
    with pytest.raises(ValueError, match=r"is called trainings/<key> or attacks/<key>, got"):
        Store(tmp_path).pack(folder)


@pytest.mark.parametrize("name", ["../record.json", "/etc/x", "model/../../../x"])
def test_a_name_that_leads_out_is_refused(tmp_path, name: str) -> None:
    with pytest.raises(ValueError, match="leads out of the folder"):
        Store(tmp_path).unpack("trainings/" + "a" * 64, {name: b""})
    assert not list(tmp_path.iterdir())


def test_a_record_changed_on_its_way_is_found(tmp_path) -> None:
    _, record, files = packed(tmp_path)
    changed = files["record.json"].replace(b'"clean_correct": "1110"', b'"clean_correct": "1111"')
    with pytest.raises(RuntimeError, match="its checksum does not fit"):
        Store(tmp_path / "second").unpack(f"trainings/{record.key}", files | {"record.json": changed})


def stored(tmp_path) -> tuple[Store, str, str]:
    """A store with a training and a finished attack on it, and their keys."""
    store, record = Store(tmp_path / "out"), training(weights_sha256=sha256(b"weights").hexdigest())
    write_atomically(store.weights_path(record.key), b"weights")
    store.put_training(record)
    attacked = attack(record)
    store.hold_to(attacked.key, record.weights_sha256)
    for number in range(4):
        store.append_outcome(attacked.key, outcome(number))
    store.put_attack(attacked)
    return store, record.key, attacked.key


PLACES = {
    "record": "trainings/{training}/record.json",
    "weights": "trainings/{training}/model/model.safetensors",
    "model folder": "trainings/{training}/model",
    "training's folder": "trainings/{training}",
    "outcomes": "attacks/{attack}/outcomes.jsonl",
    "victim's note": "attacks/{attack}/victim.json",
    "attack's folder": "attacks/{attack}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("instead", ["a link", "a link to nowhere", "a pipe", "a device"])
def test_what_is_no_regular_file_is_named_never_followed_and_moved_aside(tmp_path, place: str, instead: str) -> None:
    store, training_key, attack_key = stored(tmp_path)
    path = store.root / PLACES[place].format(training=training_key, attack=attack_key)
    outside = tmp_path / "outside"
    path.rename(outside)
    before = {each: each.read_bytes() for each in (outside, *outside.rglob("*")) if each.is_file()}
    if instead == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"a link": outside, "a link to nowhere": tmp_path / "none", "a device": "/dev/zero"}[instead])
    kind, key = ("trainings", training_key) if "training" in PLACES[place] else ("attacks", attack_key)
    found = [finding.what for finding in verify(Store(store.root, writable=False)) if finding.place.endswith(key)]
    assert [str(path) in what and "regular files and folders are allowed" in what for what in found] == [True]
    with pytest.raises(Damaged, match=r"is a (link|pipe)"):
        store.append_outcome(key, outcome(9)) if kind == "attacks" else store.put_training(training())
    (said,) = store.quarantine()
    assert "was moved to" in said and not os.path.lexists(store.root / kind / key)
    assert not (tmp_path / "none").exists()
    assert before == {each: each.read_bytes() for each in (outside, *outside.rglob("*")) if each.is_file()}


@pytest.mark.parametrize("name", ["trainings", "attacks", "locks", "quarantine", "adversarial_texts", "tokens"])
def test_a_folder_of_the_store_that_is_a_link_is_refused(tmp_path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match=f"{name} is a link or a file; a folder is allowed there"):
        Store(tmp_path / "out", writable=False)


def test_the_store_itself_may_be_a_link(tmp_path) -> None:
    store, training_key, _ = stored(tmp_path)
    (tmp_path / "shortcut").symlink_to(store.root)
    assert Store(tmp_path / "shortcut").training(training_key) is not None
    assert Store(tmp_path / "shortcut").quarantine() == []


def test_outcomes_are_on_the_disk_before_the_record_that_vouches_for_them(tmp_path, monkeypatch) -> None:
    synced, real = [], os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr("benchmarks.data.plain_files.os.fsync", fsync)
    _, training_key, attack_key = stored(tmp_path)
    for item, own in ((training_key, "model/model.safetensors"), (attack_key, "outcomes.jsonl")):
        names = [name.rpartition(f"{item}/")[2] for name in synced if f"{item}/" in name]
        record = next(place for place, name in enumerate(names) if name.startswith(".record.json"))
        assert own in names[:record], names


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path) -> None:
    store = Store(tmp_path)
    store.append_outcome("k", outcome(0))
    with store.outcomes_path("k").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(Damaged, match=r"line 2 is damaged \(it is longer than"):
        store.outcomes("k")


def test_the_temporary_files_of_killed_writers_go_when_the_command_is_repeated(tmp_path) -> None:
    store, training_key, attack_key = stored(tmp_path)
    parts = [
        store.root / ".table1.md-0123abcd.part",
        store.root / "tokens" / ".tokens-0123abcd.part",
        store.model_folder(training_key).parent / ".record.json-0123abcd.part",
        store.root / "attacks" / attack_key / ".victim.json-ffffffff.part",
    ]
    for part in parts:
        part.parent.mkdir(exist_ok=True)
        part.write_text("half")
    assert store.quarantine() == []
    assert not any(part.exists() for part in parts)


def lines_of(store: Store, key: str) -> list[bytes]:
    return store.outcomes_path(key).read_bytes().splitlines(keepends=True)


LOSSES = {
    "the first line": (lambda lines: lines[1:], 3),
    "the last line": (lambda lines: lines[:-1], 3),
    "half of the last line": (lambda lines: [*lines[:-1], lines[-1][:50]], 3),
    "all lines": (lambda lines: [], 0),
    "one for another that is doubled": (lambda lines: [lines[0], lines[0], *lines[2:]], 0),
    "nothing, and another line was begun": (lambda lines: [*lines, b'{"outc'], 0),
    "nothing, and a line is doubled": (lambda lines: [*lines, lines[2]], 0),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_finished_attack_that_lost_outcomes_is_unfinished_again(tmp_path, loss: str) -> None:
    store, _, key = stored(tmp_path)
    change, left = LOSSES[loss]
    store.outcomes_path(key).write_bytes(b"".join(change(lines_of(store, key))))
    assert store.planned_attack(key) is not None and (store.attack(key) is None or "begun" in loss)
    assert [finding.place for finding in verify(store)] and len(list(store.attacks())) == 1
    (said,) = store.quarantine()
    assert "and is redone" in said or "what is missing is redone" in said
    assert store.planned_attack(key) is None and len(store.outcomes(key)) == left, "what is there stays"
    have = {each.example_id for each in store.outcomes(key)}
    for number in range(4):
        if f"test-{number}" not in have:
            store.append_outcome(key, outcome(number))
    store.put_attack(attack(training(weights_sha256=sha256(b"weights").hexdigest())))
    assert store.attack(key) is not None and store.quarantine() == []


def test_a_file_of_outcomes_that_is_gone_is_redone(tmp_path) -> None:
    store, _, key = stored(tmp_path)
    store.outcomes_path(key).unlink()
    assert store.attack(key) is None
    assert len(store.quarantine()) == 1 and store.planned_attack(key) is None


def test_an_unfinished_attack_with_a_doubled_line_is_redone(tmp_path) -> None:
    store = Store(tmp_path)
    for number in (0, 1, 0):
        store.append_outcome("k", outcome(number))
    assert "more than one outcome for test-0" in [finding.what for finding in verify(store)]
    assert len(store.quarantine()) == 1 and store.outcomes("k") == []


@pytest.mark.parametrize("content", [None, b"", b"other weights"])
def test_a_training_without_the_weights_it_trained_is_redone(tmp_path, content: bytes | None) -> None:
    store, key, _ = stored(tmp_path)
    store.weights_path(key).unlink()
    if content is not None:
        store.weights_path(key).write_bytes(content)
    (said,) = store.quarantine()
    assert "model.safetensors are" in said and store.training(key) is None


def test_what_another_process_is_at_is_not_moved_under_its_hands(tmp_path) -> None:
    store, _, key = stored(tmp_path)
    store.outcomes_path(key).unlink()
    with store.locked("attacks", key):
        assert store.quarantine() == []
    assert len(store.quarantine()) == 1


def test_what_another_process_has_redone_meanwhile_stays(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _, key = stored(tmp_path)
    whole = store.outcomes_path(key).read_bytes()
    store.outcomes_path(key).unlink()
    locked = store.locked

    def redone_meanwhile(kind, key, **how):
        store.outcomes_path(key).write_bytes(whole)
        return locked(kind, key, **how)

    monkeypatch.setattr(store, "locked", redone_meanwhile)
    assert store.quarantine() == [] and store.attack(key) is not None


@pytest.mark.parametrize("number", [10**30, -(10**30), 10**400, 1 << 64])
@pytest.mark.parametrize("field", ["queries", "words", "label"])
def test_a_number_that_nothing_counts_to_is_damage(tmp_path, field: str, number: int) -> None:
    store = Store(tmp_path)
    store.append_outcome("k", outcome(0, **{field: number}))
    with pytest.raises(Damaged, match=r"line 1 is damaged \(the number .* is larger than any that is stored"):
        store.outcomes("k")
