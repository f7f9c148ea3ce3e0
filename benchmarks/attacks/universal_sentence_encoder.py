"""The Universal Sentence Encoder, loaded by TensorFlow from a folder on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from baselines.validation import MachineError
from benchmarks.attacks.sentence_encoder import REMEMBERED
from benchmarks.data.digests import sha256_of
from benchmarks.victims.cached_answers import CachedAnswers

VERSION = 3
WIDTH = 512


class UniversalSentenceEncoder:
    """Version 3, the one TextAttack's recipes use; vectors are cached by text.

    It computes on the CPU: TensorFlow would reserve all memory of the GPU that the victim needs.

    Args:
        folder: the saved model, with `saved_model.pb`.
    Raises:
        MachineError: if TensorFlow or TensorFlow Hub is not installed.

    Source: Cer et al. 2018; TextAttack 0.3.11, `UniversalSentenceEncoder`.
    """

    def __init__(self, folder: Path) -> None:
        require_tensorflow()
        self._folder = folder
        self._vectors: CachedAnswers[str] = CachedAnswers(REMEMBERED)

    @cached_property
    def model(self) -> Any:
        """The model, loaded at first use."""
        import tensorflow
        import tensorflow_hub

        tensorflow.config.set_visible_devices([], "GPU")
        return tensorflow_hub.load(str(self._folder))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(N, 512) float32 for N texts."""
        return self._vectors.of(texts, self._compute) if texts else np.zeros((0, WIDTH), np.float32)

    def _compute(self, texts: Sequence[str]) -> np.ndarray:
        encoded = self.model(list(texts))
        if isinstance(encoded, dict):
            encoded = encoded["outputs"]
        return np.asarray(encoded.numpy(), np.float32)

    def describe(self) -> str:
        """The encoder, in words for captions."""
        return f"sentence similarity by the Universal Sentence Encoder {VERSION}"

    def identity(self) -> dict[str, Any]:
        """Hash of the model's files."""
        return {"kind": "universal_sentence_encoder", "version": VERSION, "sha256": self._sha256}

    @cached_property
    def _sha256(self) -> str:
        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        lines = (f"{path.relative_to(self._folder).as_posix()} {sha256_of(path)}\n" for path in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def require_tensorflow() -> None:
    """Check that the encoder can run on this machine, without importing anything.

    Raises:
        MachineError: if TensorFlow or TensorFlow Hub is not installed.
    """
    missing = [name for name in ("tensorflow", "tensorflow_hub") if find_spec(name) is None]
    if missing:
        raise MachineError(
            f"the Universal Sentence Encoder needs {' and '.join(missing)}, not installed here; "
            f"pip install 'earlyrobust[use]'"
        )
