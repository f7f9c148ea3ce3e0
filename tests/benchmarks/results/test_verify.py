"""What `verify` finds: one fault at a time in a store that was sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest
from made_up import attack, outcome, stage, training

from benchmarks.results.metrics import tally
from benchmarks.results.store import Store, content_key, write_atomically
from benchmarks.results.verify import verify

WEIGHTS = b"weights of this training"


@pytest.fixture
def store(tmp_path) -> Store:
    """One training and one attack on four texts; the first was misread from the start."""
    store = Store(tmp_path / "out")
    files = {"config.json": sha256(b"{}").hexdigest()}
    record = training(weights_sha256=sha256(WEIGHTS).hexdigest(), title="Fine-tune", model_files=files)
    model = store.model_folder(record.key)
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(WEIGHTS)
    (model / "config.json").write_bytes(b"{}")
    store.put_training(record)
    attacked = attack(record)
    store.hold_to(attacked.key, record.weights_sha256)
    store.append_outcome(attacked.key, outcome(0, "skipped", perturbed=("a good film",), words_changed=0))
    for number in (2, 1, 3):
        store.append_outcome(attacked.key, outcome(number))
    store.put_attack(attacked)
    return store


def folder_of(store: Store, kind: str) -> Path:
    return store.root / kind / store.keys(kind)[0]


def test_a_sound_store_passes(store) -> None:
    assert verify(store) == []
    assert verify(Store(store.root, writable=False)) == []


def test_so_does_one_from_before_records_had_checksums(store) -> None:
    path = folder_of(store, "trainings") / "record.json"
    values = json.loads(path.read_text())
    del values["sha256"]
    path.write_text(json.dumps(values))
    (folder_of(store, "attacks") / "victim.json").unlink()
    assert verify(store) == []


def edit(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def rewrite(store: Store, kind: str, **changes: object) -> None:
    """The record with other values and a checksum that fits, as a careful hand would leave it."""
    path = folder_of(store, kind) / "record.json"
    record = (store.training if kind == "trainings" else store.attack)(path.parent.name)
    path.unlink()
    (store.put_training if kind == "trainings" else store.put_attack)(replace(record, **changes))


def rename(store: Store, kind: str) -> None:
    folder = folder_of(store, kind)
    folder.rename(folder.with_name("f" * 64))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def outcomes(store: Store) -> Path:
    return folder_of(store, "attacks") / "outcomes.jsonl"


def in_record(store: Store, kind: str, old: str, new: str) -> None:
    path = folder_of(store, kind) / "record.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


FAULTS: dict[str, tuple[Callable[[Store], object], str]] = {
    "a flipped byte in an outcome": (lambda s: flip(outcomes(s), 30), "line 1 is damaged"),
    "a flipped byte in the last outcome": (lambda s: flip(outcomes(s), -30), "line 4 is damaged"),
    "a missing example": (lambda s: edit(outcomes(s), lambda lines: lines[:1] + lines[2:]), "no outcome for test-2"),
    "a duplicated example": (
        lambda s: edit(outcomes(s), lambda lines: [*lines, lines[1]]),
        "more than one outcome for test-2",
    ),
    "a foreign example": (
        lambda s: s.append_outcome(outcomes(s).parent.name, outcome(9)),
        "texts that were not planned: test-9",
    ),
    "a torn last line": (lambda s: edit(outcomes(s), lambda lines: [*lines, b'{"outc']), "was not written to its end"),
    "no outcomes": (lambda s: outcomes(s).unlink(), "no outcome for test-0, test-1, test-2, test-3"),
    "an attack without a query": (
        lambda s: s.append_outcome(outcomes(s).parent.name, outcome(9, queries=0)),
        "test-9 was attacked without a query",
    ),
    "an edited time": (lambda s: in_record(s, "trainings", '"gpu": 10.0', '"gpu": 9.0'), "checksum does not fit"),
    "an edited answer": (lambda s: in_record(s, "trainings", '"1110"', '"1111"'), "checksum does not fit"),
    "an edited plan": (lambda s: in_record(s, "attacks", '"test-3"', '"test-4"'), "checksum does not fit"),
    "an edited seed": (lambda s: rewrite(s, "trainings", seed=43), "its seed is 43, its identity says 42"),
    "an edited identity": (lambda s: in_record(s, "trainings", '"batch_size": 8', '"batch_size": 9'), "is damaged"),
    "a record cut short": (
        lambda s: edit(folder_of(s, "attacks") / "record.json", lambda lines: lines[:5]),
        "is damaged",
    ),
    "a training of a wrong key": (lambda s: rename(s, "trainings"), "not the hash of its identity"),
    "an attack of a wrong key": (lambda s: rename(s, "attacks"), "not the hash of its identity"),
    "weights of another training": (
        lambda s: (folder_of(s, "trainings") / "model" / "model.safetensors").write_bytes(b"others"),
        "are not those that were trained",
    ),
    "configuration of another model": (
        lambda s: (folder_of(s, "trainings") / "model/config.json").write_text('{"num_hidden_layers": 1}'),
        "config.json is missing or not what was stored with the weights",
    ),
    "no configuration": (
        lambda s: (folder_of(s, "trainings") / "model/config.json").unlink(),
        "config.json is missing or not what was stored with the weights",
    ),
    "no weights": (
        lambda s: (folder_of(s, "trainings") / "model" / "model.safetensors").unlink(),
        "model.safetensors are missing",
    ),
    "answers that are none": (lambda s: rewrite(s, "trainings", clean_correct="12"), "are not a row of 0 and 1"),
    "too few losses": (
        lambda s: rewrite(s, "trainings", stages=[stage(losses=[1.0])]),
        "more or fewer losses than updates",
    ),
    "an unfinished training": (lambda s: (folder_of(s, "trainings") / "record.json").unlink(), "unfinished"),
    "an unfinished attack": (lambda s: (folder_of(s, "attacks") / "record.json").unlink(), "unfinished: 4 outcomes"),
    "another victim": (
        lambda s: (folder_of(s, "attacks") / "victim.json").write_text('{"weights_sha256": "0"}'),
        "it attacked other weights",
    ),
    "an edited table": (
        lambda s: (s.root / "tables.sha256").write_text(f"{'0' * 64}  tables.sha256\n"),
        "was changed after it was written",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(store, fault: str) -> None:
    inflict, expected = FAULTS[fault]
    inflict(store)
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    found = verify(store)
    assert any(expected in finding.what for finding in found), found
    assert before == {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def test_the_attack_of_a_training_that_went_is_found(store) -> None:
    folder = folder_of(store, "trainings")
    folder.rename(store.root / "elsewhere")
    assert [f"the training {folder.name} that it attacked is not there"] == [each.what for each in verify(store)]


def test_an_attack_on_a_classifier_of_the_user_s_needs_no_training(tmp_path) -> None:
    store = Store(tmp_path)
    of_file = attack(training())
    identity = {"model": "x", "recipe": "textfooler"}
    of_file = replace(of_file, identity=identity, key=content_key(identity), example_ids=["test-0"])
    store.append_outcome(of_file.key, outcome(0))
    store.put_attack(of_file)
    assert verify(store) == []


def test_planned_texts_are_held_to_the_identity(store) -> None:
    (record,) = store.attacks()
    identity = record.identity | {"examples": content_key({"ids": ["test-0"]})}
    path = store.root / "attacks" / content_key(identity)
    outcomes(store).parent.rename(path)
    write_atomically(path / "record.json", json.dumps(asdict(replace(record, identity=identity, key=path.name))))
    assert [each.what for each in verify(store)] == ["its planned texts are not those its identity names"]


def test_a_diverged_training_needs_no_weights(tmp_path) -> None:
    store = Store(tmp_path)
    store.put_training(training(status="diverged", clean_correct="", weights_sha256=None))
    assert verify(store) == []


def test_another_folder_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no results; name one that"):
        verify(Store(tmp_path, writable=False))


@pytest.fixture
def augmented(store) -> Store:
    """The same with a training on texts made by attacks on the first one."""
    (base,) = store.trainings()
    attacked = {"base": base.key, "share": 0.5}
    identity = base.identity | {"defense": "augmentation", "adversarial_texts": attacked}
    texts = [outcome(number, "successful", example_id=f"train-{number}") for number in range(3)]
    only = stage(trace={"adversarial_texts": tally(texts, "successful")})
    record = replace(base, key=content_key(identity), identity=identity, defense="augmentation", stages=[only])
    store.weights_path(record.key).parent.mkdir(parents=True)
    store.weights_path(record.key).write_bytes(WEIGHTS)
    (store.model_folder(record.key) / "config.json").write_bytes(b"{}")
    store.put_training(record)
    inside = store.of_training_texts()
    inside.hold_to(content_key(attacked), base.weights_sha256)
    for each in texts:
        inside.append_outcome(content_key(attacked), each)
    return store


def texts_of(store: Store) -> Path:
    return folder_of(store.of_training_texts(), "attacks") / "outcomes.jsonl"


TEXT_FAULTS: dict[str, tuple[Callable[[Store], object], str]] = {
    "a flipped byte": (lambda s: flip(texts_of(s), 30), "line 1 is damaged"),
    "a missing text": (lambda s: edit(texts_of(s), lambda lines: lines[1:]), "are not those that the training"),
    "a doubled text": (
        lambda s: edit(texts_of(s), lambda lines: [*lines, lines[1]]),
        "more than one outcome for train-1",
    ),
    "a torn last line": (lambda s: edit(texts_of(s), lambda lines: [*lines, b"{"]), "was not written to its end"),
    "no texts": (lambda s: texts_of(s).unlink(), "took up are gone"),
    "another victim": (
        lambda s: texts_of(s).with_name("victim.json").write_text('{"weights_sha256": "0"}'),
        "it attacked other weights",
    ),
    "texts that nobody took up": (
        lambda s: s.of_training_texts().append_outcome("f" * 64, outcome(1)),
        "1 outcomes and no training that took them up",
    ),
}


def test_a_sound_store_with_attacked_training_texts_passes(augmented) -> None:
    assert verify(augmented) == []
    assert augmented.quarantine() == []


@pytest.mark.parametrize("fault", TEXT_FAULTS)
def test_a_fault_in_attacked_training_texts_is_found(augmented, fault: str) -> None:
    inflict, expected = TEXT_FAULTS[fault]
    inflict(augmented)
    found = verify(augmented)
    assert any(expected in finding.what for finding in found), found


def test_damaged_training_texts_go_to_quarantine_with_the_training_that_took_them_up(augmented) -> None:
    flip(texts_of(augmented), 30)
    inside = augmented.of_training_texts()
    assert len(augmented.quarantine()) == 2
    assert not inside.keys("attacks") and len(list((inside.root / "quarantine").iterdir())) == 1
    assert [record.defense for record in augmented.trainings()] == ["fine_tune"]
    assert verify(augmented) == []
