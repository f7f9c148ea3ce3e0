"""A batch of token ids: all that a defense sees of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from baselines.known_mask import known_mask
from baselines.synonym_sets import SynonymSets

OF_ALL_TEXTS = ("replaceable", "mask_token")


@dataclass(frozen=True)
class Batch:
    """B texts of L tokens, padded on the right to the longest text.

    Attributes:
        input_ids: (B, L) int64.
        attention_mask: (B, L) int64; 1 on tokens, 0 on padding.
        labels: (B,) int64 in [0, C).
        token_type_ids: (B, L) int64 segment ids, or None where the backbone has none.
        substitutes: (B, L, S) int64, for defenses that need `Substitutes`: slot 0 holds the token itself, the other
            slots hold tokens that may replace it; an empty slot repeats the token.
        replaceable: (V,) bool, for defenses that need `ReplaceableTokens`: the tokens made of letters only, which may
            replace each other.
        words: (B, L) int64, for defenses that need `Words`: the number of the word of each token, words being separated
            by blanks; -1 for special tokens, padding, and the first text of a pair.
        mask_token: () int64, for defenses that need `Words`: the token that masks a word.
        synonym_sets: for defenses that need `SynonymSets`; on the CPU, also for a batch on a GPU.
        is_full: whether no text is padded. Determined on the CPU when the batch is made; None means unknown, since
            reading it from a GPU's memory would wait for the GPU.
        places: (B, L) int64, for defenses that need `Identity`: the place of each token among all tokens of the
            training set, whatever the order of the texts; `training_tokens` on padding.
        training_tokens: number of tokens of the training set, if there are `places`.
        held_out: texts that are never trained on, for defenses that need `HeldOut`.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    token_type_ids: Tensor | None = None
    substitutes: Tensor | None = None
    replaceable: Tensor | None = None
    words: Tensor | None = None
    mask_token: Tensor | None = None
    synonym_sets: SynonymSets | None = None
    is_full: bool | None = None
    places: Tensor | None = None
    training_tokens: int | None = None
    held_out: Batch | None = None

    def __post_init__(self) -> None:
        if self.is_full is None and self.attention_mask.device.type == "cpu":
            object.__setattr__(self, "is_full", bool(self.attention_mask.all()))

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def context(self) -> dict[str, Tensor]:
        """The other inputs of a forward pass: the mask, and segment ids if the model has them."""
        mask = self.attention_mask
        context = {"attention_mask": mask if self.is_full is None else known_mask(mask, self.is_full)}
        if self.token_type_ids is not None:
            context["token_type_ids"] = self.token_type_ids
        return context

    def inputs(self) -> dict[str, Tensor]:
        """Keyword arguments of the clean forward pass."""
        return {"input_ids": self.input_ids, **self.context()}

    def parts(self, count: int) -> list[Batch]:
        """Split the batch into `count` parts, or fewer if it has fewer texts: each takes every count-th text.

        This keeps classes mixed. The texts keep the padding of the whole batch.
        """
        of_texts = {
            name: value for name, value in vars(self).items() if isinstance(value, Tensor) and name not in OF_ALL_TEXTS
        }
        full = self.is_full or None  # a part of a padded batch may be full
        held_out = [None] if self.held_out is None else self.held_out.parts(count)
        return [
            replace(
                self,
                is_full=full,
                held_out=held_out[first % len(held_out)],
                **{name: value[first::count] for name, value in of_texts.items()},
            )
            for first in range(min(count, len(self)))
        ]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def clone(self) -> Batch:
        """A copy of the batch in memory of its own."""
        return self._each(Tensor.clone)

    def copy_(self, other: Batch) -> None:
        """Copy the values of another batch of the same shape into this one."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                value.copy_(getattr(other, name), non_blocking=True)
            elif isinstance(value, Batch):
                value.copy_(getattr(other, name))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        def changed(value: Any) -> Any:
            if isinstance(value, Batch):
                return value._each(change)
            return change(value) if isinstance(value, Tensor) else value

        return Batch(**{name: changed(value) for name, value in vars(self).items()})
