"""What a model can read is known before any work."""

from __future__ import annotations

import pytest
from encoders import make

from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.inspection import check_inputs, longest_input, positions_of, probes

# DeBERTa-v3 and ModernBERT compute positions, and have no table of them that could end.
POSITIONS = {"bert": 40, "distilbert": 40, "electra": 40, "roberta": 38, "xlm-roberta": 38, "albert": 40}


@pytest.fixture(scope="module")
def tokenizer():
    return find_backbone("minilm").load_tokenizer()


@pytest.mark.parametrize("kind", POSITIONS)
def test_a_model_reads_as_many_tokens_as_it_has_positions(kind: str, tokenizer) -> None:
    model = make(kind)
    assert positions_of(model.config) == POSITIONS[kind] == longest_input(model.config, tokenizer)
    model(input_ids=torch_row(POSITIONS[kind]))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch_row(POSITIONS[kind] + 1))


def test_a_tokenizer_without_a_limit_leaves_it_to_the_model(tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "model_max_length", int(1e30))
    assert longest_input(make("modernbert").config, tokenizer) == 40
    assert longest_input(make("modernbert", max_position_embeddings=8192).config, tokenizer) == 512


def torch_row(length: int):
    import torch

    return torch.full((1, length), 7)


@pytest.mark.parametrize(("length", "columns"), [(0, 1), (1, 1), (2, 1), (4, 2), (41, 1), (600, 2)])
def test_a_length_that_cannot_be_read_is_refused(length: int, columns: int, tokenizer) -> None:
    config = make("bert").config
    config.vocab_size = 30522
    with pytest.raises(ValueError, match=f"--max-length must be {2 * columns + 1} to 40 tokens, .* got {length}"):
        check_inputs("m", config, tokenizer, length, columns)
    check_inputs("m", config, tokenizer, 2 * columns + 1, columns)


def test_a_tokenizer_of_another_model_is_refused(tokenizer) -> None:
    with pytest.raises(ValueError, match="has ids up to 30521, and the model has embeddings for 100; one of the two"):
        check_inputs("m", make("bert").config, tokenizer, 10, 1)


def test_probes_are_few_and_hold_the_shortest_and_the_longest() -> None:
    texts = [("aa",), ("b",), ("aa",), ("cccc",), ("ddd",), ("eee",)]
    assert probes(texts) == [("b",), ("cccc",), ("aa",)]
    assert probes([("a", "b")]) == [("a", "b")] and probes([]) == []
