"""A victim from outside is read, attacked on the texts of trained models and calibrated, once, and never trained."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from demo_jobs import context_of
from transformers import BertConfig, BertForSequenceClassification

from baselines.validation import UserError
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.jobs.context import Context
from benchmarks.jobs.evaluate import External, attack_external, evaluate, evaluation_identity, find_external
from benchmarks.jobs.provenance import provenance_of
from benchmarks.results.records import EvaluationRecord
from benchmarks.results.store import Store, content_key
from benchmarks.results.verify import verify
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.saved import save_classifier
from earlyrobust.cli.main import main
from reports.external import ExternalResult, external_results
from reports.overview import overview
from reports.table1 import table_of_externals

PREDICT = """
def predict(texts):
    return [[0.9, 0.1] if len(text) % 2 else [0.2, 0.8] for text in texts]

def three(texts):
    return [[0.9, 0.1, 0.0] for text in texts]
"""


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A function that reads the parity of a text's length."""
    (tmp_path / "mine.py").write_text(PREDICT)
    return f"{tmp_path / 'mine.py'}:predict"


@pytest.fixture
def context(options):
    """The tiny demo with one recipe."""
    return context_of(replace(options, recipes="textbugger"))


def results_with(context: Context) -> list[ExternalResult]:
    """The victims from outside that a table made with this context shows."""
    return external_results(context.store, provenance_of(context))


def test_a_function_is_evaluated_attacked_and_found_again(context, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    external = find_external(None, place, None, device="cpu")
    plain, calibrated = evaluate(context, external, "demo", calibrate=True)
    assert (plain.title, calibrated.title) == ("external: predict", "external: predict, calibrated")
    right = [len(each.texts[0]) % 2 == 1 - each.label for each in context.tasks["demo"].dataset.test]
    assert plain.clean_correct == "".join("01"[each] for each in right) == calibrated.clean_correct
    assert plain.calibration is None and calibrated.calibration["texts"] == 20 - 3
    assert calibrated.calibration["nats_after"] <= calibrated.calibration["nats_before"]
    assert results_with(context) == [], "nothing is shown before it met the attacks"
    for record in (plain, calibrated):
        attacked = attack_external(context, external, record, TEXTBUGGER)
        assert attacked.example_ids == [example.id for example in context.tasks["demo"].attacked]
        assert len(context.store.outcomes(attacked.key)) == 3
    assert [each.record.title for each in results_with(context)] == [plain.title, calibrated.title]
    assert not list(context.store.trainings()) and verify(context.store) == []

    monkeypatch.setattr("benchmarks.jobs.evaluate.CallableVictim", lambda *_: pytest.fail("was asked again"))
    assert evaluate(context, external, "demo", calibrate=True) == [plain, calibrated]
    shown = results_with(context)[0].attacks["textbugger"]
    assert attack_external(context, external, plain, TEXTBUGGER) == shown.record


def test_other_texts_show_no_row(context, options, place: str) -> None:
    external = find_external(None, place, None, device="cpu")
    (record,) = evaluate(context, external, "demo", calibrate=False)
    attack_external(context, external, record, TEXTBUGGER)
    assert len(results_with(context)) == 1
    for changes in ({"attacked": 2}, {"test_texts": 10}, {"max_length": 20}):
        assert not results_with(context_of(replace(options, recipes="textbugger", **changes)))


def test_a_checkpoint_is_a_victim_by_its_folder_s_name(context, tiny_backbone) -> None:
    external = find_external(str(tiny_backbone), None, None, device="cpu")
    (record,) = evaluate(context, external, "demo", calibrate=False)
    assert record.title == "external: backbone" and set(record.victim) == {"model", "notes"}
    assert len(record.clean_correct) == 20
    attacked = attack_external(context, external, record, TEXTBUGGER)
    assert attacked.identity["model"] == external.hash and "training" not in attacked.identity


def renamed(backbone: Path, folder: Path, names: tuple[str, ...]) -> str:
    """A copy of a classifier with its classes called otherwise."""
    shutil.copytree(backbone, folder)
    values = json.loads((folder / "config.json").read_text())
    values["id2label"] = dict(enumerate(names))
    values["label2id"] = {name: number for number, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(values))
    return str(folder)


def test_a_model_s_classes_are_those_of_the_task_by_name(context, tiny_backbone, tmp_path) -> None:
    found = {}
    for names in (("NEGATIVE", "POSITIVE"), ("positive", "negative"), ("LABEL_0", "LABEL_1")):
        external = find_external(renamed(tiny_backbone, tmp_path / names[0], names), None, names[0], device="cpu")
        (record,) = evaluate(context, external, "demo", calibrate=False)
        attack_external(context, external, record, TEXTBUGGER)
        found[names[0]] = record
    same, other, nameless = found["NEGATIVE"], found["positive"], found["LABEL_0"]
    assert other.identity["class_order"] == [1, 0] and "class_order" not in same.identity
    assert [a != b for a, b in zip(same.clean_correct, other.clean_correct, strict=True)] == [True] * 20
    assert nameless.clean_correct == same.clean_correct and "notes" not in same.victim
    assert nameless.victim["notes"] == [
        "Classes of the model were matched to those of demo by position: LABEL_0 = negative, LABEL_1 = positive."
    ]
    assert verify(context.store) == []


def test_another_tokenizer_of_the_same_weights_is_another_evaluation(context, tiny_backbone, tmp_path) -> None:
    folder = Path(shutil.copytree(tiny_backbone, tmp_path / "model"))
    found = []
    for side in ("right", "left", "right"):
        settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"truncation_side": side}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        external = find_external(str(folder), None, "mine", device="cpu")
        (record,) = evaluate(context, external, "demo", calibrate=False)
        found.append(attack_external(context, external, record, TEXTBUGGER).key)
    assert found[0] == found[2] != found[1] and len(list(context.store.evaluations())) == 2


def test_a_model_of_other_classes_is_refused(context, tiny_backbone, tmp_path) -> None:
    for names in (("good", "bad"), ("negative", "neutral")):
        external = find_external(renamed(tiny_backbone, tmp_path / names[1], names), None, None, device="cpu")
        with pytest.raises(ValueError, match="cannot be matched to those of 'demo', which are 'negative', 'positive'"):
            evaluate(context, external, "demo", calibrate=False)


def test_a_model_that_reads_less_than_the_task_s_length_says_so(context, tmp_path) -> None:
    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64, max_position_embeddings=20
    )
    save_classifier(BertForSequenceClassification(config), tmp_path / "short", find_backbone("minilm").load_tokenizer())
    external = find_external(str(tmp_path / "short"), None, None, device="cpu")
    (record,) = evaluate(context, external, "demo", calibrate=False)
    assert record.victim["notes"][1:] == ["It reads 20 tokens of a text, fewer than the 32 of the task."]


def test_a_missing_evaluation_is_found_by_verify(context, place: str) -> None:
    external = find_external(None, place, "mine", device="cpu")
    (record,) = evaluate(context, external, "demo", calibrate=False)
    attacked = attack_external(context, external, record, TEXTBUGGER)
    (context.store.root / "evaluations" / record.key / "record.json").unlink()
    unfinished, missing = verify(Store(context.store.root, writable=False))
    assert unfinished.place == f"evaluations/{record.key}" and "there is no record" in unfinished.what
    assert missing.place == f"attacks/{attacked.key}" and "the evaluation" in missing.what


def test_a_damaged_evaluation_is_moved_away(context, place: str) -> None:
    (record,) = evaluate(context, find_external(None, place, None, device="cpu"), "demo", calibrate=False)
    path = context.store.root / "evaluations" / record.key / "record.json"
    path.write_text(path.read_text().replace(record.clean_correct, record.clean_correct[::-1] + "1"))
    (said,) = context.store.quarantine()
    assert "its checksum does not fit" in said and not list(context.store.evaluations())


def test_mistakes_are_one_sentence(context, options, place: str, tiny_backbone) -> None:
    for model, function, received in ((None, None, "neither"), ("a", place, "--model and --callable")):
        with pytest.raises(ValueError, match=f"given by one of --model and --callable, got '{received}'"):
            find_external(model, function, None, device="cpu")
    three = find_external(None, place.replace(":predict", ":three"), None, device="cpu")
    with pytest.raises(ValueError, match=r"probabilities of shape \(8, 2\)"):
        evaluate(context, three, "demo", calibrate=False)
    whole = context_of(replace(options, attacked=20))
    with pytest.raises(ValueError, match="none is left to calibrate on; give a smaller --attacked or --no-calibrate"):
        evaluate(whole, find_external(None, place, None, device="cpu"), "demo", calibrate=True)


def test_texts_that_broke_are_attacked_again_by_the_next_run(context, place: str, capsys) -> None:
    path = Path(place.partition(":")[0])
    state = path.with_name("down")
    path.write_text(
        f"import pathlib\n{PREDICT}\ndef flaky(texts):\n"
        f"    if pathlib.Path({str(state)!r}).exists(): raise RuntimeError('429 Too Many Requests')\n"
        f"    return predict(texts)\n"
    )
    external = find_external(None, f"{path}:flaky", None, device="cpu", retries=0)
    (record,) = evaluate(context, external, "demo", calibrate=False)
    state.touch()
    attacked = attack_external(context, external, record, TEXTBUGGER)
    assert {outcome.status for outcome in context.store.outcomes(attacked.key)} == {"error"}
    (finding,) = verify(context.store)
    assert "3 of 3 texts broke: UserCodeError: the callable" in finding.what and "429 Too Many" in finding.what
    caption = " ".join(table_of_externals(context.store, provenance_of(context)).caption)
    assert "3 of 3 texts broke" in caption and "the same command attacks them again" in caption

    found = overview(context.store.root)
    assert found.attacks is not None and found.attacks.table.incomplete and not found.attacks.curves
    with pytest.raises(SystemExit) as end:
        main(["report", "--out", str(context.store.root)])
    assert end.value.code == 3 and (context.store.root / "index.html").is_file()

    state.unlink()
    (said,) = context.store.quarantine()
    assert "3 of 3 texts broke" in said and said.endswith("they are attacked again")
    attack_external(context, external, record, TEXTBUGGER)
    assert "error" not in {outcome.status for outcome in context.store.outcomes(attacked.key)}
    assert verify(context.store) == [] and context.store.quarantine() == []


def test_a_number_of_retries_is_checked(place: str, tiny_backbone) -> None:
    with pytest.raises(UserError, match="--retries must be 0 to 20, got -1"):
        find_external(None, place, None, device="cpu", retries=-1)
    with pytest.raises(UserError, match="--retries must be left out beside --model"):
        find_external(str(tiny_backbone), None, None, device="cpu", retries=1)


def test_of_two_evaluations_at_once_one_asks_and_the_other_takes_its_answers(
    context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins while the first is asking, and draws a little otherwise, as a busy server may."""
    monkeypatch.setattr("benchmarks.results.locks.LOOK_AGAIN_SECONDS", 0.05)
    asked: list[int] = []
    taken: list[EvaluationRecord] = []

    def predict(texts: list[str]) -> list[list[float]]:
        asked.append(len(texts))
        if len(asked) == 1:
            second.start()
            second.join(0.3)
        right = 0.6 + 1e-5 * len(asked)
        return [[right, 1 - right] if len(text) % 2 else [1 - right, right] for text in texts]

    about = {"path": "mine.py", "function": "predict", "sha256": "0" * 64}
    external = External("mine", {"callable": about}, "0" * 64, lambda *how: CallableVictim(predict, "mine", 2))
    second = threading.Thread(target=lambda: taken.extend(evaluate(context, external, "demo", calibrate=True)))
    alone = evaluate(context, external, "demo", calibrate=True)
    calls = len(asked)
    second.join(10)
    assert taken == alone and len(asked) == calls
    assert len(list(context.store.evaluations())) == 2


def test_an_evaluation_that_may_not_wait_is_refused_while_another_is_at_it(options, place: str) -> None:
    context = context_of(replace(options, recipes="textbugger", wait=False))
    external = find_external(None, place, None, device="cpu")
    key = content_key(evaluation_identity(context, external, "demo"))
    with context.store.locked("evaluations", key), pytest.raises(UserError, match="is under way already: by process"):
        evaluate(context, external, "demo", calibrate=False)
    assert len(evaluate(context, external, "demo", calibrate=False)) == 1
