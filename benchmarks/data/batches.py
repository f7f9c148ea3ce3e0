"""A training set as seeded epochs of length-bucketed batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from baselines.batch import Batch
from baselines.refusal import require
from benchmarks.data.encoding import Encoded

POOL_BATCHES = 50


class BucketedBatches:
    """Batches whose order depends on the seed and the epoch's number alone, so that every method sees the same.

    A shuffled epoch permutes the texts, sorts them by length inside pools of fifty batches, cuts them into batches and
    shuffles those: a batch holds texts of like length, and little padding. The last batch may be smaller.
    """

    def __init__(self, encoded: Encoded, batch_size: int, seed: int):
        require(batch_size >= 1, "batch_size", "1 or more", batch_size)
        self.encoded, self.batch_size, self.seed = encoded, batch_size, seed
        self.updates_per_epoch = -(-len(encoded) // batch_size)

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The batches of epoch `number`; unshuffled, the texts in stored order."""
        order = np.arange(len(self.encoded))
        if not shuffle:
            chunks = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        else:
            chunks = self._shuffled(np.random.default_rng((self.seed, number)))
        for chunk in chunks:
            yield self._batch(chunk)

    def _shuffled(self, draw: np.random.Generator) -> list[np.ndarray]:
        order = draw.permutation(len(self.encoded))
        size, pool = self.batch_size, self.batch_size * POOL_BATCHES
        chunks = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            members = members[np.argsort(self.encoded.lengths[members], kind="stable")]
            chunks += [members[first : first + size] for first in range(0, len(members), size)]
        return [chunks[index] for index in draw.permutation(len(chunks))]

    def _batch(self, members: np.ndarray) -> Batch:
        """Texts padded on the right to the longest of them."""
        lengths = self.encoded.lengths[members]
        mask = np.arange(lengths.max())[None] < lengths[:, None]
        ids = np.full(mask.shape, self.encoded.pad_id, np.int64)
        spans = [slice(*self.encoded.offsets[member : member + 2]) for member in members]
        ids[mask] = np.concatenate([self.encoded.ids[span] for span in spans])
        types = None
        if len(self.encoded.type_ids):
            types = np.zeros(mask.shape, np.int64)
            types[mask] = np.concatenate([self.encoded.type_ids[span] for span in spans])
        tensors = [ids, mask.astype(np.int64), self.encoded.labels[members], types]
        return Batch(*(None if tensor is None else _tensor(tensor) for tensor in tensors))


def _tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor, in pinned memory where a CUDA device will copy it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if torch.cuda.is_available() else tensor
