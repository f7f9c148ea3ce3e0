"""The word of each token, as blanks separate words."""

from __future__ import annotations

import pytest

from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.data.word_numbers import mask_token_of, word_numbers
from benchmarks.victims.backbones import find_backbone


@pytest.fixture(scope="module")
def tokenizer():
    return find_backbone("minilm").load_tokenizer()


def numbered(tokenizer, example: Example, max_length: int = 32) -> list[tuple[str, int]]:
    ids = encode(tokenizer, [example], max_length).ids
    words = word_numbers(tokenizer, [example], max_length)
    return list(zip(tokenizer.convert_ids_to_tokens(ids.tolist()), words.tolist(), strict=True))


def test_pieces_and_marks_of_a_word_have_its_number(tokenizer) -> None:
    found = numbered(tokenizer, Example("a", ("Good film, unwatchably  so.",), 0))
    assert found[0] == ("[CLS]", -1) and found[-1] == ("[SEP]", -1)
    assert found[1:4] == [("good", 0), ("film", 1), (",", 1)]
    assert {number for token, number in found[4:-3]} == {2} and found[-3:-1] == [("so", 3), (".", 3)]


def test_of_a_pair_the_second_text_has_words(tokenizer) -> None:
    found = numbered(tokenizer, Example("a", ("who is it", "it is he"), 0))
    assert [number for _, number in found] == [-1, -1, -1, -1, -1, 0, 1, 2, -1]


def test_a_text_that_is_cut_keeps_its_numbers(tokenizer) -> None:
    assert [number for _, number in numbered(tokenizer, Example("a", ("one two three four",), 0), 4)] == [-1, 0, 1, -1]


def test_a_tokenizer_without_a_mask_is_refused(tokenizer) -> None:
    assert mask_token_of(tokenizer) == tokenizer.mask_token_id
    other = find_backbone("minilm").load_tokenizer()
    other.mask_token = None
    with pytest.raises(ValueError, match="one with a mask token"):
        mask_token_of(other)
