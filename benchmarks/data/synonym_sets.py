"""Find the sets of tokens that stand for each other, from a list of neighbours."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from transformers import PreTrainedTokenizerBase

from baselines.needs import SynonymSets as Need
from baselines.synonym_sets import SynonymSets, overlap
from benchmarks.data.substitutes import token_of_word, word_of_token

NEIGHBOURS = 50


class Source(Protocol):
    """A source of neighbours of lower-cased words, with their cosines."""

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` neighbours of `word`, nearest first."""
        ...

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """Cosine of a word with each of others, None if it is not known."""
        ...


def identity(synonyms: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the sets besides tokenizer and settings: the source of neighbours, and their number."""
    return {"synonyms": dict(synonyms), "neighbours": NEIGHBOURS}


def find_synonym_sets(tokenizer: PreTrainedTokenizerBase, source: Source, need: Need) -> SynonymSets:
    """The sets of all tokens of a vocabulary that are whole words.

    Two words are synonyms if one is a neighbour of the other with a cosine above the need's `least_cosine`, or without
    a known cosine. The set of a word is its connected component of synonyms; of a component of more than `largest`
    words, that many nearest ones, by steps from word to word.
    """
    near = _graph(tokenizer, source, need.least_cosine)
    components = _components(near)
    sets = {
        token: sorted(component) if len(component) <= need.largest else _nearest(near, token, need.largest)
        for component in components
        for token in component
    }
    undivided = {token for component in components if len(component) <= need.largest for token in component}
    tokens = sorted(sets)
    covered = [sets[token] if token in undivided else [token, *near[token]] for token in tokens]
    members = {token: set(found) for token, found in sets.items()}
    overlaps = [
        1.0 if token in undivided else overlap(members[token], [members[other] for other in near[token]])
        for token in tokens
    ]
    rows = torch.full((len(tokenizer),), -1)
    rows[torch.tensor(tokens, dtype=torch.int64)] = torch.arange(len(tokens))
    return SynonymSets(
        rows=rows,
        sets=_table([sets[token] for token in tokens]),
        sizes=torch.tensor([len(sets[token]) for token in tokens], dtype=torch.int64),
        covered=_table(covered),
        overlaps=torch.tensor(overlaps),
    )


def _table(lists: Sequence[Sequence[int]]) -> torch.Tensor:
    """(R, K) int64; each row is filled up with its first value."""
    most = max(map(len, lists), default=1)
    filled = [[*row, *[row[0]] * (most - len(row))] for row in lists]
    return torch.tensor(filled, dtype=torch.int64).reshape(-1, most)


def _graph(tokenizer: PreTrainedTokenizerBase, source: Source, least_cosine: float) -> dict[int, list[int]]:
    """For each token that is a word with synonyms these, the nearest first."""
    vocabulary, pieces = tokenizer.get_vocab(), tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = set(tokenizer.all_special_ids)
    near: dict[int, dict[int, None]] = {}
    for token, piece in enumerate(pieces):
        word = word_of_token(piece)
        if token in special or piece.startswith("##") or not word.isalpha():
            continue
        others = source.neighbours(word.lower(), NEIGHBOURS)
        for other, cosine in zip(others, source.similarities(word.lower(), others), strict=True):
            found = vocabulary.get(token_of_word(piece, other))
            if found is not None and found != token and (cosine is None or cosine > least_cosine):
                near.setdefault(token, {})[found] = None
                near.setdefault(found, {})[token] = None
    return {token: list(found) for token, found in near.items()}


def _components(near: Mapping[int, Sequence[int]]) -> list[list[int]]:
    left, found = set(near), []
    for token in sorted(near):
        if token in left:
            found.append(_nearest(near, token, len(near)))
            left -= set(found[-1])
    return found


def _nearest(near: Mapping[int, Sequence[int]], token: int, most: int) -> list[int]:
    """At most so many tokens that are reached from this one, itself first, by number of steps."""
    reached, waiting = {token: None}, deque([token])
    while waiting and len(reached) < most:
        for other in near[waiting.popleft()]:
            if other not in reached and len(reached) < most:
                reached[other] = None
                waiting.append(other)
    return list(reached)
