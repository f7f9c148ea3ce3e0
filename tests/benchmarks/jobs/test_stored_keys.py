"""Stored keys stay: those of a small set of trainings and attacks, and some identities behind them, are in a file.

Results that exist are found by these keys. Where a default changes on purpose, `--renew-tables` writes the file anew.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from baselines.needs import AdversarialTexts
from benchmarks.experiments.defenses import tree_defenses
from benchmarks.experiments.experiment import Terms, cells
from benchmarks.experiments.options import Options
from benchmarks.jobs.attack import ATTACK_SEED, ENGINE
from benchmarks.jobs.evaluate import External, evaluation_identity, external_attack_identity
from benchmarks.jobs.resolve import resolve
from benchmarks.results.records import EvaluationRecord
from benchmarks.results.store import content_key

STORED = Path(__file__).resolve().parents[2] / "data" / "stored_keys.json"
SIZES = {"train_texts": 64, "test_texts": 40, "attacked": 4, "runs": 2, "threads": 1}
SPELT_OUT = (
    "training early_robust 42",
    "training ascc 42",
    "training augmentation 42",
    "attack fine_tune 42 textfooler",
    "attack fine_tune 42 textfooler first",
    "attack fine_tune 42 textfooler 512",
    "evaluation",
    "attack evaluation",
)
PROTOCOLS = {"first": Terms(subset="first"), "development": Terms(subset="development"), "512": Terms(max_length=512)}


def identities(out: Path) -> dict[str, dict]:
    """Identities by name: trainings of every defense, attacks on them, and victims from outside."""
    setup = resolve(Options(preset="demo", device="cpu", out=out, **SIZES))
    found = {}
    for cell in cells(setup.preset, ["demo"], sorted(tree_defenses()), runs=2):
        found[f"training {cell.defense.key} {cell.seed}"] = identity = setup.training_identity(cell)
        if wanted := cell.defense.need(AdversarialTexts):
            found[f"texts of {cell.defense.key} {cell.seed}"] = setup.adversarial_identity(cell, wanted)
        for recipe in setup.recipes:
            found[f"attack {cell.defense.key} {cell.seed} {recipe.key}"] = setup.attack_identity(
                content_key(identity), "demo", recipe, ATTACK_SEED, ENGINE
            )
    plain = content_key(found["training fine_tune 42"])
    for name, terms in PROTOCOLS.items():
        found[f"attack fine_tune 42 textfooler {name}"] = setup.under(terms).attack_identity(
            plain, "demo", setup.recipes[0], ATTACK_SEED, ENGINE
        )
    external = External("mine", {}, "0" * 64, lambda *_: pytest.fail("was opened"))
    found["evaluation"] = identity = evaluation_identity(setup, external, "demo")
    blank = dict.fromkeys(EvaluationRecord.__dataclass_fields__)
    record = EvaluationRecord(**blank | {"key": content_key(identity), "identity": identity, "task": "demo"})
    found["attack evaluation"] = external_attack_identity(setup, record, setup.recipes[0])
    other = resolve(Options(preset="demo", device="cpu", out=out, precision="bf16", batch_size=8, **SIZES))
    (cell,) = cells(other.preset, ["demo"], ["early_robust"], runs=1, settings={"head_sparsity": 0.5})
    found["training early_robust bf16"] = other.training_identity(replace(cell, terms=Terms(subset="first")))
    return found


def test_keys_are_those_that_were_stored(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    made = json.loads(json.dumps(identities(tmp_path)))
    keys = {name: content_key(identity) for name, identity in made.items()}
    if pytestconfig.getoption("--renew-tables"):
        held = {"keys": keys, "identities": {name: made[name] for name in SPELT_OUT}}
        STORED.write_text(json.dumps(held, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    stored = json.loads(STORED.read_text("utf-8"))
    for name, identity in stored["identities"].items():
        assert made[name] == identity, name
    assert keys == stored["keys"]
