"""The interface of a guard: how a defense answers a text by several passes of its trained model.

A guard is a frozen dataclass of its settings. It is written into the model's configuration, so that it is saved, loaded
and attacked with the model. Tensors that it needs at inference lie in the submodule `guard` of the model.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from baselines.validation import UserError, require, unknown

if TYPE_CHECKING:
    from typing_extensions import Self

Channel = Literal["votes", "mean"]

PREFIX = "guard"  # name of the submodule, and of the entry in the model's configuration

MOST_COPIES = 1_000_000  # of a text, in an answer or for a certificate

_KNOWN: dict[str, type[Guard]] = {}


class Row(NamedTuple):
    """One tokenised input.

    Attributes:
        ids: token ids, including special tokens.
        type_ids: the segment of each token, or () if the tokenizer makes none.
    """

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]


def padded(rows: Sequence[Row], device: torch.device | str, *, fill: int = 0) -> dict[str, Tensor]:
    """The inputs of a model, each (B, L) int64, from B rows; segments too if the rows have them.

    Args:
        fill: the token id of padding.
    """
    length = max(len(row.ids) for row in rows)
    short = [length - len(row.ids) for row in rows]
    inputs = {
        "input_ids": [row.ids + (fill,) * more for row, more in zip(rows, short, strict=True)],
        "attention_mask": [(1,) * (length - more) + (0,) * more for more in short],
    }
    if rows[0].type_ids:
        inputs["token_type_ids"] = [row.type_ids + (0,) * more for row, more in zip(rows, short, strict=True)]
    return {name: torch.tensor(values, device=device) for name, values in inputs.items()}


class Reader(Protocol):
    """The tokenizer, as a guard sees it."""

    mask_token: str
    mask_id: int
    special_ids: frozenset[int]

    def rows(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        """The inputs of N texts, each of one or two columns."""


@dataclass(frozen=True)
class Question:
    """A text to answer.

    Attributes:
        text: one or two columns.
        draw: the generator of all random numbers for this answer.
    """

    text: tuple[str, ...]
    draw: np.random.Generator


class Answer(NamedTuple):
    """The answer to one text, from the logits of its n passes.

    Attributes:
        votes: (C,) share of the passes in which each class is the most likely.
        scores: (C,) logits, averaged over the passes.
        decided: the class that the guard gives.
    """

    votes: np.ndarray
    scores: np.ndarray
    decided: int


@dataclass(frozen=True, kw_only=True)
class Guard(ABC):
    """A way to answer a text. A subclass is declared `class Masking(Guard, key="masking")` and is a frozen dataclass.

    A subclass answers by copies of the text (`CopyingGuard`) or inside the network (`InnerGuard`).
    """

    key: ClassVar[str]

    def __init_subclass__(cls, key: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if key is not None:
            cls.key = key
            _KNOWN[key] = cls

    @property
    @abstractmethod
    def channel(self) -> Channel:
        """What decides the class: the votes of the passes, or their mean logits."""

    @abstractmethod
    def passes(self) -> float:
        """The cost of an answer, in forward passes of the model."""

    @abstractmethod
    def without_noise(self) -> Self:
        """The guard with a single pass and no random change, which must answer as the bare model does."""

    @property
    def depends_on_company(self) -> bool:
        """Whether the answer to a text depends on the texts that are asked about beside it."""
        return False

    @property
    def needs_gradient(self) -> bool:
        """Whether an answer needs a gradient, for which the fastest kernels are not made."""
        return False

    def combine(self, logits: np.ndarray) -> Answer:
        """The answer from the logits (n, C) of one text's passes."""
        return combined(logits, logits.mean(0), self.channel)

    def written(self) -> dict[str, Any]:
        """The guard as JSON values, from which `read_guard` makes it again."""
        return {"key": self.key, **dataclasses.asdict(self)}

    def attach(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Put the saved tensors of the guard back into the model's submodule `guard`."""
        module = nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        setattr(model, PREFIX, module)


class CopyingGuard(Guard):
    """A guard that answers by changed copies of the text, each of which the bare model reads."""

    @abstractmethod
    def copies(self, question: Question, count: int | None, model: nn.Module, reader: Reader) -> list[Row]:
        """Inputs of n copies of one text.

        Args:
            count: n; the guard's own number when None.
        """

    @property
    def certifying_copies(self) -> int:
        """Copies from which the votes of a text are estimated for a certificate; 0 if the guard certifies nothing."""
        return 0

    def radius(
        self, right: int, copies: int, level: float, text: tuple[str, ...], model: nn.Module, reader: Reader
    ) -> int | None:
        """The number of changed words up to which the class of a text is proven to stay; None if not even it is sure.

        Args:
            right: how many of the `copies` estimation copies vote for the class that other copies chose.
            level: the chance with which the proof may fail, over the draws of the copies.
        """
        raise NotImplementedError(f"{type(self).__name__} certifies nothing")

    def distance(
        self, original: tuple[str, ...], changed: tuple[str, ...], model: nn.Module, reader: Reader
    ) -> int | None:
        """Words in which two texts differ, as the certificate counts them; None if it does not cover the change."""
        raise NotImplementedError(f"{type(self).__name__} certifies nothing")


class InnerGuard(Guard):
    """A guard that acts inside the network."""

    @abstractmethod
    def logits(self, model: nn.Module, questions: Sequence[Question], reader: Reader) -> list[Tensor]:
        """For each text the logits (n, C) of its passes. The model is in eval mode and without gradients."""


def combined(logits: np.ndarray, scores: np.ndarray, channel: Channel) -> Answer:
    """The answer from logits (n, C), given the scores (C,) they amount to."""
    votes = np.bincount(logits.argmax(1), minlength=logits.shape[1]) / len(logits)
    return Answer(votes, scores, int((votes if channel == "votes" else scores).argmax()))


def put_guard(model: nn.Module, guard: Guard | None) -> None:
    """Write a trained model's guard into its configuration."""
    if guard is not None:
        setattr(model.config, PREFIX, guard.written())  # type: ignore[union-attr]


def guard_of(model: nn.Module) -> Guard | None:
    """The guard in a model's configuration, or None."""
    written = getattr(getattr(model, "config", None), PREFIX, None)
    return None if written is None else read_guard(written)


def read_guard(written: Any) -> Guard:
    """The guard that `written` made.

    Raises:
        UserError: for an unknown guard, or settings that it refuses.
    """
    require(isinstance(written, Mapping) and "key" in written, "the guard of a model", "settings with a key", written)
    settings = dict(written)
    key = str(settings.pop("key"))
    if not is_known(key):
        raise unknown("guard of a model", key, _KNOWN)
    kind = _KNOWN[key]
    usual = {each.name: type(each.default) for each in dataclasses.fields(kind)}
    if settings.keys() != usual.keys() or any(not _is_like(settings[name], like) for name, like in usual.items()):
        raise UserError(f"the settings of the guard {key!r} in a model's configuration are damaged: {settings}")
    return kind(**settings)


def _is_like(value: Any, like: type) -> bool:
    """Whether a JSON value may be a setting of this type; a setting without a value by default takes any."""
    return like is type(None) or type(value) is like or (like is float and type(value) is int)


def is_known(key: str) -> bool:
    """Whether a guard can be made in this process; the modules of this package are imported to find out."""
    if key not in _KNOWN:
        for each in pkgutil.iter_modules([str(Path(__file__).parent)]):
            if not each.ispkg:
                importlib.import_module(f"{__package__}.{each.name}")
    return key in _KNOWN


def guard_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The tensors in the model's submodule `guard`, by name; empty without one."""
    module = getattr(model, PREFIX, None)
    return dict(module.state_dict()) if isinstance(module, nn.Module) else {}


def fresh_noise(draw: np.random.Generator, shape: Sequence[int], device: torch.device) -> Tensor:
    """Standard normal numbers, drawn on the CPU, so that they are the same on every device."""
    return torch.from_numpy(draw.standard_normal(tuple(shape), dtype=np.float32)).to(device)
