"""What is measured where: the same batches in every size, generated texts where none were packed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.device import place as module
from benchmarks.device.bundle import Bundle
from benchmarks.device.place import RESULTS, SIZES, Place


def test_every_size_has_the_same_batches_and_the_tiny_one_is_smaller_in_all() -> None:
    full, tiny = SIZES["full"], SIZES["tiny"]
    assert full.batches.keys() == tiny.batches.keys()
    for name, batch in tiny.batches.items():
        assert batch.texts < full.batches[name].texts and batch.tokens < full.batches[name].tokens
    for count in ("blocks", "updates", "runs", "attacked", "throughput_texts"):
        assert getattr(tiny, count) < getattr(full, count)


def test_without_a_bundle_texts_are_generated(place: Place) -> None:
    options = place.options()
    assert place.opened() is None and (options.preset, options.data) == ("demo", None)
    assert options.offline and options.out == place.out / RESULTS
    assert (options.attacked, options.threads) == (place.sizes.attacked, 1)


def test_with_a_bundle_they_are_the_packed_ones(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Bundle(Path("sent"), "0", {})
    monkeypatch.setattr(module, "open_bundle", {Path("sent"): sent}.__getitem__)
    options = replace(place, bundle=Path("sent"), size="full").options()
    assert (options.preset, options.tasks, options.data) == ("small", "sst2", sent.data)
    assert options.encoder == str(sent.backbone) and options.threads is None
