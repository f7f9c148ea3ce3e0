"""A user's own files are a task, and what keeps them from being one is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from demo_jobs import context_of, job_of, study_of

from benchmarks.data.loading import load
from benchmarks.data.own_task import find_any_task
from benchmarks.data.tasks import SST2
from benchmarks.jobs.stored_models import load as load_model
from benchmarks.jobs.train import train
from reports.experiments import report_on

ROWS = "text,label\n" + "".join(
    f'"a {word}, number {number}",{word}\n' for number in range(8) for word in ("good", "bad", "fair")
)


@pytest.fixture
def folder(tmp_path) -> Path:
    home = tmp_path / "DIR" / "reviews"
    home.mkdir(parents=True)
    for split in ("train", "test"):
        (home / f"{split}.csv").write_text(ROWS)
    return home.parent


def test_the_classes_are_the_training_labels_in_order(folder) -> None:
    task = find_any_task("reviews", folder, None, None)
    assert task.label_names == ("bad", "fair", "good")
    dataset = load(task, data_dir=folder)
    assert dataset.train[0].texts == ("a good, number 0",) and dataset.train[0].label == 2
    assert (dataset.origin, len(dataset.test)) == ("folder", 24)


def test_numbers_are_ordered_by_value(folder) -> None:
    (folder / "reviews" / "train.csv").write_text("text,label\na,10\nb,-1\nc,2\n")
    assert find_any_task("reviews", folder, None, None).label_values == ("-1", "2", "10")


def test_pairs_and_other_names_of_columns(folder) -> None:
    home = folder / "reviews"
    for split in ("train", "test"):
        (home / f"{split}.csv").unlink()
        (home / f"{split}.tsv").write_text("stars\tq\ta\n1\twhy\tno\n5\twho\tme\n")
    dataset = load(find_any_task("reviews", folder, ["q", "a"], "stars"), data_dir=folder)
    assert dataset.columns == ("q", "a") and dataset.train[1].texts == ("who", "me")


def test_files_beside_the_task_are_not_taken_for_it(folder) -> None:
    for split in ("train", "test"):
        (folder / f"{split}.csv").write_text("text,label\nx,good\ny,bad\n")
    dataset = load(find_any_task("reviews", folder, None, None), data_dir=folder)
    assert len(dataset.train) == 24


@pytest.mark.parametrize("name", ["review", "../reviews", "..", ""])
def test_a_name_that_is_no_folder_of_data_is_unknown(folder, name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown task .* known: .*or a folder with train\.csv"):
        find_any_task(name, folder, None, None)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("text,label\na,1\nb,1\n", "the column 'label' of .* must be of two or more classes, got '1'"),
        ("words,label\na,1\n", "has no column 'text'; its columns are: words, label"),
        (None, "must hold one file train.csv or train.tsv or train.jsonl or train.parquet, got 0"),
    ],
)
def test_files_that_are_no_task_are_named(folder, written: str | None, sentence: str) -> None:
    path = folder / "reviews" / "train.csv"
    path.unlink() if written is None else path.write_text(written)
    with pytest.raises(ValueError, match=sentence):
        find_any_task("reviews", folder, None, None)


def test_a_label_that_only_the_test_file_has_is_named(folder) -> None:
    (folder / "reviews" / "test.csv").write_text("text,label\na,odd\n")
    with pytest.raises(ValueError, match="row 1: unknown label 'odd'; allowed: bad, fair, good"):
        load(find_any_task("reviews", folder, None, None), data_dir=folder)


def test_the_suites_own_tasks_keep_their_columns(folder) -> None:
    assert find_any_task("sst2", folder, None, None) is SST2
    with pytest.raises(ValueError, match="--label must be left out for 'sst2'"):
        find_any_task("sst2", folder, None, "stars")


def test_a_method_is_trained_on_it_and_stands_in_a_table(folder, options) -> None:
    context = context_of(replace(options, data=folder, tasks="reviews", recipes="textfooler"))
    train(context, job_of(context))
    row = report_on(study_of(context.options, "fine_tune")).table.records()[0]
    assert (row["task"], row["runs"]) == ("reviews", 1)
    model, _ = load_model(options.out)
    assert model.config.id2label == {0: "bad", 1: "fair", 2: "good"}
