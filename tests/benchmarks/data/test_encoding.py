"""The token cache: named by content, checked, remade where damaged."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.data.encoding import Encoded, encode
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


def test_ids_are_the_same_after_a_way_through_arrays(tokenizer) -> None:
    encoded = encode(tokenizer, EXAMPLES, 64)
    assert same(encoded, Encoded.of(encoded.as_arrays() | {"others": np.zeros(1)}))
