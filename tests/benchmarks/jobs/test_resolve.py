"""The jobs of an experiment: complete blocks, each job once, and what decides their identities."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from demo_jobs import context_of, job_of, study_of
from encoders import make

from baselines.validation import UserError
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.experiments.experiment import AttackProtocol
from benchmarks.jobs.resolve import attack_job, resolve, train_job
from benchmarks.results.store import canonical
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier


def test_blocks_are_complete_and_shuffled_the_same_way_every_time(options) -> None:
    study = study_of(options, *TABLE_ORDER, runs=5)
    blocks = [study.trainings[start : start + 7] for start in range(0, 35, 7)]
    assert [{job.seed for job in block} for block in blocks] == [{42}, {43}, {44}, {45}, {46}]
    orders = [tuple(job.defense.key for job in block) for block in blocks]
    assert all(set(order) == set(TABLE_ORDER) for order in orders)
    assert len(set(orders)) > 1
    again = study_of(options, *TABLE_ORDER, runs=5)
    assert [job.key for job in study.trainings] == [job.key for job in again.trainings]


def test_table_1_s_trainings_are_those_under_which_results_were_stored(options) -> None:
    """The hash is of tasks, seeds, order and settings of all fourteen."""
    jobs = resolve(options, EXPERIMENTS["table1"]).trainings
    found = [[job.task, job.defense.key, job.seed, job.defense.identity()] for job in jobs]
    digest = hashlib.sha256(canonical({"cells": found}).encode()).hexdigest()
    assert digest == "5078cf33cc1b970469ebed2e4fa4db2107df703d65aa0697ae3ed31fa099b330"


def test_rows_share_their_jobs(options) -> None:
    study = resolve(options, EXPERIMENTS["release-vs-paper"])
    rows = {row.variant.key: row for row in study.rows}
    plain, first = rows["early_robust"], rows["first_texts"]
    assert plain.trainings == first.trainings and not {job.key for job in plain.attacks} & {
        job.key for job in first.attacks
    }
    assert plain.attacks == rows["bertattack"].attacks
    assert len(study.trainings) == len({job.key for row in study.rows for job in row.trainings}) == 8
    assert len(study.attacks) == len({job.key for row in study.rows for job in row.attacks})


def test_only_some_seeds_are_run_where_asked(options) -> None:
    assert {job.seed for job in resolve(options, EXPERIMENTS["table1"], [47]).trainings} == {47}


def test_what_a_training_takes_texts_from_comes_before_it_and_is_not_attacked(options) -> None:
    study = study_of(options, "augmentation")
    assert [job.defense.key for job in study.trainings] == ["fine_tune", "augmentation"]
    assert {job.training for job in study.attacks} == {study.trainings[1].key}


def test_training_texts_and_other_draws_are_held_to_the_longest_text_too(options) -> None:
    context = context_of(options)
    longest = max(len(" ".join(each.texts).split()) for each in context.tasks["demo"].attacked)
    short = replace(context, spec=replace(context.spec, options=replace(options, max_words=longest)))
    most = max(len(" ".join(each.texts).split()) for each in context.tasks["demo"].dataset.train)
    assert most > longest
    with pytest.raises(UserError, match=rf"the text train-\d+ has {most} words; at most {longest} are attacked"):
        job_of(short, "augmentation", share="1.0", least_words="0")
    for subset in ("first", "development"):
        protocol = AttackProtocol(subset=subset)
        tight = replace(context, spec=replace(context.spec, options=replace(options, max_words=1)))
        with pytest.raises(UserError, match="at most 1 are attacked"):
            attack_job(tight, job_of(context), TEXTBUGGER, protocol)


def test_a_training_holds_the_width_of_narrow_embeddings(options, tmp_path) -> None:
    """Radii follow it; other trainings keep the keys they have always had."""
    tokenizer = find_backbone("minilm").load_tokenizer()
    for kind in ("albert", "bert"):
        save_classifier(make(kind, vocab_size=len(tokenizer), max_position_embeddings=512), tmp_path / kind, tokenizer)
    narrow, wide = (
        job_of(context_of(replace(options, backbone=str(tmp_path / kind)))).identity for kind in ("albert", "bert")
    )
    assert narrow["embedding_width"] == 16 and "embedding_width" not in wide


def test_identities_tell_apart_what_decides_the_weights(options) -> None:
    context = context_of(options)
    first, second = (job_of(context, seed=seed).identity for seed in (42, 43))
    other = job_of(context_of(replace(options, train_texts=39))).identity
    assert first != second
    assert {name for name in other if other[name] != first[name]} == {"data"}


def test_another_tokenizer_or_configuration_of_the_same_weights_is_another_training(options, tmp_path) -> None:
    backbone = Path(shutil.copytree(options.backbone, tmp_path / "other"))
    mine = replace(options, backbone=str(backbone))
    found = [job_of(context_of(options)).key, job_of(context_of(mine)).key]
    for name, change in (
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("config.json", {"layer_norm_eps": 1e-3}),
    ):
        (backbone / name).write_text(json.dumps(json.loads((backbone / name).read_text()) | change))
        found.append(job_of(context_of(mine)).key)
    assert found[0] == found[1] and len(set(found)) == 3, "the folder's name decides nothing, and every file does"


def test_what_a_defense_needs_is_in_its_identity_and_in_no_other(options) -> None:
    context = context_of(options)
    names = ("fine_tune", "rift", "ascc", "adv_hotflip", "augmentation")
    identities = {name: job_of(context, name).identity for name in names}
    assert set(identities["fine_tune"]) == set(identities["adv_hotflip"])
    assert set(identities["ascc"]) - set(identities["fine_tune"]) == {"substitutes"}
    assert identities["ascc"]["substitutes"] == identities["rift"]["substitutes"]
    added = identities["augmentation"]["adversarial_texts"]
    assert added["base"] == job_of(context).key and added["recipe"]["key"] == "textfooler"
    unknown = replace(job_of(context, "augmentation").defense, recipe="nonesuch")
    with pytest.raises(ValueError, match="unknown recipe 'nonesuch'"):
        train_job(context, "demo", unknown, 42)


def test_a_batch_without_room_for_every_class_is_refused_before_any_training(options) -> None:
    context = context_of(replace(options, batch_size=1))
    assert job_of(context).identity["batch_size"] == 1
    with pytest.raises(ValueError, match="--batch-size must be 2 or more for RIFT, a text of every class, got 1"):
        job_of(context, "rift")


def test_capture_is_in_the_identity_of_captured_trainings_alone(options) -> None:
    context = context_of(options)
    spec = replace(context.spec, options=replace(options, capture=True))
    plain, captured = job_of(context).identity, job_of(replace(context, spec=spec)).identity
    assert captured == plain | {"capture": True} and "capture" not in plain
    assert context.graphs() is None


def test_threads_are_in_the_identity_of_trainings_on_a_cpu(options) -> None:
    context = context_of(options)
    on_two = replace(context, machine=context.machine | {"threads": 2})
    assert job_of(on_two).identity == job_of(context).identity | {"threads": 2}
    assert "threads" not in job_of(context).identity, "one thread keeps its keys"
    assert "threads" not in job_of(replace(on_two, device="cuda")).identity
    assert on_two.for_other_processes().options.threads == 2


def test_a_length_that_the_backbone_cannot_read_is_refused(options) -> None:
    context = context_of(options)
    with pytest.raises(ValueError, match="the length under attack must be 3 to 512 tokens"):
        attack_job(context, job_of(context), context.recipes[0], AttackProtocol(max_length=513))
