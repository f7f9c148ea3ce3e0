"""Ids put together from remembered pieces are the tokenizer's own."""

from __future__ import annotations

import string

import pytest
import small_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertTokenizerFast, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from benchmarks.victims import pieces
from benchmarks.victims.pieces import Pieces, batches_of, equal_length_batches

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def word_piece(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """A lower-casing WordPiece tokenizer of letters, their continuations, punctuation and a few words."""
    folder = tmp_path_factory.mktemp("word_piece")
    words = ["the", "film", "was", "good", "##ly", "un", "##good", *string.punctuation, *string.digits]
    vocabulary = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *words]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)))
    return BertTokenizerFast(str(folder / "vocab.txt"))


def byte_level(_: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer with a few merges and RoBERTa's frame."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
    merges = [("g", "o"), ("o", "d"), ("\u0120", "g"), ("\u0120g", "o"), ("'", "s")]
    vocabulary = {token: place for place, token in enumerate([*special, *alphabet, *map("".join, merges)])}
    plain = Tokenizer(models.BPE(vocabulary, merges))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", bos_token="<s>", eos_token="</s>", mask_token="<mask>"
    )


def whole_words(_: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """A tokenizer of a kind that is not known."""
    plain = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "good": 3}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")


TRAINING = ["the good film was goodly un-good, it's na\u00efve", "a good film the un"] * 20
KINDS = {
    "word_piece": word_piece,
    "byte_level": byte_level,
    "modernbert": lambda _: small_tokenizers.byte_level(TRAINING),
    "sentence_piece": lambda _: small_tokenizers.sentence_piece(TRAINING, lower=True),
    None: whole_words,
}
READ_AS = {"modernbert": "byte_level", "sentence_piece": None}


@pytest.fixture(scope="module", params=list(KINDS))
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """One tokenizer of each kind."""
    made = KINDS[request.param](tmp_path_factory)
    assert pieces._kind(made) == READ_AS.get(request.param, request.param)
    return made


def test_texts_that_are_cut_on_the_left_are_left_to_the_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> None:
    for kind in ("word_piece", "byte_level"):
        made = KINDS[kind](tmp_path_factory)
        made.truncation_side = "left"
        found = Pieces(made, 6).rows([("good film the un",), ("a b c d e f g h",)])
        expected = [own(made, (text,), 6) for text in ("good film the un", "a b c d e f g h")]
        assert [tuple(row) for row in found] == expected


def test_pieces_that_are_not_the_tokenizer_s_are_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = word_piece(tmp_path_factory)
    parts = Pieces(made, 8)
    assert parts.check([("good film",)]) is None
    parts._known["good"] = [7, 7]
    assert "texts are tokenised whole" in parts.check([("good film",)])
    assert tuple(parts.rows([("good film",)])[0]) == own(made, ("good film",), 8)


def own(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...], max_length: int) -> tuple[tuple[int, ...], ...]:
    """Ids and types by the tokenizer itself."""
    encoded = tokenizer(*([text] for text in texts), truncation=True, max_length=max_length)
    return tuple(encoded["input_ids"][0]), tuple(encoded.get("token_type_ids", [()])[0])


ODD = (
    *("good", "goodly", "it's", "[MASK]", "[UNK]", "<mask>", "the\u0301", "\u0301a", "un-good", "\u4e2d\u6587"),
    *("\u0130x", "\t", "\n", "\x0b", "\x1c", "\x85", "\xa0", "\u200b", "\u2003", "  ", " ", ".", "'", "\x00"),
    *("\U0001f600", "\u05d0", "|||EMAIL_ADDRESS|||", "|||", "a\u030a", "\u212b", "   "),
)
odd = st.sampled_from(ODD)
texts = st.lists(odd | st.text(max_size=6), max_size=12).map("".join) | st.lists(odd, max_size=12).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_single_texts_have_the_tokenizers_ids(tokenizer, data) -> None:
    text, max_length = data.draw(texts), data.draw(st.integers(3, 20))
    (row,) = Pieces(tokenizer, max_length).rows([(text,)])
    assert (row.ids, row.type_ids) == own(tokenizer, (text,), max_length)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_pairs_have_the_tokenizers_ids(tokenizer, data) -> None:
    pair, max_length = (data.draw(texts), data.draw(texts)), data.draw(st.integers(6, 30))
    (row,) = Pieces(tokenizer, max_length).rows([pair])
    assert (row.ids, row.type_ids) == own(tokenizer, pair, max_length)


def test_many_texts_share_what_is_known(tokenizer, monkeypatch) -> None:
    several = [("a good film",), ("the good film",), ("a good film",)]
    made = Pieces(tokenizer, 16)
    first = made.rows(several)
    if made._kind is not None:
        monkeypatch.setattr(made, "_tokenise", None)
    assert made.rows(several[::-1]) == first[::-1]
    assert made.rows([]) == []


def test_the_memory_is_bounded(tokenizer, monkeypatch) -> None:
    monkeypatch.setattr(pieces, "REMEMBERED", 4)
    made = Pieces(tokenizer, 32)
    for text in ("a b c", "d e f", "a b g h i j"):
        assert made.rows([(text,)])[0].ids == own(tokenizer, (text,), 32)[0]
    assert len(made._known) <= 6  # the last text alone may hold more than the bound


def test_batches_hold_equal_lengths_within_the_budget_and_every_place_once() -> None:
    lengths = [5, 3, 5, 5, 5, 5, 16, 3]
    batches = list(equal_length_batches(lengths, 12))
    assert sorted(place for places in batches for place in places) == list(range(8))
    assert all(len({lengths[place] for place in places}) == 1 for places in batches)
    assert all(len(places) == 1 or len(places) * lengths[places[0]] <= 12 for places in batches)


def test_batches_fill_the_budget_with_their_padding_and_hold_every_place_once() -> None:
    lengths = [5, 3, 5, 5, 9, 5, 30, 3]
    batches = list(batches_of(lengths, 20))
    assert sorted(place for places in batches for place in places) == list(range(8))
    assert [max(lengths[place] for place in places) * len(places) for places in batches] == [20, 10, 9, 30]
