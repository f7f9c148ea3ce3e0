"""Folders of tiny random classifiers of every architecture, with tokenizers of their kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from encoders import make
from small_tokenizers import tokenizer_for

from baselines.primitives.pruning import Pruning, prune_, random_coefficients
from benchmarks.victims.saved import save_classifier


def saved(kind: str, folder: Path, texts: Sequence[str], *, pruned: bool = False, **settings: Any) -> str:
    """The folder of a random classifier of this architecture, and of a tokenizer that these texts trained."""
    tokenizer = tokenizer_for(kind, texts)
    own = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.5}
    model = make(kind, **(own | settings))
    if pruned:
        prune_(model, Pruning(0.25, 0.4).draw(*random_coefficients(model, 0)))
    save_classifier(model, folder, tokenizer)
    return str(folder)
