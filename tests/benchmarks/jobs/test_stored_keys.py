"""Stored keys stay: those of a small set of trainings and attacks, and some identities behind them, are in a file.

Results that exist are found by these keys. Where a default changes on purpose, `--renew-tables` writes the file again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.defenses import tree_defenses
from benchmarks.experiments.experiment import AttackProtocol, Experiment, methods
from benchmarks.experiments.options import Options
from benchmarks.jobs.evaluate import External, evaluation_identity, external_job
from benchmarks.jobs.job import Job
from benchmarks.jobs.resolve import Study, attack_job, resolve
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
PROTOCOLS = {
    "first": AttackProtocol(subset="first"),
    "development": AttackProtocol(subset="development"),
    "512": AttackProtocol(max_length=512),
}


def jobs(study: Study) -> dict[str, Job]:
    """All jobs by name; those of a seed of Table 1's first rows."""
    found: dict[str, Job] = {}
    for job in study.trainings:
        found[f"training {job.defense.key} {job.seed}"] = job
        if job.texts is not None:
            found[f"texts of {job.defense.key} {job.seed}"] = job.texts
    return found | {f"attack {job.defense} {job.seed} {job.recipe.key}": job for job in study.attacks}


def identities(out: Path) -> dict[str, dict]:
    """Identities by name: trainings of every defense, attacks on them, and victims from outside."""
    options = Options(preset="demo", device="cpu", out=out, defenses=",".join(sorted(tree_defenses())), **SIZES)
    study = resolve(options, EXPERIMENTS["table1"])
    context, found = study.context, jobs(study)
    for name, protocol in PROTOCOLS.items():
        job = attack_job(context, found["training fine_tune 42"], context.recipes[0], protocol)
        found[f"attack fine_tune 42 textfooler {name}"] = job
    external = External("mine", {}, "0" * 64, lambda *_: pytest.fail("was opened"))
    made = {name: job.identity for name, job in found.items()}
    made["evaluation"] = identity = evaluation_identity(context, external, "demo")
    blank = dict.fromkeys(EvaluationRecord.__dataclass_fields__)
    record = EvaluationRecord(**blank | {"key": content_key(identity), "identity": identity, "task": "demo"})
    made["attack evaluation"] = external_job(context, record, context.recipes[0]).identity
    other = Experiment("other", "", "", "methods", methods(["early_robust"], {"head_sparsity": 0.5}))
    (job, _) = resolve(replace(options, precision="bf16", batch_size=8, defenses=None), other).trainings
    made["training early_robust bf16"] = job.identity
    assert all(content_key(made[name]) == job.key for name, job in found.items())
    return made


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
