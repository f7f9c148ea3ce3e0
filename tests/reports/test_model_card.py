"""An exported model opens elsewhere, answers as it did, and carries its numbers."""

from __future__ import annotations

from dataclasses import replace

import made_up
import pytest
import torch
import yaml
from command import command
from demo_jobs import attack_on, context_of, job_of
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.attacks.recipes import find_recipe
from benchmarks.jobs.stored_models import load
from benchmarks.jobs.train import train
from benchmarks.victims.saved import load_classifier
from reports.frame import AttackResult
from reports.model_card import CARD, export, model_card

RECIPE = "textbugger"


def trained(options, defense: str):
    context = context_of(replace(options, recipes=RECIPE))
    job = job_of(context, defense)
    return train(context, job), attack_on(context, job, find_recipe(RECIPE))


@pytest.mark.parametrize("defense", ["fine_tune", "early_robust"])
def test_an_exported_model_answers_as_the_stored_one_and_can_be_attacked(options, tmp_path, defense, capsys) -> None:
    record, attacked = trained(options, defense)
    folder = tmp_path / "exported"
    written = export(options.out, folder, defense)
    assert {"config.json", "model.safetensors", "tokenizer.json", CARD} <= {path.name for path in written}
    if defense == "fine_tune":
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    else:
        model = load_classifier(folder)
    batch = AutoTokenizer.from_pretrained(folder)(["a good film"], return_tensors="pt")
    assert torch.equal(model(**batch).logits, load(options.out, defense)[0](**batch).logits)

    card = (folder / CARD).read_text("utf-8")
    for fact in (record.key, attacked.key, record.weights_sha256, "NOT COMPARABLE WITH THE PAPER", attacked.profile):
        assert fact in card
    assert ("AutoModelForSequenceClassification" in card) == (defense == "fine_tune")

    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\na good film,positive\na bad film,negative\n")
    where = ["--model", str(folder), "--data", str(texts), "--out", str(tmp_path / "attacked")]
    code, _, errors = command("attack", *where, "--recipe", RECIPE, "--device", "cpu", capsys=capsys)
    assert code == 0, errors

    with pytest.raises(ValueError, match="not empty; give a new one with --to"):
        export(options.out, folder, defense)


def test_the_numbers_are_those_of_the_outcomes() -> None:
    record = made_up.training(identity={"max_length": 8, "settings": {}})
    outcomes = [made_up.outcome(0), made_up.outcome(1, "successful", 30), made_up.outcome(2, "skipped")]
    card = model_card(record, [AttackResult(made_up.attack(record, texts=3), outcomes)])
    rows = [[job.strip() for job in line.split("|")[1:-1]] for line in card.splitlines() if line.startswith("|")]
    assert ["none", "4", "75.0", "", "", ""] in rows
    assert ["Textfooler", "3", "", "33.3", "50.0", "20.0"] in rows
    assert "Training time: 10.0 s (host clock). Parameters kept: 80.0 %." in card
    (index,) = yaml.safe_load(card.split("---\n")[1])["model-index"]
    assert [metric["value"] for result in index["results"] for metric in result["metrics"]] == [75.0, 33.3333]


def test_a_time_that_does_not_count_is_not_told() -> None:
    record = made_up.training(watch={"invalid": ["another process"], "warnings": []})
    assert "Training time: not counted" in model_card(record, []) and "another process" in model_card(record, [])
