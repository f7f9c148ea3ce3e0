"""A training set as seeded epochs of batches with texts of similar length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from baselines.batch import Batch
from baselines.synonym_sets import SynonymSets
from benchmarks.data.encoding import Encoded
from benchmarks.data.substitutes import Substitutes

POOL_BATCHES = 50
CHOOSING, DRAWING = 1, 2  # streams of random numbers beside that of the batches


class BucketedBatches:
    """Batches in an order that only the seed and the epoch's number decide, so that all methods see the same batches.

    A shuffled epoch permutes the texts, sorts them by length inside pools of fifty batches, cuts them into batches and
    shuffles the batches: texts of similar length share a batch, with little padding. The last batch may be smaller.

    Args:
        substitutes: tokens that may replace the batches' tokens, for defenses that need them.
        replaceable: (V,) bool, the tokens that may replace each other, for defenses that need them.
        identified: give every token its place in the training set.
        held_out: share of the texts that is not trained on, chosen by the seed. Each batch carries twice its size of
            them, in an order of their own.
        words: (sum of lengths,) int32, the word of each token, for defenses that need them.
        mask_token: the token that masks a word, for defenses that need it.
        synonym_sets: sets of tokens that stand for each other, for defenses that need them.
        balanced: give every shuffled batch equal shares of the classes, one class after another. An epoch then
            repeats texts of a small class and leaves out texts of a large class; a batch is smaller if its size is not
            a multiple of the number of classes.
        pinned: make tensors in pinned memory, for faster copies to a CUDA device.
    """

    def __init__(
        self,
        encoded: Encoded,
        batch_size: int,
        seed: int,
        *,
        substitutes: Substitutes | None = None,
        replaceable: np.ndarray | None = None,
        identified: bool = False,
        held_out: float | None = None,
        words: np.ndarray | None = None,
        mask_token: int | None = None,
        synonym_sets: SynonymSets | None = None,
        balanced: bool = False,
        pinned: bool = False,
    ):
        assert batch_size >= 1, "a batch has room for a text"
        self.encoded, self.batch_size, self.seed = encoded, batch_size, seed
        self.substitutes, self.identified = substitutes, identified
        self.pinned = pinned
        self.replaceable = None if replaceable is None else self._tensor(replaceable)
        self.members, self.held_out = np.arange(len(encoded)), None
        if held_out is not None:
            order = np.random.default_rng((seed, 0, CHOOSING)).permutation(len(encoded))
            count = min(max(1, round(held_out * len(encoded))), len(encoded) - 1)  # a text is left to train on
            self.held_out, self.members = np.sort(order[:count]), np.sort(order[count:])
        self.words, self.synonym_sets = words, synonym_sets
        self.mask_token = None if mask_token is None else self._tensor(np.array(mask_token))
        self.classes: list[np.ndarray] = []
        if balanced:
            labels = encoded.labels[self.members]
            self.classes = [self.members[labels == label] for label in np.unique(labels)]
            assert batch_size >= len(self.classes), "a batch has room for a text of every class"
            self.batch_size -= batch_size % len(self.classes)
        self.updates_per_epoch = -(-len(self.members) // self.batch_size)

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The batches of epoch `number`; unshuffled, the texts in stored order."""
        order = self.members
        if not shuffle:
            chunks = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        else:
            draw = np.random.default_rng((self.seed, number))
            chunks = self._balanced(draw) if self.classes else self._shuffled(draw)
        others = np.random.default_rng((self.seed, number, DRAWING))
        for chunk in chunks:
            yield self._batch(chunk, self._drawn(others))

    def of_longest(self, size: int) -> LongestBatch:
        """One batch of the `size` longest texts, to measure its memory; balanced like the others."""
        groups = [self._by_length(group) for group in self.classes or [self.members]]
        longest = np.concatenate([group[: size // len(groups)] for group in groups])
        others = None if self.held_out is None else self._by_length(self.held_out)[: 2 * size]
        return LongestBatch(self._batch(longest, others))

    def _by_length(self, members: np.ndarray) -> np.ndarray:
        """The longest first."""
        return members[np.argsort(-self.encoded.lengths[members], kind="stable")]

    def _drawn(self, draw: np.random.Generator) -> np.ndarray | None:
        """The held-out texts of a batch: twice its size, or all if there are fewer."""
        if self.held_out is None:
            return None
        return draw.permutation(self.held_out)[: 2 * self.batch_size]

    def _shuffled(self, draw: np.random.Generator) -> list[np.ndarray]:
        chunks = self._bucketed(draw.permutation(self.members), self.batch_size)
        return [chunks[index] for index in draw.permutation(len(chunks))]

    def _balanced(self, draw: np.random.Generator) -> list[np.ndarray]:
        share = self.batch_size // len(self.classes)
        wanted = share * self.updates_per_epoch
        columns = []
        for members in self.classes:
            rounds = -(-wanted // len(members))
            order = np.concatenate([draw.permutation(members) for _ in range(rounds)])[:wanted]
            columns.append(self._bucketed(order, share))
        return [np.concatenate([column[index] for column in columns]) for index in draw.permutation(len(columns[0]))]

    def _bucketed(self, order: np.ndarray, size: int) -> list[np.ndarray]:
        """Chunks of `size` texts of similar length."""
        pool = size * POOL_BATCHES
        chunks = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            members = members[np.argsort(self.encoded.lengths[members], kind="stable")]
            chunks += [members[first : first + size] for first in range(0, len(members), size)]
        return chunks

    def _batch(self, members: np.ndarray, held_out: np.ndarray | None = None) -> Batch:
        """Texts padded on the right to the longest of them, with held-out texts if there are some."""
        lengths = self.encoded.lengths[members]
        mask = np.arange(lengths.max())[None] < lengths[:, None]
        ids = np.full(mask.shape, self.encoded.pad_id, np.int64)
        spans = [slice(*self.encoded.offsets[member : member + 2]) for member in members]
        ids[mask] = np.concatenate([self.encoded.ids[span] for span in spans])
        types = None
        if len(self.encoded.type_ids):
            types = np.zeros(mask.shape, np.int64)
            types[mask] = np.concatenate([self.encoded.type_ids[span] for span in spans])
        others = None
        if self.substitutes is not None:
            others = np.repeat(ids[..., None], self.substitutes.table.shape[1], axis=-1)
            others[mask] = np.concatenate([self.substitutes.of(span, self.encoded.ids[span]) for span in spans])
        words = None
        if self.words is not None:
            words = np.full(mask.shape, -1, np.int64)
            words[mask] = np.concatenate([self.words[span] for span in spans])
        tensors = [ids, mask.astype(np.int64), self.encoded.labels[members], types, others]
        batch = Batch(
            *(None if tensor is None else self._tensor(tensor) for tensor in tensors),
            replaceable=self.replaceable,
            words=None if words is None else self._tensor(words),
            mask_token=self.mask_token,
            synonym_sets=self.synonym_sets,
        )
        if held_out is not None:
            batch = replace(batch, held_out=self._batch(held_out))
        if not self.identified:
            return batch
        tokens = int(self.encoded.offsets[-1])
        places = np.full(mask.shape, tokens, np.int64)
        places[mask] = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        return replace(batch, places=self._tensor(places), training_tokens=tokens)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory() if self.pinned else tensor


@dataclass(frozen=True)
class LongestBatch:
    """A training set of one batch."""

    batch: Batch
    updates_per_epoch: int = 1

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """That batch."""
        yield self.batch
