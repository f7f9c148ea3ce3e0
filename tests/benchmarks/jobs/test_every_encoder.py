"""A training, its ticket, its stored model and an attack on it, with backbones of the other encoders."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_jobs import attack_on, context_of, job_of
from encoders import NEW_KINDS
from saved_encoders import saved

from benchmarks.jobs.batches import task_batches
from benchmarks.jobs.train import train
from benchmarks.victims.saved import load_classifier

LONG = ("xlm-roberta", "deberta-v2")  # whose layers are BERT's; the others share one, or have gates
KINDS = [pytest.param(kind, marks=[pytest.mark.integration] if kind in LONG else []) for kind in NEW_KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_ticket_is_searched_pruned_stored_and_attacked(kind: str, options, tmp_path) -> None:
    demo = [each.texts[0] for each in context_of(options).tasks["demo"].dataset.train]
    backbone = saved(kind, tmp_path / kind, demo, max_position_embeddings=160)
    context = context_of(replace(options, backbone=backbone, attacked=2))
    job = job_of(context, "early_bert", epochs="1")
    record = train(context, job)
    assert record.status == "finished" and record.parameters_kept < record.parameters_before
    stored = load_classifier(context.store.model_folder(job.key))
    assert sum(each.numel() for each in stored.parameters()) == record.parameters_kept
    attack = attack_on(context, job)
    assert all(outcome.error is None for outcome in context.store.outcomes(attack.key))


def test_substitutes_of_a_byte_level_backbone_are_found_for_rift(options, tmp_path) -> None:
    demo = [each.texts[0] for each in context_of(options).tasks["demo"].dataset.train]
    backbone = saved("modernbert", tmp_path / "m", demo * 5, max_position_embeddings=160)
    context = context_of(replace(options, backbone=backbone))
    batches = task_batches(context, "demo", 42, job_of(context, "rift").defense.needs)
    some = next(iter(batches.epoch(0)))
    assert (some.substitutes != some.substitutes[..., :1]).any()
