"""Guards for tests: one by copies, with a certificate at will, and one that mixes its company."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines.guard import Channel, CopyingGuard, InnerGuard


@dataclass(frozen=True, kw_only=True)
class Dropping(CopyingGuard, key="dropping"):
    """Copies with random words left out; it claims any radius that it is told to."""

    number: int = 5
    share: float = 0.4
    claimed: int | None = None
    decides: Channel = "votes"

    @property
    def channel(self) -> Channel:
        return self.decides

    def passes(self) -> float:
        return float(self.number)

    def without_noise(self) -> Dropping:
        return Dropping(number=1, share=0.0)

    def copies(self, question, count, model, reader):
        words = question.text[-1].split()
        kept = question.draw.random((count or self.number, len(words))) >= self.share
        return reader.rows([(" ".join(w for w, keep in zip(words, row, strict=True) if keep),) for row in kept])

    @property
    def certifying_copies(self) -> int:
        return 0 if self.claimed is None else 200

    def radius(self, right, copies, level, text, model, reader):
        return self.claimed

    def distance(self, original, changed, model, reader):
        before, after = original[-1].split(), changed[-1].split()
        return sum(a != b for a, b in zip(before, after, strict=True)) if len(before) == len(after) else None


@dataclass(frozen=True, kw_only=True)
class Mixing(InnerGuard, key="mixing"):
    """Answers every text with the mean of all logits that are asked for together."""

    channel = "mean"
    depends_on_company = True

    def passes(self) -> float:
        return 1.0

    def without_noise(self) -> Mixing:
        return self

    def logits(self, model, questions, reader):
        rows = reader.rows([question.text for question in questions])
        found = torch.cat([model(input_ids=torch.tensor([row.ids])).logits for row in rows])
        return [found.mean(0, keepdim=True)] * len(rows)


@dataclass(frozen=True, kw_only=True)
class Flipping(InnerGuard, key="flipping"):
    """Gives class 1 by chance, and class 0 otherwise, whatever the text."""

    channel = "mean"
    share: float = 0.3

    def passes(self) -> float:
        return 1.0

    def without_noise(self) -> Flipping:
        return Flipping(share=0.0)

    def logits(self, model, questions, reader):
        signs = [1.0 if question.draw.random() < self.share else -1.0 for question in questions]
        return [torch.tensor([[-sign, sign]]) for sign in signs]
