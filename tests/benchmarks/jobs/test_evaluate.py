"""A victim from outside is read, attacked on the texts of trained models and calibrated, once, and never trained."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import BertConfig, BertForSequenceClassification

from baselines.validation import UserError
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.jobs.evaluate import attack_external, evaluate, find_external, stored_externals
from benchmarks.jobs.resolve import resolve
from benchmarks.results.store import Store
from benchmarks.results.verify import verify
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier
from earlyrobust.cli.main import main
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
def setup(options):
    """The tiny demo with one recipe."""
    return resolve(replace(options, recipes="textbugger"))


def test_a_function_is_evaluated_attacked_and_found_again(setup, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    external = find_external(None, place, None, device="cpu")
    plain, calibrated = evaluate(setup, external, "demo", calibrate=True)
    assert (plain.title, calibrated.title) == ("external: predict", "external: predict, calibrated")
    right = [len(each.texts[0]) % 2 == 1 - each.label for each in setup.tasks["demo"].dataset.test]
    assert plain.clean_correct == "".join("01"[each] for each in right) == calibrated.clean_correct
    assert plain.calibration is None and calibrated.calibration["texts"] == 20 - 3
    assert calibrated.calibration["nats_after"] <= calibrated.calibration["nats_before"]
    assert list(stored_externals(setup)) == [], "nothing is shown before it met the attacks"
    for record in (plain, calibrated):
        attacked = attack_external(setup, external, record, TEXTBUGGER)
        assert attacked.example_ids == [example.id for example in setup.tasks["demo"].attacked]
        assert len(setup.store.outcomes(attacked.key)) == 3
    assert [record.title for record, _ in stored_externals(setup)] == [plain.title, calibrated.title]
    assert not list(setup.store.trainings()) and verify(setup.store) == []

    monkeypatch.setattr("benchmarks.jobs.evaluate.CallableVictim", lambda *_: pytest.fail("was asked again"))
    assert evaluate(setup, external, "demo", calibrate=True) == [plain, calibrated]
    assert attack_external(setup, external, plain, TEXTBUGGER) == next(stored_externals(setup))[1][0]


def test_other_texts_show_no_row(setup, options, place: str) -> None:
    external = find_external(None, place, None, device="cpu")
    (record,) = evaluate(setup, external, "demo", calibrate=False)
    attack_external(setup, external, record, TEXTBUGGER)
    assert len(list(stored_externals(setup))) == 1
    for changes in ({"attacked": 2}, {"test_texts": 10}, {"max_length": 20}):
        assert not list(stored_externals(resolve(replace(options, recipes="textbugger", **changes))))


def test_a_checkpoint_is_a_victim_by_its_folder_s_name(setup, tiny_backbone) -> None:
    external = find_external(str(tiny_backbone), None, None, device="cpu")
    (record,) = evaluate(setup, external, "demo", calibrate=False)
    assert record.title == "external: backbone" and set(record.victim) == {"model", "notes"}
    assert len(record.clean_correct) == 20
    attacked = attack_external(setup, external, record, TEXTBUGGER)
    assert attacked.identity["model"] == external.hash and "training" not in attacked.identity


def renamed(backbone: Path, folder: Path, names: tuple[str, ...]) -> str:
    """A copy of a classifier with its classes called otherwise."""
    shutil.copytree(backbone, folder)
    values = json.loads((folder / "config.json").read_text())
    values["id2label"] = dict(enumerate(names))
    values["label2id"] = {name: number for number, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(values))
    return str(folder)


def test_a_model_s_classes_are_those_of_the_task_by_name(setup, tiny_backbone, tmp_path) -> None:
    found = {}
    for names in (("NEGATIVE", "POSITIVE"), ("positive", "negative"), ("LABEL_0", "LABEL_1")):
        external = find_external(renamed(tiny_backbone, tmp_path / names[0], names), None, names[0], device="cpu")
        (record,) = evaluate(setup, external, "demo", calibrate=False)
        attack_external(setup, external, record, TEXTBUGGER)
        found[names[0]] = record
    same, other, nameless = found["NEGATIVE"], found["positive"], found["LABEL_0"]
    assert other.identity["class_order"] == [1, 0] and "class_order" not in same.identity
    assert [a != b for a, b in zip(same.clean_correct, other.clean_correct, strict=True)] == [True] * 20
    assert nameless.clean_correct == same.clean_correct and "notes" not in same.victim
    assert nameless.victim["notes"] == [
        "Classes of the model were matched to those of demo by position: LABEL_0 = negative, LABEL_1 = positive."
    ]
    assert verify(setup.store) == []


def test_a_model_of_other_classes_is_refused(setup, tiny_backbone, tmp_path) -> None:
    for names in (("good", "bad"), ("negative", "neutral")):
        external = find_external(renamed(tiny_backbone, tmp_path / names[1], names), None, None, device="cpu")
        with pytest.raises(ValueError, match="cannot be matched to those of 'demo', which are 'negative', 'positive'"):
            evaluate(setup, external, "demo", calibrate=False)


def test_a_model_that_reads_less_than_the_task_s_length_says_so(setup, tmp_path) -> None:
    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64, max_position_embeddings=20
    )
    save_classifier(BertForSequenceClassification(config), tmp_path / "short", find_backbone("minilm").load_tokenizer())
    external = find_external(str(tmp_path / "short"), None, None, device="cpu")
    (record,) = evaluate(setup, external, "demo", calibrate=False)
    assert record.victim["notes"][1:] == ["It reads 20 tokens of a text, fewer than the 64 of the task."]


def test_a_missing_evaluation_is_found_by_verify(setup, place: str) -> None:
    external = find_external(None, place, "mine", device="cpu")
    (record,) = evaluate(setup, external, "demo", calibrate=False)
    attacked = attack_external(setup, external, record, TEXTBUGGER)
    (setup.store.root / "evaluations" / record.key / "record.json").unlink()
    unfinished, missing = verify(Store(setup.store.root, writable=False))
    assert unfinished.place == f"evaluations/{record.key}" and "there is no record" in unfinished.what
    assert missing.place == f"attacks/{attacked.key}" and "the evaluation" in missing.what


def test_a_damaged_evaluation_is_moved_away(setup, place: str) -> None:
    (record,) = evaluate(setup, find_external(None, place, None, device="cpu"), "demo", calibrate=False)
    path = setup.store.root / "evaluations" / record.key / "record.json"
    path.write_text(path.read_text().replace(record.clean_correct, record.clean_correct[::-1] + "1"))
    (said,) = setup.store.quarantine()
    assert "its checksum does not fit" in said and not list(setup.store.evaluations())


def test_mistakes_are_one_sentence(setup, options, place: str, tiny_backbone) -> None:
    for model, function, received in ((None, None, "neither"), ("a", place, "--model and --callable")):
        with pytest.raises(ValueError, match=f"given by one of --model and --callable, got '{received}'"):
            find_external(model, function, None, device="cpu")
    three = find_external(None, place.replace(":predict", ":three"), None, device="cpu")
    with pytest.raises(ValueError, match=r"probabilities of shape \(8, 2\)"):
        evaluate(setup, three, "demo", calibrate=False)
    whole = resolve(replace(options, attacked=20))
    with pytest.raises(ValueError, match="none is left to calibrate on; give a smaller --attacked or --no-calibrate"):
        evaluate(whole, find_external(None, place, None, device="cpu"), "demo", calibrate=True)


def test_texts_that_broke_are_attacked_again_by_the_next_run(setup, place: str, capsys) -> None:
    path = Path(place.partition(":")[0])
    state = path.with_name("down")
    path.write_text(
        f"import pathlib\n{PREDICT}\ndef flaky(texts):\n"
        f"    if pathlib.Path({str(state)!r}).exists(): raise RuntimeError('429 Too Many Requests')\n"
        f"    return predict(texts)\n"
    )
    external = find_external(None, f"{path}:flaky", None, device="cpu", retries=0)
    (record,) = evaluate(setup, external, "demo", calibrate=False)
    state.touch()
    attacked = attack_external(setup, external, record, TEXTBUGGER)
    assert {outcome.status for outcome in setup.store.outcomes(attacked.key)} == {"error"}
    (finding,) = verify(setup.store)
    assert "3 of 3 texts broke: UserCodeError: the callable" in finding.what and "429 Too Many" in finding.what
    caption = " ".join(table_of_externals(setup).caption)
    assert "3 of 3 texts broke" in caption and "the same command attacks them again" in caption

    found = overview(setup.store.root)
    assert found.attacks is not None and found.attacks.table.incomplete and not found.attacks.curves
    with pytest.raises(SystemExit) as end:
        main(["report", "--out", str(setup.store.root)])
    assert end.value.code == 3 and (setup.store.root / "index.html").is_file()

    state.unlink()
    (said,) = setup.store.quarantine()
    assert "3 of 3 texts broke" in said and said.endswith("they are attacked again")
    attack_external(setup, external, record, TEXTBUGGER)
    assert "error" not in {outcome.status for outcome in setup.store.outcomes(attacked.key)}
    assert verify(setup.store) == [] and setup.store.quarantine() == []


def test_a_number_of_retries_is_checked(place: str, tiny_backbone) -> None:
    with pytest.raises(UserError, match="--retries must be 0 to 20, got -1"):
        find_external(None, place, None, device="cpu", retries=-1)
    with pytest.raises(UserError, match="--retries must be left out beside --model"):
        find_external(str(tiny_backbone), None, None, device="cpu", retries=1)
