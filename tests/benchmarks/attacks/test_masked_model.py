"""The masked language model as BERT-Attack asks it."""

from __future__ import annotations

import pytest
import torch

from benchmarks.attacks.masked_model import Masked, MaskedModel
from benchmarks.victims.backbones import find_backbone


def test_proposals_are_the_models_best_tokens(tiny_masked_model) -> None:
    texts = ["the film was good", "a bad plot"]
    inputs = [Masked(tiny_masked_model.ids(text), 0) for text in texts]
    for text, found in zip(texts, tiny_masked_model.top(inputs, 5), strict=True):
        encoded = tiny_masked_model.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected = tiny_masked_model.model(**encoded).logits[0].topk(5).indices.numpy()
        assert (found == expected).all()


def test_places_behind_the_text_are_padding(tiny_masked_model) -> None:
    ids = tiny_masked_model.ids("the film was good")
    (found,) = tiny_masked_model.top([Masked(ids, 9)], 4)
    encoded = tiny_masked_model.tokenizer("the film was good", padding="max_length", max_length=9, return_tensors="pt")
    with torch.no_grad():
        expected = tiny_masked_model.model(**encoded).logits[0].topk(4).indices.numpy()
    assert found.shape == (9, 4) and (found == expected).all()


def test_words_are_counted_in_pieces_and_tokens_named(tiny_masked_model) -> None:
    assert tiny_masked_model.piece_count("good") == 1
    assert tiny_masked_model.piece_count("goods") == 2
    assert tiny_masked_model.token(tiny_masked_model.ids("good")[1]) == "good"
    assert tiny_masked_model.continues_word("##s", False) and not tiny_masked_model.continues_word("s", False)


def test_a_model_that_textattack_cannot_read_is_refused(tmp_path) -> None:
    from transformers import DistilBertConfig, DistilBertForMaskedLM

    DistilBertForMaskedLM(DistilBertConfig(dim=8, hidden_dim=8, n_heads=2, n_layers=1, vocab_size=9)).save_pretrained(
        tmp_path
    )
    with pytest.raises(ValueError, match="architecture of a masked language model 'distilbert'"):
        MaskedModel(find_backbone(str(tmp_path)))
