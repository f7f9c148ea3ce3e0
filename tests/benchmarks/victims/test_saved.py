"""Saved classifiers come back with their shapes and logits."""

from __future__ import annotations

import json

import pytest
import torch
from encoders import KINDS, logits, make

from baselines.primitives.pruning import Pruning, kept_of, prune_, random_coefficients
from benchmarks.data.digests import sha256_of
from benchmarks.victims.saved import load_classifier, save_classifier


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_survive(kind: str, pruned: bool, batch, tmp_path) -> None:
    model = make(kind)
    if pruned:
        prune_(model, Pruning(0.25, 0.4).draw(*random_coefficients(model, 0)))
    digests = save_classifier(model, tmp_path / "m")
    loaded = load_classifier(tmp_path / "m")
    torch.testing.assert_close(logits(loaded, batch()), logits(model, batch()), rtol=0, atol=1e-6)
    assert kept_of(loaded) == kept_of(model)
    assert digests == {path.name: sha256_of(path) for path in (tmp_path / "m").iterdir()}
    assert sorted(digests) == ["config.json", "model.safetensors"]


def test_a_pruned_model_that_was_loaded_is_saved_again(batch, tmp_path) -> None:
    model = make("bert")
    prune_(model, Pruning(0.25, 0.4).draw(*random_coefficients(model, 0)))
    first = save_classifier(model, tmp_path / "a")
    assert save_classifier(load_classifier(tmp_path / "a"), tmp_path / "b") == first


def test_an_incomplete_folder_is_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"lacks config.json and model.safetensors"):
        load_classifier(tmp_path)


def test_damaged_weights_and_unknown_architectures_are_refused(tmp_path) -> None:
    save_classifier(make("bert"), tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_classifier(tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "gpt2"}))
    with pytest.raises(ValueError, match="unknown architecture 'gpt2'"):
        load_classifier(tmp_path / "m")
