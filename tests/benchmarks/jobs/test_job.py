"""Jobs: what they need, what they make, and how they travel to another process."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

from demo_jobs import context_of, job_of, study_of

from benchmarks.experiments.experiment import USUAL, AttackProtocol
from benchmarks.jobs.resolve import attack_job, train_job
from benchmarks.results.store import content_key

PLUGIN = """
from dataclasses import dataclass

from baselines.fine_tune import FineTune


@dataclass(frozen=True, kw_only=True)
class Mine(FineTune, key="mine"):
    title = "Mine"
"""


def test_a_training_is_the_same_in_another_process(options, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    context = context_of(options)
    for name in ("early_robust", "augmentation", str(tmp_path / "mine.py")):
        job = job_of(context, name, epochs="1")
        there = pickle.loads(pickle.dumps(job))
        assert (there.key, there.identity) == (job.key, job.identity)
        assert train_job(context, "demo", there.defense, there.seed).identity == job.identity


def test_a_training_is_told_by_what_it_needs_and_makes(options) -> None:
    context = context_of(options)
    plain, added = job_of(context), job_of(context, "augmentation")
    assert plain.needs is None and plain.folder == f"trainings/{plain.key}" and plain.chain == (plain,)
    assert [job.folder for job in added.chain] == [
        plain.folder,
        f"adversarial_texts/attacks/{added.texts.key}",
        f"trainings/{added.key}",
    ]
    assert [job.needs for job in added.chain] == [None, plain.folder, added.texts.folder]
    assert added.texts.for_training and len(added.texts.example_ids) == 10
    assert added.texts.label == "demo Fine-tune seed 42: TextFooler on training texts"


def test_an_attack_knows_its_key_before_its_model_is_trained(options) -> None:
    study = study_of(replace(options, recipes="textfooler"), "fine_tune")
    (training,), (attack,) = study.trainings, study.attacks
    assert attack.needs == training.folder and attack.identity["training"] == training.key
    assert attack.key == content_key(attack.identity) and attack.folder == f"attacks/{attack.key}"
    assert attack.label == "demo Fine-tune seed 42: TextFooler"
    assert pickle.loads(pickle.dumps(attack)) == attack


def test_other_protocols_change_the_attack_and_no_training(options) -> None:
    context = context_of(options)
    training, recipe = job_of(context), context.recipes[0]
    plain = attack_job(context, training, recipe, USUAL)
    first = attack_job(context, training, recipe, AttackProtocol(subset="first"))
    longer = attack_job(context, training, recipe, AttackProtocol(max_length=512))
    assert list(first.example_ids) == [example.id for example in context.tasks["demo"].dataset.test[:3]]
    assert first.example_ids != plain.example_ids == longer.example_ids
    assert "max_length" not in plain.identity, "usual attacks keep their keys"
    assert {name for name in plain.identity if first.identity[name] != plain.identity[name]} == {"examples"}
    assert longer.identity == plain.identity | {"max_length": 512}
