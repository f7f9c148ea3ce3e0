"""RanMASK: train on texts with random words masked, and answer by the votes of masked copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.guard import MOST_COPIES, Answer, Channel, CopyingGuard, Guard, Question, Reader, Row, combined
from baselines.needs import Words
from baselines.primitives.bounds import lower_bound
from baselines.primitives.masking import masked_batch, words_to_mask
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class Masking(CopyingGuard, key="ran_mask"):
    """Answer a text by n copies with random words masked.

    Attributes:
        rate: rho, the share of words that is masked, in [0, 1); at least two words are kept.
        ensemble: n, the number of masked copies of a text in an answer.
        decides: the "votes" of the copies, or the "mean" of their logits, each scaled to length 1.
        certifying: copies that estimate the votes of a text for its certificate; 0 makes no certificates.
        beta: the bound on the share of copies with a changed word that still vote for the class: "one", which always
            holds, or the share that is "observed" over all copies, as the release sets it, which proves nothing.
        reported: the "largest" number of words that is proven, or the "first_failing" one, as in the release.
    """

    rate: float = 0.3
    ensemble: int = 100
    decides: Channel = "votes"
    certifying: int = 5000
    beta: Literal["one", "observed"] = "one"
    reported: Literal["largest", "first_failing"] = "largest"

    def __post_init__(self) -> None:
        require(0 <= self.rate < 1, "RanMASK.rate", "in [0, 1)", self.rate)
        require(1 <= self.ensemble <= MOST_COPIES, "RanMASK.ensemble", f"1 to {MOST_COPIES}", self.ensemble)
        require(0 <= self.certifying <= MOST_COPIES, "RanMASK.certifying", f"0 to {MOST_COPIES}", self.certifying)

    @property
    def channel(self) -> Channel:
        """As set."""
        return self.decides

    def passes(self) -> float:
        """One forward pass per copy."""
        return float(self.ensemble)

    def without_noise(self) -> Masking:
        """A single copy without a mask."""
        return Masking(rate=0.0, ensemble=1, decides=self.decides, certifying=0)

    def combine(self, logits: np.ndarray) -> Answer:
        """Votes, and the mean of logits that are scaled to length 1. Source: the release's two ensembles."""
        lengths = np.linalg.norm(logits, axis=1, keepdims=True)
        return combined(logits, (logits / np.maximum(lengths, 1e-12)).mean(0), self.decides)

    def copies(self, question: Question, count: int | None, model: nn.Module, reader: Reader) -> list[Row]:
        """Masked copies; of a pair, the second text is masked."""
        *before, last = question.text
        words = last.split()
        masked, number = self.masked(len(words)), count or self.ensemble
        if masked == 0:
            return reader.rows([question.text]) * number
        order = question.draw.random((number, len(words))).argpartition(masked - 1, axis=1)[:, :masked]
        texts = []
        for places in order.tolist():
            copy = words.copy()
            for place in places:
                copy[place] = reader.mask_token
            texts.append((*before, " ".join(copy)))
        return reader.rows(texts)

    def masked(self, words: int) -> int:
        """How many of so many words are masked."""
        return int(words_to_mask(torch.tensor(words), self.rate))

    @property
    def certifying_copies(self) -> int:
        """As set."""
        return self.certifying

    def radius(
        self, right: int, copies: int, level: float, text: tuple[str, ...], model: nn.Module, reader: Reader
    ) -> int | None:
        """The certificate against the replacement of words by any others.

        Of the copies of a text of h words with k kept, the share D(r) = 1 - C(h - r, k) / C(h, k) keeps one of r
        changed words. The other copies vote as before. With p the vote, the class stays if p - beta D(r) > 1/2.
        """
        share = lower_bound(right, copies, level)
        if not share > 0.5:
            return None
        beta = 1.0 if self.beta == "one" else right / copies
        words = len(text[-1].split())
        found = most_words(share, beta, words, words - self.masked(words))
        return found if self.reported == "largest" else found + 1

    def distance(
        self, original: tuple[str, ...], changed: tuple[str, ...], model: nn.Module, reader: Reader
    ) -> int | None:
        """Words replaced; None if words were inserted, deleted or split, or the other text of a pair changed."""
        before, after = original[-1].split(), changed[-1].split()
        if original[:-1] != changed[:-1] or len(before) != len(after):
            return None
        return sum(one != other for one, other in zip(before, after, strict=True))


def most_words(share: float, beta: float, words: int, kept: int) -> int:
    """The largest r from 0 to `words` with share - beta (1 - C(h - r, k) / C(h, k)) > 1/2; `share` is above 1/2."""
    untouched = 1.0  # C(h - r, k) / C(h, k) as a product of r factors
    for changed in range(words):
        untouched *= max(0, words - kept - changed) / (words - changed)
        if not share - beta * (1 - untouched) > 0.5:
            return changed
    return words


@dataclass(frozen=True, kw_only=True)
class RanMASK(Defense, key="ran_mask"):
    """Train on texts with random words masked; the trained model answers by the votes of masked copies.

    Attributes:
        masking: the guard, and the share of words that is masked in training.

    Source: Zeng et al., Computational Linguistics 2023, arXiv:2105.03743; zjiehang/RanMASK: copies, votes, level
    0.05. Its `rate` is 0.3 for SST-2 in the README, and 0.7 by default.
    Departures: words of a truncated text are masked, not those of the whole text. The release's option of a rate that
    rises in training is left out. The two faults of its certificate are the settings `beta` and `reported`.
    """

    title = "RanMASK"
    paper = "Zeng et al., Computational Linguistics 2023, arXiv:2105.03743"
    needs = frozenset({Words()})
    one_stage = False  # its model answers rightly behind its guard alone
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-5, "weight_decay": 1e-6}

    masking: Masking = inlined(Masking())

    def guard(self, model: nn.Module) -> Guard:
        """Votes of masked copies."""
        return self.masking

    def answer_passes(self) -> float:
        """One forward pass per copy."""
        return self.masking.passes()

    def certificate_passes(self) -> float:
        """The estimating copies."""
        return float(self.masking.certifying)

    def update_passes(self) -> Passes:
        """One forward and one full backward pass."""
        return Passes(1, 1, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """Fine-tuning on masked texts: 3 cost units."""
        masked = masked_batch(batch, self.masking.rate)
        loss = cross_entropy(model(**masked.inputs()).logits, batch.labels)
        loss.backward()
        return loss.detach()
