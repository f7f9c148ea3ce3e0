"""A tiny victim, tiny backbone and small resources, made in a second and without a download."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertTokenizerFast, PreTrainedModel

from benchmarks.attacks.masked_model import MaskedModel
from benchmarks.attacks.part_of_speech import DictionaryTagger
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.stop_words import StopWords
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.data.examples import Example
from benchmarks.victims.backbones import Backbone, find_backbone
from benchmarks.victims.victim import Victim

GROUPS = (("good", "great", "fine"), ("bad", "awful", "poor"), ("film", "movie"), ("food", "meal"))
WORDS = [word for group in GROUPS for word in group] + ["the", "was", "and", "a", "plot"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_tiny(folder: Path, kind: type[PreTrainedModel], **settings: Any) -> Backbone:
    """A random two-layer BERT saved with its tokenizer; letters and their continuations are in its vocabulary."""
    letters = [mark + letter for mark in ("", "##") for letter in string.ascii_lowercase]
    (folder / "vocab.txt").write_text("\n".join(SPECIAL + WORDS + [x for x in letters if x not in WORDS]))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
    }
    torch.manual_seed(0)
    kind(BertConfig(vocab_size=len(tokenizer), **(sizes | settings))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return find_backbone(str(folder))


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A tiny classifier's encoder."""
    return save_tiny(tmp_path_factory.mktemp("backbone"), BertForSequenceClassification)


@pytest.fixture(scope="session")
def tiny_masked_model(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    """A tiny masked language model that reads 512 tokens, as TextAttack pads to."""
    folder = tmp_path_factory.mktemp("masked")
    return MaskedModel(save_tiny(folder, BertForMaskedLM, max_position_embeddings=512))


@pytest.fixture
def victim(tiny_backbone: Backbone) -> Victim:
    """A random classifier of two classes."""
    return Victim(tiny_backbone.new_classifier(2, 0), tiny_backbone.load_tokenizer(), max_length=32)


class WordCounts:
    """An encoder of bags of words: (N, 64) float32, a word's place by its hash value's letters."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Counts of words, plus a constant so that no vector is zero."""
        rows = np.full((len(texts), 64), 0.1, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[sum(map(ord, word)) % 64] += 1
        return rows

    def describe(self) -> str:
        """For captions."""
        return "word counts"

    def identity(self) -> dict[str, Any]:
        """For hashes."""
        return {"kind": "word_counts"}


@pytest.fixture
def resources() -> Resources:
    """Small resources without a model."""
    return Resources(
        profile="offline",
        synonyms=NeighbourList.from_groups(GROUPS),
        encoder=WordCounts(),
        part_of_speech=DictionaryTagger(),
        textfooler_stop_words=StopWords(frozenset({"the", "was", "and", "a"}), "a test"),
        nltk_stop_words=StopWords(frozenset({"the", "was", "and", "a"}), "a test"),
    )


@pytest.fixture
def examples() -> list[Example]:
    """Eight texts; the random victim reads some of them wrongly."""
    texts = (
        "The film was good and the food was bad.",
        "A great movie, a poor meal.",
        "the plot was awful",
        "The plot was fine and the movie was great!",
        "Bad film.",
        "the meal was poor and the movie was bad and the plot was awful",
        "good good good",
        "A fine plot and a fine meal.",
    )
    return [Example(f"test-{row}", (text,), row % 2) for row, text in enumerate(texts)]
