"""A classifier behind its guard, as an attack sees it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from baselines.guard import Channel, CopyingGuard, Guard, InnerGuard, Question, guard_of
from baselines.validation import require
from benchmarks.victims.answers import Answers
from benchmarks.victims.batch_invariant import batch_invariant
from benchmarks.victims.cached_answers import CachedAnswers
from benchmarks.victims.pieces import Pieces, Row
from benchmarks.victims.victim import REMEMBERED, Victim

Randomness = Literal["pinned", "fresh"]

GUARD_SEED = 42
COPIES_AT_ONCE = 1 << 13
CONFIRMATIONS = 20  # answers of a fresh guard, the majority of which must be wrong for a success

Text = tuple[str, ...]
Asker = tuple[str, int]


@dataclass(frozen=True)
class VictimReader:
    """A victim's tokenizer, as a guard sees it.

    Attributes:
        pieces: what tokenises.
        mask_token, mask_id: the token that hides a word.
        special_ids: the ids of all special tokens.
    """

    pieces: Pieces
    mask_token: str
    mask_id: int
    special_ids: frozenset[int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, pieces: Pieces) -> VictimReader:
        """The reader of a tokenizer.

        Raises:
            UserError: for a tokenizer without a mask token.
        """
        mask = tokenizer.mask_token
        require(mask is not None, "the tokenizer of a guarded model", "one with a mask token", "none")
        return cls(pieces, str(mask), int(tokenizer.mask_token_id), frozenset(tokenizer.all_special_ids))

    def rows(self, texts: Sequence[Text]) -> list[Row]:
        """The inputs of N texts."""
        return self.pieces.rows(texts)


class GuardedVictim(Victim):
    """Answer texts through the guard of the model. A text counts as one query, whatever number of passes it costs.

    Args:
        guard: the model's guard.
        randomness: "pinned": the draws of an answer come from the text, so that a text is always answered alike.
            "fresh": they come from who asks and from the number of the question, and nothing is remembered.
        read: what an attack reads: the mean logits of the passes, as probabilities, or the share of their votes.
        how: as for `Victim`.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        guard: Guard,
        randomness: Randomness = "pinned",
        read: Channel = "mean",
        **how: Any,
    ) -> None:
        super().__init__(model, tokenizer, **how)
        if guard.needs_gradient:
            self.kernel = "torch"
        self.guard = guard
        self.randomness = randomness
        self.read = read
        self.reader = VictimReader.of(tokenizer, self._pieces)
        self._guarded: CachedAnswers[Text] = CachedAnswers(REMEMBERED)

    @property
    def confirmations(self) -> int:
        """Further answers that must confirm a success; 0 where a text is always answered alike."""
        if self.randomness == "fresh":
            return CONFIRMATIONS
        return 1 if self.guard.depends_on_company else 0

    def at(self, temperature: float) -> GuardedVictim:
        """The same victim with another temperature and a count of 0."""
        other = super().at(temperature)
        assert isinstance(other, GuardedVictim)
        other._guarded = CachedAnswers(REMEMBERED)
        return other

    def behind(self, guard: Guard) -> GuardedVictim:
        """The same model behind another guard."""
        other = copy.copy(self)
        other.guard, other.queries, other._guarded = guard, 0, CachedAnswers(REMEMBERED)
        return other

    def __call__(self, texts: Sequence[Text]) -> np.ndarray:
        """What an attack reads of N texts, (N, C) float32, with pinned draws."""
        return self.judged(texts).shown

    def logits(self, texts: Sequence[Text]) -> np.ndarray:
        """What an attack by margin reads of N texts, (N, C) float64: the mean logits of the passes, or their votes."""
        return self.judged(texts, as_logits=True).shown

    def judged(
        self, texts: Sequence[Text], askers: Sequence[Asker] | None = None, *, as_logits: bool = False
    ) -> Answers:
        """The answers to N texts.

        Args:
            askers: who asks about each text, and the number of the question; draws are pinned when None.
            as_logits: show mean logits as they are, not as probabilities.
        """
        self.queries += len(texts)
        if not texts:
            return Answers.of(np.zeros((0, self.classes), np.float32))
        if self.guard.depends_on_company or (self.randomness == "fresh" and askers is not None):
            found = self._asked(texts, askers or [(f"text {number}", 0) for number in range(len(texts))])
        else:
            found = self._guarded.of(texts, lambda new: self._packed_answers(new, [_seed(*text) for text in new]))
        return self._unpacked(found, as_logits)

    def _asked(self, texts: Sequence[Text], askers: Sequence[Asker]) -> np.ndarray:
        """Answers that are not remembered; the texts of one asker are answered together."""
        fresh = self.randomness == "fresh"
        draws = [_seed(*asker) if fresh else _seed(*text) for text, asker in zip(texts, askers, strict=True)]
        parts = []
        for _, group in groupby(range(len(texts)), key=lambda place: askers[place][0]):
            places = list(group)
            parts.append(self._packed_answers([texts[n] for n in places], [draws[n] for n in places]))
        return np.concatenate(parts)

    def _packed_answers(self, texts: Sequence[Text], seeds: Sequence[int]) -> np.ndarray:
        """(N, 1 + 2 C): class, votes and scores of each text."""
        questions = [Question(text, np.random.default_rng(seed)) for text, seed in zip(texts, seeds, strict=True)]
        answers = [self.guard.combine(each) for each in self.pass_logits(questions)]
        return np.stack([np.concatenate([[each.decided], each.votes, each.scores]) for each in answers])

    def _unpacked(self, found: np.ndarray, as_logits: bool) -> Answers:
        votes, scores = found[:, 1 : 1 + self.classes], found[:, 1 + self.classes :]
        shown = votes if self.read == "votes" else scores
        if self.read == "mean" and not as_logits:
            shown = torch.from_numpy(scores / self.temperature).softmax(-1).numpy()
        return Answers(shown if as_logits else shown.astype(np.float32), found[:, 0].astype(np.int64))

    def pass_logits(self, questions: Sequence[Question]) -> Iterator[np.ndarray]:
        """For each question the logits (n, C) of its passes, in double precision and the order of the classes."""
        if isinstance(self.guard, InnerGuard):
            with torch.no_grad(), batch_invariant(self.model, self.kernel):
                found = self.guard.logits(self.model, questions, self.reader)
            order = slice(None) if self.order is None else self.order
            yield from (each.double().cpu().numpy()[:, order] for each in found)
            return
        guard = self.guard
        assert isinstance(guard, CopyingGuard)
        yield from self._of_copies(guard.copies(question, None, self.model, self.reader) for question in questions)

    def _of_copies(self, copied: Iterable[list[Row]]) -> Iterator[np.ndarray]:
        """Logits (n, C) of the copies of each text, some texts at a time; equal copies are computed once."""
        waiting: list[list[Row]] = []
        for rows in copied:
            waiting.append(rows)
            if sum(map(len, waiting)) >= COPIES_AT_ONCE:
                yield from self._logits_of(waiting)
                waiting = []
        if waiting:
            yield from self._logits_of(waiting)

    def _logits_of(self, copied: Sequence[Sequence[Row]]) -> Iterator[np.ndarray]:
        different = list(dict.fromkeys(row for rows in copied for row in rows))
        place = {row: number for number, row in enumerate(different)}
        logits = self._answered(self._batch_logits, different).astype(np.float64)
        yield from (logits[[place[row] for row in rows]] for rows in copied)

    def votes(self, text: Text, count: int, purpose: str) -> np.ndarray:
        """How many of `count` copies of a text vote for each class, (C,).

        Args:
            purpose: copies for different purposes are drawn apart.
        """
        guard = self.guard
        assert isinstance(guard, CopyingGuard)
        question = Question(text, np.random.default_rng(_seed(purpose, *text)))
        found = np.zeros(self.classes, np.int64)
        for start in range(0, count, COPIES_AT_ONCE):
            rows = guard.copies(question, min(COPIES_AT_ONCE, count - start), self.model, self.reader)
            (logits,) = self._logits_of([rows])
            found += np.bincount(logits.argmax(1), minlength=self.classes)
        return found


def _seed(*parts: str | int) -> int:
    """The seed of the draws that some values decide."""
    written = json.dumps([GUARD_SEED, *parts]).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(written).digest()[:8], "big")


def victim_of(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    *,
    randomness: Randomness = "pinned",
    read: Channel = "mean",
    **how: Any,
) -> Victim:
    """The victim of a model: behind the guard in its configuration, if it has one.

    Args:
        randomness, read: of a guarded victim. how: as for `Victim`.
    """
    guard = guard_of(model)
    if guard is None:
        return Victim(model, tokenizer, **how)
    return GuardedVictim(model, tokenizer, guard=guard, randomness=randomness, read=read, **how)


def judge(
    victim: Any, texts: Sequence[Text], askers: Sequence[Asker] | None = None, *, as_logits: bool = False
) -> Answers:
    """The answers of any victim to N texts.

    Args:
        askers, as_logits: as for `GuardedVictim.judged`.
    """
    if isinstance(victim, GuardedVictim):
        return victim.judged(texts, askers, as_logits=as_logits)
    return Answers.of(victim.logits(texts) if as_logits else victim(texts))
