"""The token cache: named by content, checked, remade where damaged."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.victims.backbones import find_backbone

EXAMPLES = [
    Example("train-0", ("a good film", "really"), 1),
    Example("train-1", ("bad", "a very long answer indeed"), 0),
]


@pytest.fixture(scope="module")
def tokenizer():
    return find_backbone("minilm").load_tokenizer()


def same(first, second) -> bool:
    return all(np.array_equal(getattr(first, name), value) for name, value in vars(second).items())


def test_ids_are_the_tokenizer_s(tokenizer) -> None:
    encoded = encode(tokenizer, EXAMPLES, 64)
    expected = tokenizer("a good film", "really")
    assert encoded.ids[: encoded.lengths[0]].tolist() == expected["input_ids"]
    assert encoded.type_ids[: encoded.lengths[0]].tolist() == expected["token_type_ids"]
    assert encoded.labels.tolist() == [1, 0]
    assert encode(tokenizer, EXAMPLES, 6).lengths.max() == 6


def test_the_cache_gives_the_same_and_is_read(tokenizer, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(tokenizer, EXAMPLES, 64, tmp_path)
    monkeypatch.setattr("benchmarks.data.encoding._tokenise", lambda *a: pytest.fail("was tokenised again"))
    assert same(first, encode(tokenizer, EXAMPLES, 64, tmp_path))


def test_other_content_is_another_file(tokenizer, tmp_path) -> None:
    encode(tokenizer, EXAMPLES, 64, tmp_path)
    encode(tokenizer, EXAMPLES, 32, tmp_path)
    encode(tokenizer, EXAMPLES[:1], 64, tmp_path)
    encode(tokenizer, [Example("x", EXAMPLES[0].texts, 0)], 64, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", ["flip", "cut", "garbage"])
def test_a_damaged_file_is_made_again_and_said_so(tokenizer, tmp_path, caplog, damage: str) -> None:
    first = encode(tokenizer, EXAMPLES, 64, tmp_path)
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[-40] ^= 1
    path.write_bytes({"flip": bytes(raw), "cut": bytes(raw[:50]), "garbage": b"not a cache"}[damage])
    with caplog.at_level(logging.WARNING):
        assert same(first, encode(tokenizer, EXAMPLES, 64, tmp_path))
    assert "corrupted" in caplog.text
