"""Memory that runs out, for real: a process whose address space is bounded while it trains and attacks.

Run by `test_memory.py` in an interpreter of its own, whose heap keeps no large block once it is free: what is free
within the heap would be room beyond the bound, more or less of it after other tests.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_jobs import context_of, job_of, study_of
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.experiments.options import Options
from benchmarks.jobs import train as training
from benchmarks.jobs.batches import task_batches
from benchmarks.results.verify import verify
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import load_classifier, save_classifier
from benchmarks.victims.victim import Victim
from reports.experiments import report_on

MEGABYTE = 1 << 20
ROOM = 100 * MEGABYTE  # a fraction of what a batch of 256 texts takes, and several times what 16 take


def in_a_narrow_process(work: Callable[[], None], room: int = ROOM) -> None:
    """Do the work in a forked process that can take `room` bytes more than it has, and hear whether it was done."""
    gc.collect()
    child = os.fork()
    if child == 0:
        try:
            ctypes.CDLL(None).malloc_trim(0)  # free memory that the process holds on to would be room as well
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            torch.backends.mkldnn.enabled = False  # it names no reason where it finds no memory
            resource.setrlimit(resource.RLIMIT_AS, (taken + room, resource.RLIM_INFINITY))
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the traceback above"


@pytest.fixture
def wide(options: Options, tmp_path: Path) -> Options:
    """Batches of 256 texts, for a backbone whose activations are large and whose weights are small."""
    torch.manual_seed(0)
    tokenizer = find_backbone("minilm").load_tokenizer()
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 1536}
    folder = tmp_path / "wide"
    save_classifier(BertForSequenceClassification(BertConfig(**sizes)), folder, tokenizer)
    return replace(options, backbone=str(folder), train_texts=256, batch_size=256, recipes=None)


def test_a_training_without_room_is_a_failed_record_that_names_what_fits_and_is_redone(wide) -> None:
    context = context_of(wide)
    job = job_of(context, epochs="1")
    task_batches(context, "demo", job.seed)  # tokenised where there is room
    in_a_narrow_process(lambda: training.train(context, job))
    (record,) = context.store.trainings()
    assert record.status == "failed" and record.weights_sha256 is None and record.clean_correct == ""
    assert record.error.startswith("ran out of memory with batches of 256 texts (") and "allocate" in record.error
    fitting = int(record.error.partition("--batch-size ")[2].partition(",")[0])
    assert fitting in (128, 64, 32, 16) and record.error.endswith("or --allow-accumulation")
    assert not context.store.checkpoints_folder(record.key).exists()
    assert not list(context.store.root.glob("locks/*"))
    table = report_on(study_of(wide, "fine_tune", epochs="1")).table
    assert table.incomplete and any("Failed and blank: Fine-tune seed 42 ran out of" in line for line in table.caption)
    assert [finding.what.split(":")[0] for finding in verify(context.store)] == ["unfinished"]
    smaller = context_of(replace(wide, batch_size=fitting))
    in_a_narrow_process(lambda: training.train(smaller, job_of(smaller, epochs="1")))
    states = sorted(each.status for each in context.store.trainings())
    assert states == ["failed", "finished"], "the named size does fit"
    (said,) = context.store.quarantine()
    assert "ran out of memory" in said and said.endswith("is redone")
    # In a process of its own too: what this one had taken would be room for the next test's.
    in_a_narrow_process(lambda: training.train(context, job), room=1 << 40)
    assert context.store.training(record.key).status == "finished"


def test_with_accumulation_it_is_trained_in_parts_and_its_time_does_not_count(wide) -> None:
    allowed = context_of(replace(wide, allow_accumulation=True))
    job = job_of(allowed, epochs="1")
    task_batches(allowed, "demo", job.seed)
    in_a_narrow_process(lambda: training.train(allowed, job))
    (record,) = allowed.store.trainings()
    assert record.status == "finished" and record.stages[0]["updates"] == 1
    (reason,) = [each for each in record.invalid if "cut into" in each]
    parts = int(reason.split()[4])
    assert parts in (2, 4, 8, 16) and record.stages[0]["passes"]["forward"] == parts
    assert verify(allowed.store) == []


def test_an_attack_without_room_halves_its_batch_and_goes_on(wide, tmp_path) -> None:
    folder = Path(wide.backbone)
    victim = Victim(
        load_classifier(folder), find_backbone("minilm").load_tokenizer(), max_length=64, batch_tokens=1 << 16
    )
    texts = [(f"{'a good film ' * 20} {number}",) for number in range(400)]
    expected = victim(texts)
    victim._answers.clear()
    forward, sizes = victim._batch_forward, []

    def watched(rows):
        found = forward(rows)
        sizes.append(len(rows))
        return found

    victim._batch_forward = watched

    def ask() -> None:
        np.testing.assert_allclose(victim(texts), expected, rtol=1e-5)  # other batches round otherwise
        assert max(sizes) < len(texts) and sum(sizes) == len(texts), sizes

    in_a_narrow_process(ask)
