"""External victims: a user's function from texts to probabilities as a victim of attacks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.validation import UserCodeError, UserError, require, unknown
from benchmarks.data.code_files import error_of_user_code, run_code
from benchmarks.data.digests import sha256_of
from benchmarks.victims.cached_answers import CachedAnswers
from benchmarks.victims.victim import REMEMBERED

TEXTS_AT_ONCE = 256
SUM_TOLERANCE = 1e-3  # rounding error of a softmax's sum in single or half precision
REPEAT_TOLERANCE = 1e-4
BATCH_TOLERANCE = 1e-2  # effect of padding to a longer text in half precision
LONGEST_PAUSE = 60.0
RETRIES, MOST_RETRIES = 3, 20
PATIENCE = 8
FLOOR = float(np.finfo(np.float32).tiny)
PROBED = 8  # texts that a function is asked for again, in other orders and by themselves

log = logging.getLogger(__name__)

Texts = Sequence[tuple[str, ...]]


class CallableVictim:
    """A function as a victim: its answers are checked, cached and counted.

    Args:
        function: takes a list of texts, or of pairs of texts, and returns probabilities (N, C), with rows in the order
            of the texts and columns in the order of the labels.
        name: its name in error messages.
        classes: C.
        temperature: divisor of the logarithms of the probabilities; 1 leaves them unchanged.
        retries: how often it is called again after an exception, after a pause of 1, 2, 4, ... seconds. After all
            retries failed `PATIENCE` times in a row, it is called only once each time, until it answers.
    Attributes:
        queries: texts answered so far, repeats included.
    """

    def __init__(
        self,
        function: Callable[[list[Any]], Any],
        name: str,
        classes: int,
        temperature: float = 1.0,
        retries: int = 0,
    ) -> None:
        require(temperature > 0, "CallableVictim.temperature", "positive", temperature)
        self.function, self.name, self.classes, self.temperature = function, name, classes, temperature
        self.retries = retries
        self._given_up = 0
        self.queries = 0
        self._answers: CachedAnswers[tuple[str, ...]] = CachedAnswers(REMEMBERED)

    def __call__(self, texts: Texts) -> np.ndarray:
        """Class probabilities (N, C) float32 of N texts, each of one or two columns.

        Raises:
            UserCodeError: if the function raises.
            UserError: if its result is not a table of probabilities.
        """
        self.queries += len(texts)
        if not texts:
            return np.zeros((0, self.classes), dtype=np.float32)
        return self._answers.of(texts, self._computed).astype(np.float32)

    def logits(self, texts: Texts) -> np.ndarray:
        """Logarithms of the probabilities (N, C) float64 of N texts: a function does not give logits.

        A probability below `FLOOR` counts as `FLOOR`: single precision has no smaller normal number.
        """
        self.queries += len(texts)
        if not texts:
            return np.zeros((0, self.classes))
        return np.log(np.maximum(self._answers.of(texts, self._computed), FLOOR))

    def _computed(self, texts: Texts) -> np.ndarray:
        """Probabilities (N, C) of N different texts, asked for some at a time."""
        parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([self._tempered(self.ask(part)) for part in parts])

    def ask(self, texts: Texts) -> np.ndarray:
        """The function's own answer (N, C), checked and not cached.

        Raises:
            UserCodeError, UserError: as for a call.
        """
        about, allowed = f"what the callable {self.name} returns", (len(texts), self.classes)
        found = numbers_in(self._returned(texts), about)
        require(found.shape == allowed, about, f"probabilities of shape {allowed}, a row per text", found.shape)
        require(bool(np.isfinite(found).all()), about, "finite", found[~np.isfinite(found)][:1].tolist())
        require(bool((found >= 0).all()), about, "probabilities of 0 or more, not logits", float(found.min()))
        sums = found.sum(axis=1)
        furthest = float(sums[np.abs(sums - 1).argmax()])
        require(abs(furthest - 1) <= SUM_TOLERANCE, about, "rows that sum to 1", furthest)
        return found / sums[:, None]

    def _returned(self, texts: Texts) -> Any:
        """Call the function; after an exception call it again, as often as `retries` allows."""
        plain = [text[0] if len(text) == 1 else text for text in texts]
        for attempt in range(1 if self._given_up >= PATIENCE else 1 + self.retries):
            if attempt:
                time.sleep(min(2.0 ** (attempt - 1), LONGEST_PAUSE))
            try:
                found = self.function(list(plain))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failure = error
                log.info("the callable %s fails: %r", self.name, error)
            else:
                self._given_up = 0
                return found
        self._given_up += 1
        of_user = error_of_user_code(failure)
        reason = f"{type(failure).__name__}: {failure}" if of_user is None else of_user
        asked = f"a list of {len(plain)} text{'' if len(plain) == 1 else 's'}"
        raise UserCodeError(f"the callable {self.name} fails on {asked}: {reason}") from failure

    def at(self, temperature: float) -> CallableVictim:
        """The same victim with another temperature, a count of 0 and no remembered answers."""
        return CallableVictim(self.function, self.name, self.classes, temperature, self.retries)

    def require_repeatable(self, texts: Texts) -> None:
        """Raise an error if the answer to a text depends on chance, or on the order and number of texts.

        Raises:
            UserError: naming the largest difference.
        """
        first = self.ask(texts)
        others = {
            "for the same texts": (self.ask(texts), REPEAT_TOLERANCE),
            "for the same texts in reverse order": (self.ask(texts[::-1])[::-1], BATCH_TOLERANCE),
            "for a text by itself": (np.concatenate([self.ask(texts[:1]), first[1:]]), BATCH_TOLERANCE),
            "for another text by itself": (np.concatenate([first[:-1], self.ask(texts[-1:])]), BATCH_TOLERANCE),
        }
        for what, (found, tolerance) in others.items():
            apart = float(np.abs(first - found).max())
            about = f"what the callable {self.name} returns {what}"
            require(apart <= tolerance, about, f"the same, to {tolerance:g}", f"answers {apart:.4f} apart")

    def _tempered(self, probabilities: np.ndarray) -> np.ndarray:
        if self.temperature == 1:
            return probabilities
        powers = np.maximum(probabilities, np.finfo(np.float32).tiny) ** (1 / self.temperature)
        return powers / powers.sum(axis=1, keepdims=True)


def count_classes(function: Callable[[list[Any]], Any], name: str, texts: Texts, retries: int = 0) -> int:
    """C, from a function's answer to some texts.

    Raises:
        UserCodeError: if the function raises.
        UserError: if its result is not a table of N rows and two columns or more.
    """
    about, allowed = f"what the callable {name} returns", "probabilities of shape (texts, classes), two classes or more"
    shape = numbers_in(CallableVictim(function, name, 0, retries=retries)._returned(texts), about).shape
    require(len(shape) == 2 and shape[0] == len(texts) and shape[1] >= 2, about, allowed, shape)
    return int(shape[1])


def chosen_retries(asked: int | None) -> int:
    """How often a function is called again after an exception: `RETRIES` times when None.

    Raises:
        UserError: for fewer than 0, or more than `MOST_RETRIES`.
    """
    found = RETRIES if asked is None else asked
    require(0 <= found <= MOST_RETRIES, "--retries", f"0 to {MOST_RETRIES}", found)
    return found


def numbers_in(found: Any, about: str) -> np.ndarray:
    """The result of a function as an array of numbers.

    Raises:
        UserError: naming the layout that was received instead.
    """
    layout = _other_layout(found)
    if layout is None:
        try:
            rows = [_plain(row) for row in found] if isinstance(found, (list, tuple)) else _plain(found)
            if not np.iscomplexobj(rows):
                return np.asarray(rows, dtype=float)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            pass
        layout = " ".join(f"{type(found).__name__} {found!r}".split())[:120]
    raise UserError(f"{about} must be a list, array or tensor of probabilities, a row per text, got {layout}")


def _plain(found: Any) -> Any:
    """A tensor of any device and precision as an array; other objects unchanged."""
    return found.detach().cpu().double().numpy() if isinstance(found, torch.Tensor) else found


def _other_layout(found: Any) -> str | None:
    """A common wrong result in words, with what to return instead."""
    if hasattr(found, "logits"):
        return f"a {type(found).__name__} with logits; return torch.softmax(output.logits, dim=-1)"
    if isinstance(found, Mapping):
        return f"a dictionary of {', '.join(map(repr, list(found)[:5]))}; return its rows of probabilities alone"
    if hasattr(found, "columns"):
        return f"a {type(found).__name__}; return its values, the columns in the order of the classes"
    first = found[0] if isinstance(found, (list, tuple)) and found else None
    inner = first[0] if isinstance(first, (list, tuple)) and first else first
    if isinstance(inner, Mapping) and {"label", "score"} <= set(inner):
        return (
            "the labels and scores of a pipeline; ask it with top_k=None and return for each text the scores alone, in "
            "the order of the classes"
        )
    if isinstance(inner, Mapping):
        return "dictionaries; return for each text the probabilities alone, in the order of the classes"
    if isinstance(inner, str):
        return "names of classes; return for each text the probability of every class"
    if found is None:
        return "nothing; the function has to return them"
    return None


def load_callable(place: str) -> tuple[Callable[[list[Any]], Any], dict[str, str]]:
    """Load the function FILE.py:FUNCTION; return it and what is recorded: path, SHA-256 and name.

    The file is code and is run; its hash does not cover what it loads itself.

    Raises:
        UserError: for a wrong form, a file that fails, or a function that is not in it.
    """
    file, colon, name = place.rpartition(":")
    require(bool(colon) and file.endswith(".py") and name != "", "--callable", "written FILE.py:FUNCTION", place)
    path = Path(file)
    module = run_code(path, "callable's file", "victim")
    known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
    if name not in known:
        raise unknown(f"function of {file}", name, known)
    return getattr(module, name), {"path": str(path.resolve()), "sha256": sha256_of(path), "function": name}
