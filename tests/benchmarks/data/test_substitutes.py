"""Substitutes of tokens: whole words of one token, aligned with the encoded texts, kept in the cache."""

from __future__ import annotations

import numpy as np
import pytest
from small_tokenizers import tokenizer_for
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.data.substitutes import SLOTS, find_substitutes, identity, replaceable_tokens
from benchmarks.victims.backbones import find_backbone

GROUPS = [("good", "great", "fine", "toothsome"), ("movie", "film"), ("well", "healthy"), ("don", "sir")]
SOURCE = NeighbourList.from_groups(GROUPS)


@pytest.fixture(scope="module")
def tokenizer():
    return find_backbone("minilm").load_tokenizer()


def words_at(tokenizer, examples, source=SOURCE, max_length: int = 64) -> list[dict[str, list[str]]]:
    """For each text, the tokens that have substitutes, with these."""
    found = find_substitutes(tokenizer, examples, max_length, source)
    encoded = encode(tokenizer, examples, max_length)
    assert len(found.rows) == len(encoded.ids)
    texts = []
    for number in range(len(encoded)):
        span = slice(*encoded.offsets[number : number + 2])
        ids = encoded.ids[span]
        filled = found.of(span, ids)
        assert filled.shape == (len(ids), SLOTS) and filled.dtype == np.int64
        assert (filled[:, 0] == ids).all(), "slot 0 is the token itself"
        texts.append(
            {
                tokenizer.convert_ids_to_tokens(int(row[0])): tokenizer.convert_ids_to_tokens(row[row != row[0]])
                for row in filled
                if (row != row[0]).any()
            }
        )
    return texts


def test_words_of_one_token_have_neighbours_of_one_token(tokenizer) -> None:
    (found,) = words_at(tokenizer, [Example("a", ("A GOOD movie, moviegoers!",), 0)])
    assert found == {"good": ["great", "fine"], "movie": ["film"]}, "'toothsome' is several tokens"


def test_a_part_of_a_longer_word_is_no_word(tokenizer) -> None:
    (found,) = words_at(tokenizer, [Example("a", ("I don't like a well-known film 'well'",), 0)])
    assert found == {"film": ["movie"], "well": ["healthy"]}
    (found,) = words_at(tokenizer, [Example("b", ("don't, well-known",), 0)])
    assert not found


def test_in_a_pair_the_second_text_alone_is_replaced(tokenizer) -> None:
    (found,) = words_at(tokenizer, [Example("a", ("a good idea", "a fine movie"), 0)])
    assert found == {"fine": ["good", "great"], "movie": ["film"]}


def test_what_is_cut_off_has_no_substitutes(tokenizer) -> None:
    (found,) = words_at(tokenizer, [Example("a", ("good movie",), 0)], max_length=3)
    assert list(found) == ["good"]


def test_byte_level_tokens_keep_their_mark_and_case() -> None:
    words = ["<s>", "</s>", "<pad>", "Good", "Great", "\u0120good", "\u0120great", "\u0120Great", "\u0120film", "fine"]
    merges: list[tuple[str, str]] = []
    vocabulary = dict.fromkeys([*words, *sorted(pre_tokenizers.ByteLevel.alphabet())])
    for word in words[3:]:
        for end in range(2, len(word) + 1):
            merges.append((word[: end - 1], word[end - 1]))
            vocabulary[word[:end]] = None
    plain = Tokenizer(models.BPE({token: place for place, token in enumerate(vocabulary)}, list(dict.fromkeys(merges))))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    (found,) = words_at(tokenizer, [Example("a", ("Good film good",), 0)])
    assert found == {"Good": ["Great"], "\u0120good": ["\u0120great"]}
    allowed = replaceable_tokens(tokenizer)
    vocabulary = tokenizer.get_vocab()
    assert allowed[[vocabulary[token] for token in ("Good", "\u0120film")]].all()
    assert not allowed[[vocabulary[token] for token in ("<s>", "!")]].any()


def test_other_synonyms_are_another_identity() -> None:
    other = NeighbourList.from_groups(GROUPS[:1])
    assert identity(SOURCE.identity()) != identity(other.identity())


def test_texts_without_substitutes_work(tokenizer) -> None:
    assert words_at(tokenizer, [Example("a", ("nothing here",), 0)]) == [{}]


def test_replaceable_tokens_are_letters(tokenizer) -> None:
    allowed = replaceable_tokens(tokenizer)
    names = tokenizer.get_vocab()
    assert len(allowed) == len(tokenizer)
    assert all(allowed[names[token]] for token in ("good", "##ing"))
    assert not any(allowed[names[token]] for token in ("[CLS]", "[PAD]", "[unused3]", ",", "##3", "1990"))


@pytest.mark.parametrize(("kind", "mark"), [("modernbert", "\u0120"), ("xlm-roberta", "\u2581"), ("albert", "\u2581")])
def test_a_space_before_a_word_is_no_part_of_it(kind: str, mark: str) -> None:
    """Some tokenizers count it to the token, others do not; ALBERT's lower-cases."""
    texts = ["the good movie", "the great film", "a Great film", "a Good movie", "good great movie film"] * 10
    tokenizer = tokenizer_for(kind, texts)
    (found,) = words_at(tokenizer, [Example("a", ("the Good movie",), 0)])
    big = str if kind == "albert" else str.capitalize
    assert found == {mark + big("good"): [mark + big("great")], f"{mark}movie": [f"{mark}film"]}
    replaceable = replaceable_tokens(tokenizer)
    assert replaceable[tokenizer.convert_tokens_to_ids(f"{mark}movie")]
    assert not replaceable[[tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.mask_token_id]].any()
