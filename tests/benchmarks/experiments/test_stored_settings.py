"""Settings of every defense, as they are written into the keys of stored trainings, stay what they were.

Where a correction changes what a method trains, the entries of that method, and no others, change in
`tests/data/stored_settings.json`; `--renew-tables` writes it again, to be read before it is committed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.experiments.defenses import tree_defenses
from benchmarks.experiments.experiment import Variant
from benchmarks.experiments.presets import PRESETS
from benchmarks.results.store import content_key
from method.early_robust import RELEASED

PINNED = Path(__file__).resolve().parents[2] / "data" / "stored_settings.json"

# Settings beside the presets' own: one of each kind that is written into a key in its own way.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "early_bert": {"random": {"ticket": "random"}, "trainable": {"keep_coefficients_trainable": True}},
    "robust_ticket": {
        "released": {"released_ramp": True, "legacy_clip": True, "pass_token_types": False},
        "steps": {"search.steps": 1},
    },
    "early_robust": {
        "released": dict(RELEASED),
        "random": {"ticket": "random"},
        "search by smart": {"search": "smart", "search.radius": 0.01},
        "fine-tuned by pgd": {"fine_tuning": "pgd", "fine_tuning.steps": 2},
        "without initialisation": {"without": "initialisation"},
        "without structure": {"without": "structure"},
        "without structure as released": {"without": "structure_as_released"},
    },
    "pgd": {"full": {"ascent_backward": "full", "dropout": "fresh", "max_norm": 0.1}},
    "smart": {"no average": {"proximal": 0.0, "dropout": "fresh"}},
    "rift": {"as released": {"lean": False, "balanced": False}},
    "ascc": {"full": {"attack_backward": "full"}},
    "augmentation": {"another recipe": {"recipe": "textbugger", "share": 0.5}},
}


def keys() -> dict[str, str]:
    """The hash of each configuration: every defense under every preset, on two tasks, and as set above."""
    found = {}
    for preset in PRESETS.values():
        for key in tree_defenses():
            for task in ("demo", "imdb"):
                for name, settings in {"": {}, **SETTINGS.get(key, {})}.items():
                    defense = Variant(key, key, key, settings).defense_for(preset, task, 42)
                    identity = {"defense": defense.key, "settings": defense.identity()}
                    found[f"{preset.key}, {task}: {key} {name}".strip()] = content_key(identity)
    return found


def test_stored_settings_are_what_they_were(request: pytest.FixtureRequest) -> None:
    found = keys()
    if request.config.getoption("--renew-tables"):
        PINNED.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    pinned = json.loads(PINNED.read_text("utf-8"))
    assert list(found) == list(pinned)
    assert [name for name in found if found[name] != pinned[name]] == [], "results under these are not found again"
