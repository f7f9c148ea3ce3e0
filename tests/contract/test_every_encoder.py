"""The contract of every defense on tiny models of the other encoders: all defenses on ModernBERT, some on the rest.

The whole product takes minutes: `-m slow`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from encoders import NEW_KINDS, make

from baselines.primitives.encoders import ARCHITECTURES
from benchmarks.contract import checks, small
from benchmarks.experiments.defenses import known_defenses
from benchmarks.experiments.settings import with_settings

DEFENSES = known_defenses()
CHECKS = [
    each for each in checks.CHECKS if each.__name__ not in ("names_itself_and_its_source", "settings_survive_json")
]

# On ModernBERT all defenses; on the rest those that reach into an encoder: embeddings, first layer, features, heads.
QUICKLY = [
    *(("modernbert", key) for key in DEFENSES),
    *(("xlm-roberta", key) for key in ("rift", "early_bert")),
    *(("albert", key) for key in ("freelb", "yopo", "lora_freelb", "early_bert")),
    *(("deberta-v2", key) for key in ("info_bert", "yopo", "rift", "early_bert")),
]
QUICK = (
    "steps_leave_gradients_and_nothing_else",
    "makes_the_passes_it_declares",
    "padding_changes_nothing",
    "leaves_a_plain_model",
    "is_saved_and_loaded",
)


@pytest.fixture
def on_encoder(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the checks train an encoder in place of BERT, without segments where it has none."""

    def use(encoder: str) -> None:
        def model(dropout: float = 0.1) -> torch.nn.Module:
            return make(encoder, dropout=dropout, initializer_range=0.1).train()

        monkeypatch.setattr(checks, "small_bert", model)
        monkeypatch.setattr(checks, "trained", cache(checks.trained.__wrapped__))
        if not ARCHITECTURES[encoder].segments:
            with_segments = small._batch
            monkeypatch.setattr(
                small, "_batch", lambda *arguments: replace(with_segments(*arguments), token_type_ids=None)
            )

    return use


@pytest.mark.parametrize(("encoder", "key"), QUICKLY)
def test_defenses_keep_the_contract(on_encoder, monkeypatch: pytest.MonkeyPatch, encoder: str, key: str) -> None:
    """With two batches in an epoch, and as short a search as there is."""
    on_encoder(encoder)
    monkeypatch.setattr(small.SmallSet, "updates_per_epoch", 2)
    if key == "early_robust":
        searched = {"mini_epoch": 5, "max_search_epochs": 5, "search.steps": 2}
        monkeypatch.setattr(checks, "short", lambda *arguments: with_settings(small.short(*arguments), searched))
    for check in CHECKS:
        if check.__name__ in QUICK:
            check(DEFENSES[key])


@pytest.mark.slow
@pytest.mark.parametrize("encoder", NEW_KINDS)
@pytest.mark.parametrize("key", DEFENSES)
def test_every_defense_keeps_all_of_it_on_every_encoder(on_encoder, encoder: str, key: str) -> None:
    on_encoder(encoder)
    for check in CHECKS:
        check(DEFENSES[key])
