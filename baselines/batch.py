"""The only thing a defense learns about data: one batch of token ids."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B texts of L tokens, padded on the right to the longest of them.

    Attributes:
        input_ids: (B, L) int64.
        attention_mask: (B, L) int64; 1 on tokens, 0 on padding.
        labels: (B,) int64 in [0, C).
        token_type_ids: (B, L) int64 segment ids, or None where the backbone has none.
        substitutes: (B, L, S) int64, for defenses that need "substitutes": slot 0 holds the token itself, the others
            tokens that may stand in its place; an empty slot repeats the token.
        replaceable: (V,) bool, for defenses that need "replaceable": the tokens made of letters alone, which may take
            each other's place.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    token_type_ids: Tensor | None = None
    substitutes: Tensor | None = None
    replaceable: Tensor | None = None

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def context(self) -> dict[str, Tensor]:
        """What a forward pass takes beside the tokens themselves: the mask, and segment ids where there are any."""
        context = {"attention_mask": self.attention_mask}
        if self.token_type_ids is not None:
            context["token_type_ids"] = self.token_type_ids
        return context

    def inputs(self) -> dict[str, Tensor]:
        """Keyword arguments of the clean forward pass."""
        return {"input_ids": self.input_ids, **self.context()}

    def parts(self, count: int) -> list[Batch]:
        """The batch in `count` parts, fewer where it has fewer texts: every count-th text, to keep classes mixed.

        Their texts keep the whole batch's padding.
        """
        of_texts = {name: value for name, value in vars(self).items() if value is not None and name != "replaceable"}
        return [
            replace(self, **{name: value[first::count] for name, value in of_texts.items()})
            for first in range(min(count, len(self)))
        ]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        moved = {
            name: None if value is None else value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
        }
        return Batch(**moved)
