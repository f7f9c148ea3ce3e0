"""Check a model before any work: which inputs it can read, and whether it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from baselines.primitives.encoders import architecture_for
from baselines.validation import UserError, require

LONGEST_INPUT = 512
PROBED = 4


def positions_of(config: Any) -> int:
    """The maximum number of tokens of an input; some position numbers start after the padding token's id."""
    count = config.max_position_embeddings
    return count - config.pad_token_id - 1 if architecture_for(config).offset_positions else count


def longest_input(config: Any, tokenizer: PreTrainedTokenizerBase, most: int = LONGEST_INPUT) -> int:
    """The length at which texts are truncated: as tokenizer and positions allow, but at most `most` tokens."""
    return int(min(tokenizer.model_max_length, positions_of(config), most))


def check_inputs(
    name: str, config: Any, tokenizer: PreTrainedTokenizerBase, length: int, columns: int, option: str = "--max-length"
) -> None:
    """Check that a model can read texts with this length and tokenizer.

    Args:
        name: the model's name.
        length: of the longest input, in tokens.
        columns: number of columns of a text.
        option: the option that sets the length, for the message.
    Raises:
        UserError: for a length that leaves no room besides the special tokens or exceeds the model's positions, and
            for a tokenizer with ids that the model has no embedding for.
    """
    least = tokenizer.num_special_tokens_to_add(pair=columns == 2) + columns
    most = positions_of(config)
    between = f"{least} to {most} tokens, which is what the model {name!r} can read"
    require(least <= length <= most, option, between, length)
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= config.vocab_size:
        raise UserError(
            f"the tokenizer of {name!r} has ids up to {highest}, and the model has embeddings for {config.vocab_size}; "
            f"one of the two is of another model"
        )
    if tokenizer.pad_token_id is None:
        raise UserError(f"the tokenizer of {name!r} has no padding token; set pad_token in its tokenizer_config.json")


def probes(texts: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """A few of N texts, including the shortest and the longest."""
    by_length = sorted(dict.fromkeys(texts), key=lambda text: sum(map(len, text)))
    return list(dict.fromkeys([*by_length[:1], *by_length[-1:], *texts[:PROBED]]))[:PROBED]
