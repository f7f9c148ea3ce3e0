"""Files that are not what they should be, by the thousand: one sentence of the expected errors, nothing written.

Each reader gets three kinds of content: bytes, JSON, and its own format with pieces changed. None may leave a trace in
the folder it reads from, and what is accepted must be whole. The slow test does the same with ten thousand inputs.
Tables with a fault of a known kind are never accepted.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import attack, outcome, training
from pyarrow import parquet
from safetensors.torch import save
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import BertConfig, BertForSequenceClassification

from baselines.freelb import FreeLB
from baselines.validation import EXPECTED, UserError
from benchmarks.attacks.counter_fitted import CounterFitted
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.attacks.time_limit import time_limit
from benchmarks.data.array_cache import cached_arrays
from benchmarks.data.assets import Archive, Asset, state_of
from benchmarks.data.classes import Classes
from benchmarks.data.loading import _hub_split, load
from benchmarks.data.own_task import find_any_task
from benchmarks.data.pickled_words import convert_words
from benchmarks.data.tasks import TASKS
from benchmarks.experiments.defenses import find_defense
from benchmarks.experiments.settings import parse_assignments, with_settings
from benchmarks.jobs.attack_texts import read_texts
from benchmarks.regression.references import Reference, read_reference
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
from benchmarks.results.seals import SEALS, broken_seals
from benchmarks.results.store import Store, _checksum
from benchmarks.results.verify import verify
from benchmarks.victims.backbones import Backbone
from benchmarks.victims.external import CallableVictim, load_callable
from benchmarks.victims.saved import load_classifier
from earlyrobust.cli.experiments import reproduce
from earlyrobust.cli.parser import bind
from earlyrobust.cli.victims import attack as attack_verb
from reports.documents import write_into
from reports.published import published
from reports.verified import verified

EXAMPLES = 90  # for each of the readers below
MANY = 320  # in the slow test
HANGS_SECONDS = 60
FAULTY_TABLES = 1500  # for each format

NAMES = [each.name for kind in (TrainingRecord, AttackRecord, Outcome, Reference) for each in fields(kind)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner),
    max_leaves=8,
)
SURROGATE = b'{"good": ["\\ud800"]}'


def changed(sound: bytes) -> st.SearchStrategy[bytes]:
    """Sound content cut, doubled, or with a few bytes in the place of others."""

    def change(place: int, length: int, piece: bytes, keep: bool) -> bytes:
        place %= len(sound) + 1
        return sound[:place] + piece + (sound[place + length :] if keep else b"")

    return st.builds(change, st.integers(0, 1 << 16), st.integers(0, 9), st.binary(max_size=6), st.booleans())


def contents(sound: bytes) -> st.SearchStrategy[bytes]:
    """Rubbish, JSON, and nearly sound content."""
    texts = st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
    as_json = JSON.map(lambda value: json.dumps(value).encode())
    deep = st.just(b"[").map(lambda opening: opening * 100_000)
    return st.binary(max_size=60) | texts | as_json | changed(sound) | st.sampled_from([SURROGATE, b""]) | deep


@dataclass(frozen=True)
class Reader:
    """One reader of files.

    Attributes:
        name: the file, in a folder of its own.
        sound: content it accepts.
        read: reads the folder; what it returns was accepted.
        beside: other files that must be there.
    """

    name: str
    sound: bytes
    read: Callable[[Path], Any]
    beside: tuple[tuple[str, bytes], ...] = ()


def array(values: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, values)
    return written.getvalue()


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def with_checksum(values: dict[str, Any]) -> bytes:
    values = json.loads(json.dumps(values))
    return as_bytes(values | {"sha256": _checksum(values)})


def task_files(name: str) -> tuple[tuple[str, bytes], ...]:
    sound = {
        "sst2": b"sentence\tlabel\na good film\t1\n",
        "ag_news": b'3,"Title","Text, quoted"\n',
        "imdb": b'text,label\n"a good\nfilm",1\n',
        "qnli": b"question\tsentence\tlabel\nwho?\tshe\tentailment\n",
    }
    task = TASKS[name]
    return (f"{name}/{task.train_file}", sound[name]), (f"{name}/{task.test_file}", sound[name])


def task_reader(name: str) -> Reader:
    def read(folder: Path) -> None:
        found = load(TASKS[name], data_dir=folder)
        for example in (*found.train, *found.test):
            assert all(text.strip() for text in example.texts) and example.label in range(len(found.label_names))

    (train, content), test = task_files(name)
    return Reader(train, content, read, (test,))


def checkpoint(folder: Path) -> Any:
    """Never refused: what does not serve is named in the log, and the stage trained again."""
    return Checkpoints(folder, {"machine": "x"}).load(0)


def store_reader(read: Callable[[Store, str], Any]) -> Callable[[Path], Any]:
    return lambda folder: read(Store(folder, writable=False), "k")


TRAINED = training()
ATTACKED = attack(TRAINED)
LINE = as_bytes({"outcome": outcome(1).as_json(), "sha256": _checksum(outcome(1).as_json())}) + b"\n"
REFERENCE = Reference({}, {}, {}, [], {}, 1.0, {})
VECTORS = (
    ("words.json", b'["good", "fine"]'),
    ("paragram.npy", array(np.eye(2))),
    ("nn.npy", array(np.array([[0, 1], [1, 0]]))),
)
PUBLISHED = b"paper,task,defense,column,value,source\nx,sst2,pgd,clean_percent,90.5,Table 1\n"
SIZES = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 9}
CONFIG = as_bytes({"model_type": "bert"} | SIZES)


NO_TENSORS = b"\x08\0\0\0\0\0\0\0{}      "


def tiny_weights() -> bytes:
    torch.manual_seed(0)
    return save(BertForSequenceClassification(BertConfig(**SIZES)).state_dict())


TINY_WEIGHTS = tiny_weights()
TINY_TOKENIZER = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2}, unk_token="[UNK]")).to_str().encode()


def synonyms(folder: Path) -> None:
    found = NeighbourList.from_file(folder / "n.json")
    assert all(isinstance(word, str) for word in found.neighbours("good", 9)) and found.identity()


def vectors(folder: Path) -> None:
    found = CounterFitted(folder)
    found.similarities("good", ["fine"])


def asset(folder: Path) -> None:
    state_of(Asset("a", "https://example.org/a", "a.zip", archive=Archive("out", members=("b",))), folder)


def parquet_of(columns: dict[str, list[Any]]) -> bytes:
    written = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), written)
    return written.getvalue()


PARQUET = parquet_of({"text": ["a good film", "b"], "label": ["pos", "neg"]})
OWN = b'text,label\n"a good film",1\nbad,0\n'
DEFENSE = b"""
from dataclasses import dataclass
from baselines.fine_tune import FineTune

@dataclass(frozen=True)
class Mine(FineTune, key="mine_own"):
    pass
"""


def own(folder: Path) -> None:
    task = find_any_task("mine", folder, None, None)
    found = load(task, data_dir=folder)
    assert all(example.label in range(len(task.label_names)) for example in (*found.train, *found.test))


def setting(folder: Path) -> None:
    written = (folder / "s.txt").read_bytes().decode("utf-8", "surrogateescape")
    with_settings(FreeLB(), parse_assignments([written]))


def flags(folder: Path) -> None:
    """The arguments of a verb, a line each; help ends the process."""
    written = (folder / "f.txt").read_bytes().decode("utf-8", "surrogateescape").split("\n")
    with suppress(SystemExit), redirect_stdout(io.StringIO()):
        bind(reproduce, ["table1", *written], "earlyrobust reproduce")


def attack_flags(folder: Path) -> None:
    written = (folder / "f.txt").read_bytes().decode("utf-8", "surrogateescape").split("\n")
    with suppress(SystemExit), redirect_stdout(io.StringIO()):
        bind(attack_verb, written, "earlyrobust attack")


def answers(folder: Path) -> None:
    function, _ = load_callable(f"{folder / 'mine.py'}:predict")
    CallableVictim(function, "mine", 2)([("a",), ("b",)])


def document(folder: Path) -> list[str]:
    return write_into(folder / "README.md", folder)


READERS = {
    "training record": Reader(
        f"trainings/{TRAINED.key}/record.json",
        with_checksum(vars(TRAINED)),
        lambda folder: [*Store(folder, writable=False).trainings()],
    ),
    "attack record": Reader(
        f"attacks/{ATTACKED.key}/record.json",
        with_checksum(vars(ATTACKED)),
        lambda folder: [*Store(folder, writable=False).attacks()],
    ),
    "outcomes": Reader("attacks/k/outcomes.jsonl", LINE * 2, store_reader(lambda store, key: store.outcomes(key))),
    "victim": Reader(
        "attacks/k/victim.json", b'{"weights_sha256": "0"}', store_reader(lambda store, key: store.victim(key))
    ),
    "seals": Reader(SEALS, b"0" * 64 + b"  a.csv\n", lambda folder: [*broken_seals(folder)], (("a.csv", b"1"),)),
    "results folder": Reader(
        f"trainings/{TRAINED.key}/record.json",
        with_checksum(vars(TRAINED)),
        lambda folder: verify(Store(folder, writable=False)),
    ),
    "table": Reader(
        "table1.json",
        as_bytes({"rows": [{"task": "x"}], "sources": {"trainings": ["x"], "attacks": []}}),
        verified,
        ((f"attacks/{ATTACKED.key}/record.json", with_checksum(vars(ATTACKED) | {"example_ids": []})),),
    ),
    "checkpoint": Reader("stage-0.safetensors", NO_TENSORS, checkpoint),
    "parts of a checkpoint": Reader("parts", b"2", checkpoint),
    "reference": Reader("r.json", as_bytes(vars(REFERENCE)), lambda folder: read_reference(folder / "r.json")),
    "published numbers": Reader("p.csv", PUBLISHED, published),
    "attacked CSV": Reader(
        "t.csv",
        b'text,label\n"a good film",1\n',
        lambda folder: read_texts(folder / "t.csv").examples(Classes(("neg", "pos"))),
    ),
    "attacked TSV": Reader(
        "t.tsv",
        b"question\tsentence\tlabel\nwho?\tshe\t1\n",
        lambda folder: read_texts(folder / "t.tsv", ("question", "sentence")).examples(Classes(("a", "b"))),
    ),
    "sst2": task_reader("sst2"),
    "ag_news": task_reader("ag_news"),
    "imdb": task_reader("imdb"),
    "qnli": task_reader("qnli"),
    "neighbour list": Reader("n.json", b'{"good": ["fine", "great"]}', synonyms),
    "packed neighbour list": Reader("n.json", gzip.compress(b'{"good": ["fine", "great"]}'), synonyms),
    "words of vectors": Reader("words.json", VECTORS[0][1], vectors, VECTORS[1:]),
    "vectors": Reader("paragram.npy", VECTORS[1][1], vectors, (VECTORS[0], VECTORS[2])),
    "neighbours of vectors": Reader("nn.npy", VECTORS[2][1], vectors, VECTORS[:2]),
    "asset lock": Reader(
        "assets.lock.json",
        as_bytes({"fetched": {"a": "0"}, "unpacked": {"a": {"archive": "0", "files": {"b": "0"}}}}),
        asset,
        (("a.zip", b"x"), ("out/b", b"x")),
    ),
    "word list": Reader("wordlist.pickle", b"\x80\x04}\x94\x8c\x04good\x94K\x00s.", convert_words),
    "weights": Reader("model.safetensors", TINY_WEIGHTS, load_classifier, (("config.json", CONFIG),)),
    "tokenizer": Reader(
        "tokenizer.json",
        TINY_TOKENIZER,
        lambda folder: Backbone("m", str(folder)).load_tokenizer()("a b"),
        (("config.json", CONFIG), ("model.safetensors", NO_TENSORS)),
    ),
    "settings of a tokenizer": Reader(
        "tokenizer_config.json",
        as_bytes({"model_max_length": 9, "pad_token": "[PAD]", "truncation_side": "left"}),
        lambda folder: Backbone("m", str(folder)).load_tokenizer()("a b"),
        (("config.json", CONFIG), ("model.safetensors", NO_TENSORS), ("tokenizer.json", TINY_TOKENIZER)),
    ),
    "attacked JSON lines": Reader(
        "t.jsonl",
        b'{"text": "a good film", "label": "pos"}\n{"text": "b", "label": "neg"}\n',
        lambda folder: read_texts(folder / "t.jsonl").examples(Classes(("neg", "pos"))),
    ),
    "attacked Parquet": Reader(
        "t.parquet", PARQUET, lambda folder: read_texts(folder / "t.parquet").examples(Classes(("neg", "pos")))
    ),
    "own task": Reader("mine/train.csv", OWN, own, (("mine/test.csv", OWN),)),
    "own task's test": Reader("mine/test.csv", OWN, own, (("mine/train.csv", OWN),)),
    "setting": Reader("s.txt", b"ascent.steps=3", setting),
    "flags": Reader("f.txt", b"--runs\n3\n--preset\ndemo\n--json\na.json", flags),
    "flags of attack": Reader(
        "f.txt", b"--model\nm\n--data\nd.csv\n--max-words\n9\n--temperature\n2\n--no-wait", attack_flags
    ),
    "vocabulary": Reader(
        "vocab.txt",
        b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n",
        lambda folder: Backbone("m", str(folder)).load_tokenizer()("a b"),
        (("config.json", CONFIG), ("model.safetensors", NO_TENSORS)),
    ),
    "special tokens": Reader(
        "special_tokens_map.json",
        as_bytes({"unk_token": "[UNK]", "pad_token": {"content": "[PAD]", "lstrip": False}}),
        lambda folder: Backbone("m", str(folder)).load_tokenizer()("a b"),
        (("config.json", CONFIG), ("model.safetensors", NO_TENSORS), ("tokenizer.json", TINY_TOKENIZER)),
    ),
    "callable's file": Reader("mine.py", b"def predict(texts):\n    return [[0.5, 0.5]] * len(texts)\n", answers),
    "defense's file": Reader("mine.py", DEFENSE, lambda folder: find_defense(str(folder / "mine.py"))),
    "block of a document": Reader(
        "README.md", b"<!-- earlyrobust table1 -->\n<!-- end of table1 -->\n", lambda folder: [*document(folder)]
    ),
    "model configuration": Reader(
        "config.json", CONFIG, load_classifier, (("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),)
    ),
}


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_examples_are_as_many_as_promised() -> None:
    assert len(READERS) * EXAMPLES >= 2000


@pytest.mark.parametrize("name", READERS)
def test_a_reader_refuses_with_a_sentence_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    read_malformed(name, tmp_path, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_inputs_are_refused_with_a_sentence_or_read(name: str, tmp_path: Path) -> None:
    assert len(READERS) * MANY >= 10_000
    read_malformed(name, tmp_path, MANY)


def read_malformed(name: str, tmp_path: Path, examples: int) -> None:
    """Has a reader read so many inputs, the same ones every time."""
    reader = READERS[name]
    place = tmp_path / reader.name
    inputs = [reader.name, *(path for path, _ in reader.beside)]
    for path, content in (*reader.beside, (reader.name, reader.sound)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    @given(contents(reader.sound))
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def read(content: bytes) -> None:
        place.write_bytes(content)
        before = files_of(tmp_path)
        try:
            with time_limit(HANGS_SECONDS):
                reader.read(tmp_path)
        except EXPECTED as refusal:
            assert str(refusal).strip() and len(str(refusal)) < 1000
            assert files_of(tmp_path) == before
        else:
            after = files_of(tmp_path)
            assert all(after[tmp_path / path] == before[tmp_path / path] for path in inputs)

    read()


FAULTS: dict[str, Callable[[Random, list[list[str]]], Any]] = {
    "one field more": lambda draw, rows: draw.choice(rows).append("more"),
    "one field less": lambda draw, rows: draw.choice(rows[1:]).pop(),
    "doubled column": lambda draw, rows: [row.append(row[draw.randrange(2)]) for row in rows],
    "other column": lambda draw, rows: rows[0].__setitem__(draw.randrange(2), "other"),
    "no header": lambda draw, rows: rows.pop(0),
    "empty label": lambda draw, rows: draw.choice(rows[1:]).__setitem__(1, draw.choice(["", " ", "\t"])),
    "unknown label": lambda draw, rows: draw.choice(rows[1:]).__setitem__(1, "no class"),
    "no rows": lambda draw, rows: rows.__delitem__(slice(1, None)),
    "nothing": lambda draw, rows: rows.clear(),
}
SPOILED: dict[str, Callable[[Random, bytes], bytes]] = {
    "NUL": lambda draw, content: spliced(draw, content, b"\0"),
    "no UTF-8": lambda draw, content: spliced(draw, content, b"\xff"),
    "UTF-16": lambda draw, content: content.decode().encode("utf-16"),
    "packed": lambda draw, content: gzip.compress(content),
}


def spliced(draw: Random, content: bytes, piece: bytes) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + piece + content[place:]


def sound_rows(draw: Random) -> list[list[str]]:
    words = ("good", "a film", 'the "best"', "so, so", "naïve", "two  spaces", "1")
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 6))) for _ in range(draw.randint(2, 8))]
    return [["text", "label"], *([text, draw.choice(["neg", "pos"])] for text in texts)]


def as_csv(draw: Random, rows: list[list[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])).writerows(rows)
    return written.getvalue().encode()


def as_tsv(draw: Random, rows: list[list[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


@pytest.mark.slow
@pytest.mark.parametrize("write", [as_csv, as_tsv])
def test_a_table_with_a_known_fault_is_never_accepted(write: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / f"t.{write.__name__[3:]}"
    draw, classes = Random(16), Classes(("neg", "pos"))
    for _ in range(FAULTY_TABLES):
        rows = sound_rows(draw)
        path.write_bytes(write(draw, rows))
        read_texts(path).examples(classes)
        fault = draw.choice([*FAULTS, *SPOILED, "unclosed"] if write is as_csv else [*FAULTS, *SPOILED])
        if fault in FAULTS:
            FAULTS[fault](draw, rows)
        content = write(draw, rows)
        if fault in SPOILED:
            content = SPOILED[fault](draw, content)
        if fault == "unclosed":
            content += b'"half a text,pos\r\n' + draw.choice([b"", b"fine,neg\r\n", b'fine "film",neg\r\n'])
        path.write_bytes(content)
        with pytest.raises(UserError):
            read_texts(path).examples(classes)
            pytest.fail(f"{fault}: {content!r} was accepted")


@given(rows=st.lists(st.dictionaries(st.sampled_from(["sentence", "label", "other"]), JSON), max_size=3))
@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)
def test_rows_of_the_hub_are_texts_with_labels_or_refused(rows) -> None:
    try:
        found = _hub_split(TASKS["sst2"].hub, rows, "train", 2)
    except ValueError as refusal:
        assert "nyu-mll/glue, train" in str(refusal)
    else:
        assert all(type(text) is str and text.strip() for each in found for text in each.texts)
        assert all(each.label in (0, 1) for each in found)


@given(content=contents(NO_TENSORS))
@settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def test_a_cache_that_is_none_is_made_again(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(content)
    found = cached_arrays(tmp_path / "tokens", lambda: {"ids": np.arange(3)})
    assert np.array_equal(found["ids"], np.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


def test_a_cut_checkpoint_is_left_wherever_it_was_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = Checkpoints(tmp_path, {})
    keeper.save(0, {"finished": True, "values": torch.arange(4.0)})
    path = tmp_path / "stage-0.safetensors"
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert Checkpoints(tmp_path, {}).load(0) is None
    path.write_bytes(whole)
    assert Checkpoints(tmp_path, {}).load(0)["finished"]
