"""A disk that is full or read-only: a sentence with the path, nothing half written, and with room it goes on."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from demo_jobs import context_of, job_of
from made_up import attack, outcome, training

from benchmarks.data.array_cache import cached_arrays
from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.jobs.train import train
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.results.locks import locked
from benchmarks.results.store import Store, write_atomically
from benchmarks.results.verify import verify
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier


def test_every_writer_names_its_path_and_leaves_nothing(full_disk, bert) -> None:
    folder, full = full_disk
    store, record = Store(folder / "out"), training()
    attacked = attack(record, texts=2)
    store.append_outcome(attacked.key, outcome(0))
    tokenizer = find_backbone("minilm").load_tokenizer()
    texts = [Example(f"train-{number}", ("a good film",), 1) for number in range(64)]
    long = outcome(1, perturbed=("a fine film " * 1000,))
    keeper = Checkpoints(folder / "checkpoints", {})
    state = {"finished": True, "values": torch.ones(5000)}
    writers = {
        "record": (lambda: store.put_training(record), r"record\.json cannot be written"),
        "attack": (lambda: store.put_attack(attacked), r"record\.json cannot be written"),
        "outcome": (lambda: store.append_outcome(attacked.key, long), r"outcomes\.jsonl cannot be written"),
        "table": (lambda: write_atomically(folder / "t.md", "x" * 9000), r"t\.md cannot be written"),
        "tokens": (
            lambda: cached_arrays(folder / "tokens" / "a.b", lambda: encode(tokenizer, texts, 64).as_arrays()),
            r"tokens/\w+\.\w+ cannot be written",
        ),
        "model": (lambda: save_classifier(bert(), folder / "model"), "the model in .* cannot be written"),
        "checkpoint": (lambda: keeper.save(0, state), r"stage-0\.safetensors cannot be written"),
    }
    with full():
        for write, sentence in writers.values():
            with pytest.raises(RuntimeError, match=sentence):
                write()
    assert [each.example_id for each in store.outcomes(attacked.key)] == ["test-0"], "a torn line is left out"
    assert store.training(record.key) is None and not (folder / "t.md").exists()
    assert not list(folder.rglob("*.part")) or [each.name for each in folder.rglob("*.part")] == [
        ".model.safetensors.part"
    ]
    assert not (folder / "model" / "model.safetensors").exists()
    for write, _ in writers.values():
        write()
    assert [each.example_id for each in store.outcomes(attacked.key)] == ["test-0", "test-1"]
    assert store.training(record.key) == record and store.attack(attacked.key) == attacked
    assert Checkpoints(folder / "checkpoints", {}).load(0)["finished"]


def test_a_lock_on_a_full_disk_is_a_sentence_too(full_disk) -> None:
    folder, full = full_disk
    with full(), pytest.raises(RuntimeError, match=r"lock .* cannot be taken"), locked(folder / "locks" / "a", "x"):
        pytest.fail("taken")
    with locked(folder / "locks" / "a", "x"):
        pass


def test_a_training_that_found_no_room_is_done_when_there_is(options, full_disk, tmp_path) -> None:
    folder, full = full_disk
    context = context_of(replace(options, out=folder / "out"))
    job = job_of(context)
    with full(), pytest.raises(RuntimeError, match="cannot be"):
        train(context, job)
    if folder.stat().st_dev == tmp_path.stat().st_dev:  # the small file system has no room for a model at all
        elsewhere = context_of(replace(options, out=tmp_path / "elsewhere"))
        assert train(context, job).weights_sha256 == train(elsewhere, job).weights_sha256


def test_a_folder_that_may_only_be_read_is_refused_and_still_verified(full_disk) -> None:
    folder, full = full_disk
    if folder.stat().st_dev == folder.parent.stat().st_dev:
        pytest.skip("no file system can be mounted here")
    store, record = Store(folder / "out"), training(status="diverged", weights_sha256=None)
    store.put_training(record)
    with full():
        if os.access(folder, os.W_OK):
            return  # the full one: there is room for nothing, and no need to refuse it from the start
        with pytest.raises(
            ValueError, match=r"out cannot be written \(Read-only file system\); give another with --out"
        ):
            Store(folder / "out")
        assert verify(Store(folder / "out", writable=False)) == []
