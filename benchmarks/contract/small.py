"""A random two-layer BERT and eight easy batches: enough to check a defense in seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Set

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch.nn.functional import pad
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from baselines.batch import Batch
from baselines.defense import Defense
from baselines.needs import Need
from benchmarks.data.generated_needs import MASK, with_needs
from benchmarks.experiments.settings import with_settings

VOCABULARY, FIRST_WORD, SUBSTITUTES = 100, 20, 4
LENGTHS = (8, 6, 8, 5, 7, 4)
NOISE = ("init_magnitude", "rate", "noise_std")  # settings that are the size of what a defense draws
LEARNING_RATE = 2e-3  # large enough to change random weights
MOST = {"steps": 2, "attack_steps": 2, "rounds": 2, "step_size": 0.03}  # of an ascent


def small_bert(seed: int = 0, layers: int = 2, dropout: float = 0.1, labels: int = 2) -> BertForSequenceClassification:
    """A random BERT: 4 heads of width 8, 64 neurons per layer, 100 words."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.1,
        num_labels=labels,
    )
    return BertForSequenceClassification(config)


class SmallSet:
    """Eight batches of six texts with a simple rule: the first word decides the label.

    Args:
        needs: what the batches carry besides tokens.
        pad_to: L, if it is more than the longest text.
    """

    updates_per_epoch = 8

    def __init__(self, needs: Set[Need] = frozenset(), pad_to: int | None = None):
        draw = torch.Generator().manual_seed(3)
        self.batches = [
            with_needs(
                _batch(draw, pad_to or max(LENGTHS)),
                needs,
                vocabulary=VOCABULARY,
                first_word=FIRST_WORD,
                substitutes=SUBSTITUTES,
                number=number,
                batches=self.updates_per_epoch,
            )
            for number in range(self.updates_per_epoch)
        ]

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The same batches in every epoch."""
        return iter(self.batches)


def _batch(draw: torch.Generator, padded: int) -> Batch:
    width = max(LENGTHS)
    ids = torch.randint(FIRST_WORD, VOCABULARY, (len(LENGTHS), width), generator=draw)
    labels = torch.arange(len(LENGTHS)) % 2
    ids[:, 0], ids[:, 1] = 2, torch.where(labels == 1, 10, 11)
    mask = (torch.arange(width)[None] < torch.tensor(LENGTHS)[:, None]).long()
    ids, mask = (pad(each, (0, padded - width)) for each in (ids * mask, mask))
    return Batch(ids, mask, labels, torch.zeros_like(ids))


def short(kind: type[Defense], epochs: float = 8) -> Defense:
    """The defense with few epochs in every stage, and a rate that changes a random model.

    An ascent has two steps at most, and they are short: so are the model's word vectors.
    """
    usual = kind()
    settings = usual.settings()
    changes: dict[str, object] = {"epochs": epochs, "learning_rate": LEARNING_RATE}
    changes |= {name: min(most, settings[name]) for name, most in MOST.items() if name in settings}
    for field in dataclasses.fields(kind):
        if field.name.endswith("_epochs") and not field.name.startswith("max_"):
            changes[field.name] = 2
        has_epochs = field.name != "fine_tuning"  # it uses the schedule of the defense around it
        if has_epochs and isinstance(getattr(usual, field.name), Defense):
            changes[f"{field.name}.epochs"] = 2
        if isinstance(nested := getattr(usual, field.name), Defense) and "steps" in nested.settings():
            changes[f"{field.name}.steps"] = 2
    return with_settings(usual, changes)


def without_noise(defense: Defense) -> Defense:
    """The defense with perturbations that start at zero, and no word masked: draws depend on the padded width."""
    changes = {}
    for name, value in defense.settings().items():
        if name in NOISE:
            changes[name] = 0.0
        if isinstance(value, dict):
            changes |= {f"{name}.{inner}": 0.0 for inner in NOISE if inner in value}
    return with_settings(defense, changes)


def small_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of the small model's words: "w20" is token 20."""
    special = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[MASK]": MASK, "[SEP]": 4}
    words = special | {f"w{number}": number for number in range(len(special), VOCABULARY)}
    plain = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = Whitespace()
    plain.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 4)]
    )
    names = {f"{token[1:-1].lower()}_token": token for token in special}
    return PreTrainedTokenizerFast(tokenizer_object=plain, **names)


def small_texts() -> list[tuple[str, ...]]:
    """Texts for that tokenizer, of different lengths, the first of them short."""
    draw = torch.Generator().manual_seed(5)
    lengths = (3, 9, 14, 9, 5)
    drawn = (torch.randint(FIRST_WORD, VOCABULARY, (length,), generator=draw) for length in lengths)
    return [(" ".join(f"w{number}" for number in each.tolist()),) for each in drawn]
