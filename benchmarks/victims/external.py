"""Victims from outside: a function of the user's from texts to probabilities, seen as an attack sees any victim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.validation import UserError, require, unknown
from benchmarks.data.code_files import run_code
from benchmarks.data.digests import sha256_of
from benchmarks.victims.victim import REMEMBERED

TEXTS_AT_ONCE = 256
SUM_TOLERANCE = 1e-3  # what single or half precision leaves of a softmax's sum
REPEAT_TOLERANCE = 1e-4

Texts = Sequence[tuple[str, ...]]


class CallableVictim:
    """A function as a victim: its answers are checked, remembered and counted.

    Args:
        function: takes a list of texts, or of pairs of them, and returns probabilities (N, C), rows in the texts' order
            and columns in the labels'.
        name: what refusals call it.
        classes: C.
        temperature: what the logarithms of the probabilities are divided by; 1 leaves them as they are.
    Attributes:
        queries: texts answered so far, repeats included.
    """

    def __init__(self, function: Callable[[list[Any]], Any], name: str, classes: int, temperature: float = 1.0):
        require(temperature > 0, "CallableVictim.temperature", "positive", temperature)
        self.function, self.name, self.classes, self.temperature = function, name, classes, temperature
        self.queries = 0
        self._answers: dict[tuple[str, ...], np.ndarray] = {}

    def __call__(self, texts: Texts) -> np.ndarray:
        """Class probabilities (N, C) float32 of N texts, each of one or two columns.

        Raises:
            ValueError: if the function raises, or what it returns are no probabilities.
        """
        self.queries += len(texts)
        answers = {text: self._answers[text] for text in texts if text in self._answers}
        new = [text for text in dict.fromkeys(texts) if text not in answers]
        for start in range(0, len(new), TEXTS_AT_ONCE):
            asked = new[start : start + TEXTS_AT_ONCE]
            answers.update(zip(asked, self._tempered(self.ask(asked)), strict=True))
        self._answers.update(answers)
        while len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]
        return np.array([answers[text] for text in texts], dtype=np.float32).reshape(-1, self.classes)

    def ask(self, texts: Texts) -> np.ndarray:
        """The function's own answer (N, C), checked; nothing is remembered.

        Raises:
            ValueError: as for a call.
        """
        plain = [text[0] if len(text) == 1 else text for text in texts]
        try:
            found = np.asarray(self.function(plain), dtype=float)
        except Exception as error:
            raise UserError(
                f"the callable {self.name} fails on a list of {len(plain)} texts: {type(error).__name__}: {error}"
            ) from error
        about, allowed = f"what the callable {self.name} returns", (len(plain), self.classes)
        require(found.shape == allowed, about, f"probabilities of shape {allowed}, a row per text", found.shape)
        require(bool(np.isfinite(found).all()), about, "finite", found[~np.isfinite(found)][:1].tolist())
        require(bool((found >= 0).all()), about, "probabilities of 0 or more, not logits", found.min())
        sums = found.sum(axis=1)
        furthest = float(sums[np.abs(sums - 1).argmax()])
        require(abs(furthest - 1) <= SUM_TOLERANCE, about, "rows that sum to 1", furthest)
        return found / sums[:, None]

    def require_repeatable(self, texts: Texts) -> None:
        """Refuse a function that answers the same texts otherwise the second time.

        Raises:
            ValueError: naming the largest difference.
        """
        apart = float(np.abs(self.ask(texts) - self.ask(texts)).max())
        what = f"what the callable {self.name} returns for the same texts"
        require(apart <= REPEAT_TOLERANCE, what, "the same, to 1e-4", f"answers {apart:.4f} apart")

    def _tempered(self, probabilities: np.ndarray) -> np.ndarray:
        if self.temperature == 1:
            return probabilities
        powers = np.maximum(probabilities, np.finfo(np.float32).tiny) ** (1 / self.temperature)
        return powers / powers.sum(axis=1, keepdims=True)


def load_callable(place: str) -> tuple[Callable[[list[Any]], Any], dict[str, str]]:
    """The function that FILE.py:FUNCTION names, and what is recorded of it: path, SHA-256 and name.

    The file is code and is run; its hash does not cover what it loads itself.

    Raises:
        ValueError: for a place written otherwise, a file that fails, or a function that is not in it.
    """
    file, colon, name = place.rpartition(":")
    require(bool(colon) and file.endswith(".py") and name != "", "--callable", "written FILE.py:FUNCTION", place)
    path = Path(file)
    module = run_code(path, "callable's file", "victim")
    known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
    if name not in known:
        raise unknown(f"function of {file}", name, known)
    return getattr(module, name), {"path": str(path.resolve()), "sha256": sha256_of(path), "function": name}
