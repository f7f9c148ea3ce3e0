"""Small tokenizers of the kinds that encoders come with, made from a few texts; none has a `model_max_length`."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SIZE = 400


def sentence_piece(texts: Sequence[str], *, lower: bool = False, roberta: bool = False) -> PreTrainedTokenizerFast:
    """SentencePiece's unigrams, which mark the start of a word, with XLM-R's frame, or that of ALBERT and DeBERTa-v3.

    Args:
        lower: lower-case texts and drop accents, as ALBERT does.
        roberta: without segments, framed by <s> and </s>.
    """
    pad, unknown, begin, end, mask = (
        ("<pad>", "<unk>", "<s>", "</s>", "<mask>") if roberta else ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    )
    special = [begin, pad, end, unknown, mask] if roberta else [pad, unknown, begin, end, mask]
    clean = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()] if lower else []
    normalizer = normalizers.Sequence([*clean, normalizers.Replace("  ", " ")])
    counts = Counter(word for text in texts for word in re.findall(r"\w+", normalizer.normalize_str(text)))
    words = ["\u2581" + word for word, _ in counts.most_common(SIZE)]
    letters = sorted({*"".join(words), *string.punctuation, *string.ascii_letters}.difference(words))
    scores = {**dict.fromkeys(special, 0.0), **dict.fromkeys(words, -1.0), **dict.fromkeys(letters, -9.0)}
    plain = Tokenizer(models.Unigram(list(scores.items()), unk_id=special.index(unknown)))
    plain.normalizer = normalizer
    plain.pre_tokenizer = pre_tokenizers.Metaspace()
    plain.decoder = decoders.Metaspace()
    return _framed(plain, begin, end, pad, unknown, mask, segments=not roberta)


def byte_level(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """ModernBERT's kind: byte-level BPE with composed characters and tokens of its own, a space part of a token."""
    plain = Tokenizer(models.BPE())
    plain.normalizer = normalizers.NFC()
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plain.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    plain.add_tokens(["|||EMAIL_ADDRESS|||", "   ", "  "])
    return _framed(plain, "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", segments=False)


def tokenizer_for(kind: str, texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind that models of an architecture come with."""
    if kind == "modernbert":
        return byte_level(texts)
    return sentence_piece(texts, lower=kind == "albert", roberta=kind == "xlm-roberta")


def _framed(
    plain: Tokenizer, begin: str, end: str, pad: str, unknown: str, mask: str, *, segments: bool
) -> PreTrainedTokenizerFast:
    second = int(segments)
    plain.post_processor = processors.TemplateProcessing(
        single=f"{begin}:0 $A:0 {end}:0",
        pair=f"{begin}:0 $A:0 {end}:0 $B:{second} {end}:{second}",
        special_tokens=[(token, plain.token_to_id(token)) for token in (begin, end)],
    )
    names = ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=plain,
        cls_token=begin,
        sep_token=end,
        pad_token=pad,
        unk_token=unknown,
        mask_token=mask,
        model_input_names=names,
    )
