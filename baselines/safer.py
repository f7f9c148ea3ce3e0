"""SAFER: train on texts with words replaced by synonyms, and answer by the votes of such copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.guard import MOST_COPIES, Channel, CopyingGuard, Guard, Question, Reader, Row, guard_tensors
from baselines.needs import Need
from baselines.needs import SynonymSets as NeedsSynonymSets
from baselines.primitives.bounds import lower_bound
from baselines.settings import inlined
from baselines.synonym_sets import SynonymSets
from baselines.validation import UserError, require

MARGIN = 0.01  # what the release leaves for the error of its draws


@dataclass(frozen=True, kw_only=True)
class SynonymCopies(CopyingGuard, key="safer"):
    """Answer a text by n copies in which each word is drawn from its set of synonyms.

    Attributes:
        rate: the share of words that are drawn, in [0, 1]; the certificate is about 1.
        ensemble: n, the number of copies of a text in an answer.
        decides: the "votes" of the copies, or the "mean" of their logits.
        certifying: copies that estimate the votes of a text for its certificate; 0 makes no certificates.
        bound: "exact" bounds the votes of the class at the certificate's level; "released" takes the share that is
            observed and leaves a margin of 0.01, as in the release.
    """

    rate: float = 1.0
    ensemble: int = 100
    decides: Channel = "votes"
    certifying: int = 5000
    bound: Literal["exact", "released"] = "exact"

    def __post_init__(self) -> None:
        require(0 <= self.rate <= 1, "SAFER.rate", "in [0, 1]", self.rate)
        require(1 <= self.ensemble <= MOST_COPIES, "SAFER.ensemble", f"1 to {MOST_COPIES}", self.ensemble)
        require(0 <= self.certifying <= MOST_COPIES, "SAFER.certifying", f"0 to {MOST_COPIES}", self.certifying)

    @property
    def channel(self) -> Channel:
        """As set."""
        return self.decides

    def passes(self) -> float:
        """One forward pass per copy."""
        return float(self.ensemble)

    def without_noise(self) -> SynonymCopies:
        """A single copy with the text's own words."""
        return SynonymCopies(rate=0.0, ensemble=1, decides=self.decides, certifying=0)

    def copies(self, question: Question, count: int | None, model: nn.Module, reader: Reader) -> list[Row]:
        """Copies of the text's tokens, each drawn from its set."""
        (row,) = reader.rows([question.text])
        shape = (count or self.ensemble, len(row.ids))
        which, uniform = (torch.from_numpy(question.draw.random(shape)) for _ in range(2))
        ids = sets_of(model).drawn(torch.tensor(row.ids).expand(shape), which < self.rate, uniform)
        return [Row(tuple(each), row.type_ids) for each in ids.tolist()]

    @property
    def certifying_copies(self) -> int:
        """As set; nothing is certified if only some words are drawn."""
        return self.certifying if self.rate == 1 else 0

    def radius(
        self, right: int, copies: int, level: float, text: tuple[str, ...], model: nn.Module, reader: Reader
    ) -> int | None:
        """The certificate against the replacement of words by their synonyms.

        With p the vote for the class, it stays under any replacement of the words j if p - 1 + prod q_j > 1/2, where
        q_j is the overlap of a word's set with those of its synonyms. The words with the smallest q count.
        """
        share, least = (lower_bound(right, copies, level), 0.5)
        if self.bound == "released":
            share, least = right / copies, 0.5 + MARGIN
        if not share > least:
            return None
        (row,) = reader.rows([text])
        sets = sets_of(model)
        rows = sets.rows[list(row.ids)]
        overlaps = sorted(sets.overlaps[rows[rows >= 0]].tolist())
        products = np.cumprod(overlaps)
        held = int((share - 1 + products > least).sum())  # the products fall, and so those that hold come first
        return held if held < len(overlaps) else sum(len(column.split()) for column in text)

    def distance(
        self, original: tuple[str, ...], changed: tuple[str, ...], model: nn.Module, reader: Reader
    ) -> int | None:
        """Words replaced; None if a word was replaced by another than its synonyms, or consists of several pieces."""
        before, after = (torch.tensor(row.ids) for row in reader.rows([original, changed]))
        if len(before) != len(after):
            return None
        places = (before != after).nonzero().flatten()
        sets = sets_of(model)
        rows = sets.rows[before[places]]
        if bool((rows < 0).any()) or not bool((sets.covered[rows] == after[places, None]).any(1).all()):
            return None
        return len(places)


def sets_of(model: nn.Module) -> SynonymSets:
    """The sets of synonyms that were saved with a model, on the CPU.

    Raises:
        UserError: for a model without them.
    """
    tensors = guard_tensors(model)
    if not tensors:
        raise UserError("the model has no sets of synonyms; it lacks its file guard.safetensors")
    return SynonymSets(**{name: tensor.cpu() for name, tensor in tensors.items()})


class _Kept:
    """The sets of synonyms that came with the first batch."""

    def __init__(self) -> None:
        self.sets: SynonymSets | None = None

    def of(self, batch: Batch) -> SynonymSets:
        if self.sets is None:
            if batch.synonym_sets is None:
                raise UserError(
                    "this defense needs batches with sets of synonyms, got one without; put SynonymSets() in its needs"
                )
            self.sets = batch.synonym_sets.to(batch.input_ids.device)
        return self.sets

    def state(self) -> dict[str, Any]:
        return {} if self.sets is None else dict(vars(self.sets))

    def restore(self, state: dict[str, Any]) -> None:
        self.sets = SynonymSets(**state) if state else None


@dataclass(frozen=True, kw_only=True)
class SAFER(Defense, key="safer"):
    """Train on texts with each word drawn from its set of synonyms; the model answers by the votes of such copies.

    Attributes:
        synonyms: the guard.
        least_cosine: words are synonyms above this cosine, in [0, 1).
        largest: K, the most words of a set, 1 or more.
        drawn_training: whether words are drawn in training, too; a first release trained without it.

    Source: Ye et al., ACL 2020, arXiv:2005.14424; lushleaf/Structure-free-certified-NLP: cosine 0.8, K = 100, one draw
    an epoch.
    Departures: synonyms are those of the suite's list, in which words farther away count by steps from word to word;
    words of one piece are replaced; the tokens of both texts of a pair are drawn.
    """

    title = "SAFER"
    paper = "Ye et al., ACL 2020, arXiv:2005.14424"
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-5, "weight_decay": 0.0, "warmup_ratio": 0.0}
    one_stage = False  # its sets of synonyms are put into the model after training

    synonyms: SynonymCopies = inlined(SynonymCopies())
    least_cosine: float = 0.8
    largest: int = 100
    drawn_training: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.least_cosine < 1, "SAFER.least_cosine", "in [0, 1)", self.least_cosine)
        require(self.largest >= 1, "SAFER.largest", "1 or more", self.largest)

    @property
    def needs(self) -> frozenset[Need]:  # type: ignore[override]
        """The sets of synonyms."""
        return frozenset({NeedsSynonymSets(self.least_cosine, self.largest)})

    def guard(self, model: nn.Module) -> Guard:
        """Votes of copies with other synonyms."""
        return self.synonyms

    def answer_passes(self) -> float:
        """One forward pass per copy."""
        return self.synonyms.passes()

    def certificate_passes(self) -> float:
        """The estimating copies."""
        return float(self.synonyms.certifying_copies)

    def update_passes(self) -> Passes:
        """One forward and one full backward pass."""
        return Passes(1, 1, 0)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """Fine-tuning on drawn texts: 3 cost units."""
        kept = _Kept()

        def step(batch: Batch) -> Tensor:
            sets, ids = kept.of(batch), batch.input_ids
            if self.drawn_training:
                which = torch.rand(ids.shape, device=ids.device) < self.synonyms.rate
                ids = sets.drawn(ids, which, torch.rand(ids.shape, device=ids.device))
            loss = cross_entropy(model(input_ids=ids, **batch.context()).logits, batch.labels)
            loss.backward()
            return loss.detach()

        reason = "its sets of synonyms come with the first batch"
        yield self.stage("train", step, list(model.parameters()), state=(kept,), not_capturable_reason=reason)
        if kept.sets is not None:
            self.synonyms.attach(model, vars(kept.sets))
