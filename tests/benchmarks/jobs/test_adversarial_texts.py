"""Adversarial texts: made once by attacking a fine-tuned model, stored, and added to the training texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_jobs import context_of, job_of
from made_up import outcome

from baselines.augmentation import Augmentation
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts
from baselines.validation import MachineError
from benchmarks.data.examples import Example
from benchmarks.jobs import attack as attacking
from benchmarks.jobs.adversarial_texts import adversarial_examples, base_defense, drawn_texts, training_recipe
from benchmarks.jobs.plan import look_up
from benchmarks.jobs.train import train
from benchmarks.results.metrics import joining, tally
from benchmarks.results.verify import verify
from earlyrobust.running import reporter, train_one


def test_the_base_is_fine_tuning_with_the_same_settings() -> None:
    defense = Augmentation(epochs=2, learning_rate=1e-3, share=0.3)
    assert base_defense(defense) == FineTune(epochs=2, learning_rate=1e-3)


def test_a_share_of_the_texts_is_drawn_by_seed() -> None:
    examples = [Example(f"train-{number}", ("a film that is good",), 0) for number in range(50)]
    wanted = Augmentation(share=0.3).need(AdversarialTexts)
    drawn = drawn_texts(examples, wanted, 42)
    assert len(drawn) == 15 and drawn == drawn_texts(examples, wanted, 42)
    assert [example for example in examples if example in drawn] == drawn
    assert drawn != drawn_texts(examples, wanted, 43)


def test_all_texts_of_more_than_four_words_are_attacked_by_default() -> None:
    """Of a pair it is the second text that counts, which TextDefender perturbs."""
    examples = [
        Example("four", ("a film of note",), 0),
        Example("five", ("a film of some note",), 0),
        Example("long, short", ("what is this about in short", "a film"), 1),
        Example("short, long", ("a film", "it is about a film"), 1),
    ]
    wanted = Augmentation().need(AdversarialTexts)
    assert [example.id for example in drawn_texts(examples, wanted, 42)] == ["five", "short, long"]
    assert drawn_texts(examples, replace(wanted, least_words=0), 42) == examples


def test_every_attacked_text_is_added_with_its_label_but_where_the_attack_broke() -> None:
    outcomes = [outcome(2, "successful", label=0), outcome(1, "successful"), outcome(3), outcome(4, "skipped")]
    outcomes.append(outcome(5, "error", error="x"))
    added = {kind: adversarial_examples(joining(outcomes, kind)) for kind in ("all", "successful")}
    assert added["successful"] == [
        Example("test-1-adversarial", ("a fine film",), 1),
        Example("test-2-adversarial", ("a fine film",), 0),
    ]
    assert [example.id for example in added["all"]] == [f"test-{number}-adversarial" for number in (1, 2, 3, 4)]
    assert [tally(outcomes, kind)["added"] for kind in added] == [4, 2]


def test_recipes_of_another_loop_are_refused() -> None:
    assert training_recipe(Augmentation().need(AdversarialTexts)).key == "textfooler"
    with pytest.raises(ValueError, match="must be one of the suite's own recipes, got 'textattack:PWWSRen2019'"):
        training_recipe(AdversarialTexts("textattack:PWWSRen2019"))
    with pytest.raises(ValueError, match="unknown recipe 'textfoler'; did you mean 'textfooler'"):
        training_recipe(AdversarialTexts("textfoler"))


def test_attacks_are_made_once_and_train_the_model(options, monkeypatch: pytest.MonkeyPatch) -> None:
    attacked: list[str] = []

    def every_second_succeeds(victim, examples, recipe, resources, *, seed, columns, on_queries):
        assert recipe.key == "textfooler" and victim.classes == 2
        for example in examples:
            attacked.append(example.id)
            found = outcome(0, "successful" if int(example.id[6:]) % 2 else "failed", label=example.label)
            yield replace(found, example_id=example.id, original=example.texts)

    monkeypatch.setattr(attacking, "attack_all", every_second_succeeds)
    context = context_of(options)
    job = job_of(context, "augmentation", epochs="1")
    record = train_one(context, job, reporter(quiet=True))
    made = record.stages[0]["trace"]["adversarial_texts"]
    assert made["attacked"] == len(attacked) == made["added"] == 10 and made["queries"] == 100
    assert record.stages[0]["updates"] == -(-(40 + made["added"]) // 8)
    base = job.base.record(context.store)
    assert base.defense == "fine_tune" and base.stages[0]["updates"] == 5
    assert not list(context.store.attacks()), "attacks on training texts are no results"

    path = context.store.of_training_texts().outcomes_path(job.texts.key)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:7]) + lines[7][:9])
    (context.store.root / "trainings" / record.key / "record.json").unlink()
    again = train_one(context, job, reporter(quiet=True))
    assert len(attacked) == 13, "an attack that was cut goes on"
    assert again.weights_sha256 == record.weights_sha256

    assert verify(context.store) == [], "what a run leaves is sound"
    path.write_bytes(path.read_bytes().replace(b'"queries":10', b'"queries":11', 1))
    _, finding = verify(context.store)  # of the training and of the texts that it took up
    assert finding.place == f"adversarial_texts/attacks/{path.parent.name}" and "line 1 is damaged" in finding.what
    assert len(context.store.quarantine()) == 2, "the texts, and the training that took them up"
    assert train_one(context, job, reporter(quiet=True)).weights_sha256 == record.weights_sha256
    assert verify(context.store) == []


def test_training_texts_whose_attack_broke_are_attacked_again_before_the_training(options, monkeypatch) -> None:
    broken, attacked = {"some": True}, []

    def at_times_broken(victim, examples, recipe, resources, **how):
        for number, example in enumerate(examples):
            attacked.append(example.id)
            found = replace(
                outcome(0, "successful", label=example.label), example_id=example.id, original=example.texts
            )
            broke = {"status": "error", "error": "MemoryError: too little"} if broken["some"] and number < 2 else {}
            yield replace(found, **broke)

    monkeypatch.setattr(attacking, "attack_all", at_times_broken)
    context = context_of(options)
    job = job_of(context, "augmentation", epochs="1")
    record = train_one(context, job, reporter(quiet=True))
    assert record.status == "failed" and record.weights_sha256 is None
    assert record.error.startswith("too few adversarial texts: 2 of 10 texts broke: MemoryError: too little; the same")
    broken["some"] = False
    again = train_one(context, job, reporter(quiet=True))
    assert again.status == "finished" and len(attacked) == 12, "only what broke is attacked again"
    assert again.stages[0]["trace"]["adversarial_texts"]["broken"] == 0
    assert context.store.quarantine() == verify(context.store) == []


def test_what_broke_stays_where_a_training_took_up_the_rest(options, monkeypatch) -> None:
    def one_breaks(victim, examples, recipe, resources, **how):
        for number, example in enumerate(examples):
            found = replace(
                outcome(0, "successful", label=example.label), example_id=example.id, original=example.texts
            )
            yield replace(found, status="error", error="MemoryError: too little") if number == 0 else found

    monkeypatch.setattr(attacking, "attack_all", one_breaks)
    monkeypatch.setattr("benchmarks.results.metrics.BROKEN_PERCENT", 50.0)
    context = context_of(options)
    job = job_of(context, "augmentation", epochs="1")
    record = train_one(context, job, reporter(quiet=True))
    assert record.status == "finished" and record.stages[0]["trace"]["adversarial_texts"]["broken"] == 1
    assert context.store.quarantine() == []
    assert train_one(context, job, reporter(quiet=True)) == record


def test_a_base_that_diverged_is_named(options) -> None:
    context = context_of(options)
    job = job_of(context, "augmentation", epochs="1")
    record = train(context, job.base)
    (context.store.root / job.base.folder / "record.json").unlink()
    context.store.put_training(replace(record, status="diverged", error="the loss is nan"))
    with pytest.raises(MachineError, match="on training texts: no model to attack, since its training diverged: the"):
        train_one(context, job, reporter(quiet=True))
    with pytest.raises(AssertionError, match="a training comes after the attack that makes its texts"):
        train(context, job)


def test_what_was_trained_before_such_attacks_had_records_is_not_redone(options) -> None:
    context = context_of(options)
    job = job_of(context, "augmentation", epochs="1", share="0.1")
    record = train_one(context, job, reporter(quiet=True))
    (context.store.root / job.texts.folder / "record.json").unlink()
    assert look_up(context.store, job.chain).left == [] and verify(context.store) == []
    assert train_one(context, job, reporter(quiet=True)) == record
