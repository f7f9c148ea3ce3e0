"""Loading from folders, from the hub's own library, and the mistakes that are named."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks.data.loading import load
from benchmarks.data.tasks import AG_NEWS, DEMO, IMDB, QNLI, QQP, SST2


def sst2_folder(folder: Path, train: str = "a good one\t1\nbad\t0\n", test: str = "fine\t1\n") -> Path:
    home = folder / "sst2"
    home.mkdir(parents=True)
    (home / "train.tsv").write_text("sentence\tlabel\n" + train)
    (home / "validation.tsv").write_text("sentence\tlabel\n" + test)
    return folder


def test_a_folder_is_read(tmp_path) -> None:
    dataset = load(SST2, data_dir=sst2_folder(tmp_path))
    assert [(e.id, e.texts, e.label) for e in dataset.train] == [
        ("train-0", ("a good one",), 1),
        ("train-1", ("bad",), 0),
    ]
    assert dataset.test[0].id == "test-0"
    inside = load(SST2, data_dir=tmp_path / "sst2")
    assert inside.fingerprint == dataset.fingerprint, "the task's own folder may be given"


def test_limits_draw_with_the_seed_and_keep_the_order(tmp_path) -> None:
    folder = sst2_folder(tmp_path, "".join(f"text {number}\t{number % 2}\n" for number in range(50)))
    first, again, other = (load(SST2, data_dir=folder, train_limit=10, seed=seed) for seed in (0, 0, 1))
    assert first.train == again.train != other.train
    numbers = [int(example.id.split("-")[1]) for example in first.train]
    assert numbers == sorted(numbers) and len(numbers) == 10
    assert first.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ("a\t1\nb\t2\n", "row 2: unknown label '2'; allowed: 0, 1"),
        ("a\t1\n  \t0\n", "row 2: the text is empty"),
        ("", "holds no rows"),
    ],
)
def test_bad_rows_are_named(tmp_path, train: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        load(SST2, data_dir=sst2_folder(tmp_path, train))
    assert sentence in str(refusal.value)
    assert "train.tsv" in str(refusal.value)


def test_missing_files_and_folders_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"lacks what task 'sst2' needs: .*sst2/train.tsv, .*sst2/validation.tsv"):
        load(SST2, data_dir=tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        load(SST2, data_dir=tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        load(SST2, data_dir=tmp_path / "file")


def test_the_demo_is_generated_whatever_the_folder() -> None:
    assert load(DEMO, data_dir=None, offline=True, train_limit=100).origin == "generated"


def test_offline_without_a_copy_names_what_would_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def refuse(*arguments, **options):
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(ValueError) as refusal:
        load(IMDB, offline=True)
    assert IMDB.hub.repository in str(refusal.value) and IMDB.hub.revision in str(refusal.value)
    assert "--offline forbids fetching it" in str(refusal.value)


def test_the_hub_s_layout_is_read_by_its_own_library(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local copy in the hub's layout (Parquet files, one per split), read by the real library without network."""
    import datasets

    rows = {
        "train": {"question": ["q1", "q2"], "sentence": ["s1", "s2"], "label": [0, 1], "idx": [0, 1]},
        "validation": {"question": ["q3"], "sentence": ["s3"], "label": [1], "idx": [0]},
    }
    for split, columns in rows.items():
        datasets.Dataset.from_dict(columns).to_parquet(tmp_path / f"{split}-00000-of-00001.parquet")
    real = datasets.load_dataset

    def from_copy(repository, configuration, revision):
        assert (repository, configuration, revision) == (QNLI.hub.repository, "qnli", QNLI.hub.revision)
        return real(str(tmp_path), cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", from_copy)
    dataset = load(QNLI)
    assert [(example.texts, example.label) for example in dataset.train] == [(("q1", "s1"), 0), (("q2", "s2"), 1)]
    assert dataset.origin.startswith("nyu-mll/glue@")


@pytest.mark.parametrize(
    ("task", "train", "test", "labels"),
    [
        (SST2, 67_349, 872, 2),
        (AG_NEWS, 43_489, 6_100, 4),
        (IMDB, 8_000, 2_500, 2),
        (QNLI, 9_999, 5_463, 2),
        (QQP, 19_489, 4_000, 2),
    ],
    ids=lambda value: getattr(value, "key", None),
)
def test_real_sets_are_read_whole(shared_data, task, train: int, test: int, labels: int) -> None:
    dataset = load(task, data_dir=shared_data)
    assert (len(dataset.train), len(dataset.test)) == (train, test)
    assert {example.label for example in dataset.test} == set(range(labels))
    assert all(len(example.texts) == len(task.columns) for example in dataset.test)
