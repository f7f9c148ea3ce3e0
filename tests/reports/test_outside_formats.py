"""A model's numbers as the Hugging Face Hub and Every Eval Ever read them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results
from made_up_victims import Made

from benchmarks.results.store import Store
from reports.measured import measure
from reports.outside_formats import every_eval_ever, hub_results, model_index, of_one_model, write_outside_formats
from reports.row import Row, row_of

# What the schemas of version 0.3.0 require.
RECORD = {
    "schema_version",
    "evaluation_id",
    "retrieved_timestamp",
    "source_metadata",
    "model_info",
    "eval_library",
    "evaluation_results",
}
SAMPLE = {
    "schema_version",
    "evaluation_id",
    "model_id",
    "evaluation_name",
    "sample_id",
    "interaction_type",
    "input",
    "answer_attribution",
    "evaluation",
}
SAMPLES = re.compile(
    r"data/[^/]+/[^/]+/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}_samples\.jsonl"
)


@pytest.fixture
def made() -> Made:
    return Made().add("freelb", texts=40, clean=30, aua=20, recipes=("textfooler", "textbugger"))


@pytest.fixture
def row(made: Made) -> Row:
    return row_of(measure(made.trainings, made.results)[0], by="some body", link="https://example.org/r.tar.gz")


def test_the_card_s_block_is_read_back_by_the_hub_s_own_library(row: Row) -> None:
    block = yaml.safe_load(model_index(of_one_model(row, 42)))
    name, results = model_index_to_eval_results(block["model-index"])
    assert name.startswith("sst2-freelb-42-")
    assert [(each.metric_name, each.metric_value) for each in results] == [
        ("Accuracy, %", 75.0),
        ("Accuracy under attack by Textbugger, %", 50.0),
        ("Accuracy under attack by Textfooler, %", 50.0),
    ]
    assert {(each.dataset_type, each.dataset_config, each.dataset_split) for each in results} == {
        ("nyu-mll/glue", "sst2", "validation")
    }
    assert results[1].metric_args["texts"] == 40 and results[0].source_url == row.link


def test_the_hub_s_results_name_data_set_task_value_and_source(row: Row) -> None:
    entries = yaml.safe_load(hub_results(of_one_model(row, 43)) or "")
    assert [(each["dataset"]["id"], each["dataset"]["task_id"]) for each in entries] == [
        ("nyu-mll/glue", name) for name in ("sst2", "sst2_textbugger", "sst2_textfooler")
    ]
    assert entries[0]["value"] == 77.5 and entries[0]["source"]["url"] == row.link
    assert entries[0]["date"] == "2026-01-01T00:00:00+00:00" and "40 texts" in entries[1]["notes"]
    made = Made().add("freelb", task="reviews")
    assert hub_results(of_one_model(row_of(measure(made.trainings, made.results)[0]), 42)) is None


def test_a_record_of_every_eval_ever_has_a_sample_for_each_attacked_text(made: Made, row: Row) -> None:
    one = of_one_model(row, 42)
    outcomes = {attack.key: _outcomes(made, attack.runs[42].key) for attack in one.attacks}
    (path, text), (samples_path, lines) = every_eval_ever(one, outcomes).items()
    record, samples = json.loads(text), [json.loads(line) for line in lines.splitlines()]
    assert record.keys() >= RECORD and all(sample.keys() >= SAMPLE for sample in samples)
    told = record["detailed_evaluation_results"]
    assert SAMPLES.fullmatch(told["file_path"]) and samples_path.endswith(told["file_path"])
    assert told["file_path"].removesuffix("_samples.jsonl") == path.removeprefix("every_eval_ever/")[: -len(".json")]
    assert "/some-body/sst2-freelb-42-" in path
    assert (told["total_rows"], told["checksum"]) == (80, hashlib.sha256(lines.encode()).hexdigest())
    scores = {each["evaluation_name"]: each["score_details"]["score"] for each in record["evaluation_results"]}
    assert scores == {"sst2": 75.0, "sst2_textbugger": 50.0, "sst2_textfooler": 50.0}
    for name in ("sst2_textbugger", "sst2_textfooler"):
        own = [sample["evaluation"]["score"] for sample in samples if sample["evaluation_name"] == name]
        assert 100 * sum(own) / len(own) == scores[name]
    assert {sample["evaluation_id"] for sample in samples} == {record["evaluation_id"]}
    results = [each["evaluation_result_id"] for each in record["evaluation_results"]]
    assert len(set(results)) == 3 and {sample["evaluation_result_id"] for sample in samples} == set(results[1:])
    assert samples[0]["input"]["raw"] == "a good film" and samples[0]["input"]["formatted"] == "a fine film"
    assert {tuple(sample["output"]["raw"]) for sample in samples} == {("positive",), ("not positive",)}


def _outcomes(made: Made, key: str) -> list:
    return list(next(result.outcomes for result in made.results if result.record.key == key))


def test_each_model_has_its_files_and_the_same_ones_again(made: Made, row: Row, tmp_path: Path) -> None:
    store = Store(made.store(tmp_path))
    (folder,) = write_outside_formats(store, [row])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 3 * 4 and len(list(folder.rglob(".eval_results/earlyrobust.yaml"))) == 3
    write_outside_formats(store, [row])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert write_outside_formats(store, []) == []
