"""Any classifier on any file: read, attacked, stored, continued, refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from baselines.validation import UserError
from benchmarks.data.classes import Classes
from benchmarks.experiments.options import AttackOptions
from benchmarks.jobs import attack_file
from benchmarks.jobs.attack_file import read_examples, resolve_attack, with_calibration
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier

ROWS = ("good film,1", "a bad film and a poor plot,0", ",1", "good \U0001f600 food,0", "the plot was fine,1")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A random classifier with MiniLM's tokenizer."""
    folder = tmp_path_factory.mktemp("classifier") / "model"
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    config.initializer_range = 0.3
    save_classifier(BertForSequenceClassification(config), folder, find_backbone("minilm").load_tokenizer())
    return folder


@pytest.fixture
def options(model, tmp_path) -> AttackOptions:
    """Five texts under TextBugger."""
    data = tmp_path / "texts.csv"
    data.write_text("\n".join(["text,label", *ROWS]), "utf-8")
    return AttackOptions(model=str(model), data=data, recipe="textbugger", out=tmp_path / "out", device="cpu")


def test_both_engines_find_the_same(options) -> None:
    ours = resolve_attack(options).run()
    theirs = resolve_attack(replace(options, engine="textattack")).run()
    assert ours == theirs and len(ours) == 5
    assert [outcome.example_id for outcome in ours] == [f"texts-{row}" for row in range(5)]


def test_a_killed_attack_goes_on_and_ends_with_the_same_outcomes(options, monkeypatch) -> None:
    expected = resolve_attack(replace(options, out=options.out / "whole")).run()
    attack = resolve_attack(options)
    seen = []

    def killed() -> None:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack.run(killed)
    assert len(attack.stored()) == 2
    again = resolve_attack(options)
    counted = []
    assert again.run(lambda: counted.append(1)) == expected
    assert len(counted) == 3
    assert again.run(lambda: pytest.fail("was attacked again")) == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_on_the_threads_that_are_asked_for(options, threads) -> None:
    seen = set()
    resolve_attack(replace(options, threads=threads)).run(lambda: seen.add(torch.get_num_threads()))
    assert seen == {threads}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            "good,7\ngood film,1\n",
            r"row 1: the label '7' is outside the model's 2 classes; labels are numbers from 0 to 1",
        ),
        ("good,1\ngood film,-1\n", r"row 2: the label '-1' is outside"),
        ("good,1\nbad,2\n", r"row 2: the label '2' is outside"),
        ("good,1\nbad,LABEL_0\n", r"row 1: the label '1' is none of the model's classes, while 'LABEL_0' is one"),
        ("good,1.0\n", r"the label '1\.0' is no number .*; write whole numbers without a fraction, as in 1"),
        ("good,True\n", r"the label 'True' is no number .*; write the class names"),
    ],
)
def test_labels_that_are_no_classes_are_refused_before_any_query(options, rows: str, sentence: str) -> None:
    options.data.write_text("text,label\n" + rows, "utf-8")
    with pytest.raises(ValueError, match=sentence):
        resolve_attack(replace(options, limit=1))


def test_labels_may_be_the_models_class_names(tmp_path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("a\tlabel\tb\nx\tNEG\ty\n\tPOS\tz\n", "utf-8")
    (first, second), note = read_examples(path, ("a", "b"), "label", Classes(("NEG", "POS")))
    assert note is None
    assert (first.texts, first.label) == (("x", "y"), 0)
    assert (second.texts, second.label) == (("", "z"), 1)


def test_the_victims_temperature_is_part_of_the_identity(options) -> None:
    keys = {resolve_attack(replace(options, temperature=t)).key for t in (1.0, 2.0)}
    assert len(keys) == 2


REFUSED = {
    "recipe": ({"recipe": "textfoller"}, "did you mean 'textfooler'"),
    "library recipe": ({"recipe": "textattack:PWWSRen2018"}, "did you mean 'PWWSRen2019'"),
    "engine": ({"engine": "lockstop"}, "did you mean 'lockstep'"),
    "masked model": ({"recipe": "bertattack"}, "earlyrobust prepare"),
    "limit": ({"limit": 0}, "--limit must be 1 or more"),
    "budget": ({"query_budget": 0}, "--query-budget must be 1 or more"),
    "temperature": ({"temperature": 0.0}, "--temperature must be positive"),
    "columns": ({"columns": "a,b,c"}, "one or two columns"),
    "missing column": ({"columns": "sentence"}, "has no column 'sentence'; its columns are: text, label"),
    "model": ({"model": "nowhere"}, "unknown backbone 'nowhere'"),
    "no classifier": ({"model": "minilm"}, "is no text classifier"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_is_named_in_a_sentence(options, case: str) -> None:
    changes, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        resolve_attack(replace(options, **changes))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text,label\n", "holds no rows"),
        (b"text,label\ngood,maybe\n", "the label 'maybe' is no number and none of 'LABEL_0', 'LABEL_1'"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_a_broken_file_is_named(options, content: bytes, sentence: str) -> None:
    options.data.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        resolve_attack(options)


def test_a_file_of_another_kind_is_refused(options, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"has the ending '\.xlsx'; use \.csv"):
        resolve_attack(replace(options, data=tmp_path / "texts.xlsx"))


def test_textattacks_own_recipes_run_in_its_own_loop(options) -> None:
    attack = resolve_attack(replace(options, recipe="textattack:DeepWordBugGao2018"))
    assert attack.engine == "textattack"
    assert {outcome.status for outcome in attack.run()} <= {"skipped", "failed", "successful"}
    with pytest.raises(ValueError, match="attack with the engine 'textattack'"):
        list(
            attack_file.engine.attack_all(attack.victim, [], attack.recipe, attack.resources, seed=1, columns=("text",))
        )


def test_a_sure_victim_is_attacked_before_and_after_calibration(options, tmp_path) -> None:
    held_out = tmp_path / "held_out.csv"
    held_out.write_text("text,label\n" + "".join(f"a text number {number},{number % 2}\n" for number in range(8)))
    plain, fitted = with_calibration(resolve_attack(options), replace(options, calibrate=held_out))
    assert plain.victim.temperature == 1 and fitted.victim.temperature > 1  # labels at random: no ground for confidence
    assert plain.key != fitted.key and plain.examples == fitted.examples
    texts = [example.texts for example in plain.examples]
    before, after = plain.victim(texts), fitted.victim(texts)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert after.max(axis=1).mean() < before.max(axis=1).mean()


def test_calibration_asks_for_texts_of_its_own_and_no_temperature(options) -> None:
    attack = resolve_attack(options)
    with pytest.raises(ValueError, match="--calibrate must be a file of texts that are not attacked, got '5 that are'"):
        with_calibration(attack, replace(options, calibrate=options.data))
    with pytest.raises(ValueError, match="--temperature must be left out beside --calibrate"):
        with_calibration(attack, replace(options, calibrate=options.data, temperature=2.0))


@pytest.mark.parametrize("separator", [" ", "\t", "\u2003"])
def test_a_text_too_long_to_attack_is_refused_before_the_work(options, separator: str) -> None:
    options.data.write_text(f'text,label\ngood film,1\n"{separator.join(["good"] * 5001)}",1\n', "utf-8")
    with pytest.raises(UserError, match=r"texts-1 has 5,001 words; at most 5,000 .* or --max-words 5001"):
        resolve_attack(options)
    assert len(resolve_attack(replace(options, max_words=5001)).examples) == 2
    assert len(resolve_attack(replace(options, limit=1)).examples) == 1, "texts that are not attacked may be longer"


def test_queries_are_told_while_a_text_is_attacked(options) -> None:
    told: list[int] = []
    outcomes = resolve_attack(options).run(on_queries=told.append)
    # A success is asked once more, which is no query; a text misread from the start was asked once all the same
    assert sum(told) >= sum(outcome.queries for outcome in outcomes) and len(told) > len(outcomes)
