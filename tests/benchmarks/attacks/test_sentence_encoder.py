"""The mean-pooled sentence encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.attacks import sentence_encoder
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder

TEXTS = ["good film", "the plot was bad", "a", "good film", "the food was good and the film was bad"]


def test_vectors_have_length_one_and_equal_texts_equal_vectors(tiny_backbone) -> None:
    vectors = MeanPooledEncoder(tiny_backbone).encode(TEXTS)
    assert vectors.shape == (5, 32) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)  # rounding of the norm
    assert (vectors[0] == vectors[3]).all()


def test_a_vector_is_the_mean_of_the_hidden_states(tiny_backbone) -> None:
    vector = MeanPooledEncoder(tiny_backbone).encode(["the plot was bad"])[0]
    model = tiny_backbone.new_classifier(2, 5).base_model.eval()
    with torch.no_grad():
        hidden = model(**tiny_backbone.load_tokenizer()("the plot was bad", return_tensors="pt")).last_hidden_state[0]
    mean = hidden.mean(dim=0)
    assert vector == pytest.approx(
        (mean / mean.norm()).numpy(), abs=1e-6
    )  # attention with and without a mask rounds apart


def test_a_remembered_vector_is_the_computed_one_and_costs_no_forward(tiny_backbone, monkeypatch) -> None:
    encoder = MeanPooledEncoder(tiny_backbone)
    first = encoder.encode(TEXTS)
    monkeypatch.setattr(encoder, "model", None)
    assert (encoder.encode(TEXTS[::-1]) == first[::-1]).all()


def test_the_memory_is_bounded(tiny_backbone, monkeypatch) -> None:
    monkeypatch.setattr(sentence_encoder, "REMEMBERED", 2)
    encoder = MeanPooledEncoder(tiny_backbone)
    assert encoder.encode(TEXTS).shape == (5, 32)
    assert len(encoder._vectors._known) == 2


def test_no_texts_no_rows(tiny_backbone) -> None:
    assert MeanPooledEncoder(tiny_backbone).encode([]).shape == (0, 32)
