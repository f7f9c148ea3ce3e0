"""A victim's probabilities and counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from benchmarks.victims.kernels import KERNELS, can_be_packed, has_onednn, is_row_invariant
from benchmarks.victims.victim import Victim, products_of

TEXTS = [("a b c",), ("d",), ("e f g h i j",), ("a b c",), ("c b a",), ("b",)]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """One token a letter, between [CLS] and [SEP]."""
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    vocabulary |= {letter: 4 + place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    plain = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = Whitespace()
    plain.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")


def test_rows_are_probabilities_in_the_order_of_the_texts(bert, tokenizer) -> None:
    victim = Victim(bert(labels=3), tokenizer, max_length=16)
    rows = victim(TEXTS)
    assert rows.shape == (6, 3) and rows.dtype == np.float32
    # TextAttack takes another softmax where a row misses 1 by 1e-6.
    assert np.abs(rows.sum(axis=1) - 1).max() < 1e-6
    assert (rows[0] == rows[3]).all() and (rows[0] != rows[4]).any()
    for text, row in zip(TEXTS, rows, strict=True):
        encoded = tokenizer(text[0], return_tensors="pt")
        with torch.no_grad():
            expected = victim.model(**encoded).logits.softmax(dim=-1)[0].numpy()
        assert row == pytest.approx(expected, abs=1e-6)  # single against double precision in the softmax


def test_the_answer_does_not_depend_on_the_batch(bert, tokenizer) -> None:
    model = bert()
    together = Victim(model, tokenizer, max_length=16)(TEXTS)
    alone = np.concatenate([Victim(model, tokenizer, max_length=16)([text]) for text in TEXTS])
    assert (together == alone).all()


@pytest.mark.parametrize("kernel", KERNELS if has_onednn() else ["torch"])
def test_no_bit_of_an_answer_depends_on_the_kernels_batch(tokenizer, kernel) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = BertForSequenceClassification(BertConfig(vocab_size=30, **sizes))
    if kernel == "onednn" and not all(map(is_row_invariant, filter(can_be_packed, model.modules()))):
        pytest.skip("on this processor oneDNN's products depend on their number of rows, and are not used")

    def victim() -> Victim:
        return Victim(model, tokenizer, max_length=16, kernel=kernel)

    together = victim()(TEXTS)
    assert np.array_equal(together, np.concatenate([victim()([text]) for text in TEXTS]))
    assert np.allclose(together, Victim(model, tokenizer, max_length=16, kernel="torch")(TEXTS), atol=1e-6)
    assert products_of(victim()) == {"products": kernel} and products_of(len) == {}


def test_padded_batches_agree_with_unpadded_ones(bert, tokenizer) -> None:
    victim = Victim(bert(), tokenizer, max_length=16)
    unpadded = victim(TEXTS)
    padded = Victim(victim.model, tokenizer, max_length=16)
    padded.device = torch.device("cpu")  # not the string "cpu": padded, as on an accelerator
    assert np.abs(padded(TEXTS) - unpadded).max() < 1e-6  # masked attention rounds apart


def test_queries_count_every_text(bert, tokenizer) -> None:
    victim = Victim(bert(), tokenizer, max_length=16)
    victim(TEXTS)
    victim(TEXTS[:2])
    assert victim.queries == 8


def test_no_texts_no_rows(bert, tokenizer) -> None:
    assert Victim(bert(labels=3), tokenizer, max_length=16)([]).shape == (0, 3)


def test_long_texts_are_cut(bert, tokenizer) -> None:
    victim = Victim(bert(), tokenizer, max_length=5)
    rows = victim([("a b c d e f g",), ("a b c",)])
    assert (rows[0] == rows[1]).all()


def test_pairs_are_read_as_pairs(bert, tokenizer) -> None:
    rows = Victim(bert(), tokenizer, max_length=16)([("a b", "c d"), ("a b c d", "a"), ("c d", "a b")])
    assert len(np.unique(rows[:, 0])) == 3


def test_the_model_is_in_eval_mode(bert, tokenizer) -> None:
    model = bert(dropout=0.5).train()
    victim = Victim(model, tokenizer, max_length=16)
    assert not model.training
    assert (victim(TEXTS) == victim(TEXTS)).all()


def test_a_sound_model_is_asked_as_it_is(bert, tokenizer) -> None:
    victim = Victim(bert(), tokenizer, max_length=16)
    assert victim.check(TEXTS[:3]) == [] and victim.queries == 0


def test_a_model_of_another_kind_than_is_known_goes_its_own_way(bert, tokenizer) -> None:
    model = bert()
    model.bert.encoder.layer[0].register_forward_hook(lambda module, given, output: (output[0] * 0.5, *output[1:]))
    victim = Victim(model, tokenizer, max_length=16)
    (note,) = victim.check(TEXTS)
    assert note.startswith("Inputs of several lengths are not computed together")
    for text, row in zip(TEXTS, victim(TEXTS), strict=True):
        with torch.no_grad():
            expected = model(**tokenizer(text[0], return_tensors="pt")).logits.softmax(dim=-1)[0].numpy()
        assert row == pytest.approx(expected, abs=1e-6)


def _raise(*_: object) -> None:
    raise IndexError("index out of range in self")


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        (_raise, "the model cannot read the texts: IndexError: index out of range in self"),
        (lambda module, given, output: output * float("nan"), "the model's logits must be finite, got .nan."),
        (lambda module, given, output: output[:, :1], r"the model's logits must be of shape \(2, 2\), got \(2, 1\)"),
    ],
)
def test_a_model_that_answers_nothing_is_refused(bert, tokenizer, hook, sentence: str) -> None:
    model = bert()
    model.classifier.register_forward_hook(hook)
    with pytest.raises(ValueError, match=sentence):
        Victim(model, tokenizer, max_length=16).check(TEXTS[:2])


def test_classes_are_answered_in_the_order_asked_for(bert, tokenizer) -> None:
    model = bert(labels=3)
    plain = Victim(model, tokenizer, max_length=16)(TEXTS)
    other = Victim(model, tokenizer, max_length=16, order=(2, 0, 1))(TEXTS)
    assert (other == plain[:, [2, 0, 1]]).all()


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_length_without_room_for_a_word_is_refused(bert, tokenizer, length: int) -> None:
    with pytest.raises(ValueError, match=f"max_length must be 3 or more, got {length}"):
        Victim(bert(), tokenizer, max_length=length)


def test_a_budget_below_one_text_is_refused(bert, tokenizer) -> None:
    with pytest.raises(ValueError, match="batch_tokens must be at least max_length"):
        Victim(bert(), tokenizer, max_length=16, batch_tokens=8)


def test_logits_are_the_models_and_do_not_know_the_temperature(bert, tokenizer) -> None:
    victim = Victim(bert(labels=3), tokenizer, max_length=16, order=(2, 0, 1)).at(5.0)
    texts = [("a b c",), ("d",), ("a b c",)]
    logits = victim.logits(texts)
    assert logits.dtype == np.float64 and logits.shape == (3, 3) and victim.queries == 3
    exp = np.exp(logits / 5.0)
    assert np.allclose(victim(texts), exp / exp.sum(axis=1, keepdims=True), rtol=0, atol=1e-6)  # single precision
    assert victim.logits([]).shape == (0, 3)


def test_a_gradient_is_that_of_the_loss_by_the_word_vectors(bert, tokenizer) -> None:
    """Moving one word vector a little against the gradient changes the loss as the gradient says."""
    model = bert(labels=3).double()
    victim = Victim(model, tokenizer, max_length=16)
    read = int(victim([("a b c",)]).argmax())
    for of_margin in (False, True):
        tokens, gradient = victim.gradient(("a b c",), of_margin)
        assert tokens == ["[CLS]", "a", "b", "c", "[SEP]"] and gradient.shape[0] == 5

        def loss(shift: torch.Tensor | None, of_margin: bool = of_margin) -> float:
            ids = torch.tensor([[2, 4, 5, 6, 3]])
            vectors = model.get_input_embeddings()(ids).detach()
            if shift is not None:
                vectors[0, 2] += shift
            (logits,) = model(inputs_embeds=vectors).logits.detach()
            rest = logits[[place for place in range(3) if place != read]].max()
            return float(rest - logits[read] if of_margin else torch.logsumexp(logits, 0) - logits[read])

        step = 1e-5 * torch.from_numpy(gradient[2]).double()
        rise = (loss(step) - loss(-step)) / 2e-5
        assert victim.queries == 1
        assert rise == pytest.approx(float((gradient[2] ** 2).sum()), rel=1e-3)  # a difference quotient
