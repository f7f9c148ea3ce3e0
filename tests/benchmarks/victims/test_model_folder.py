"""A folder with a model is looked at before it is loaded, and is identified by every file that decides an answer."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from encoders import make
from safetensors.torch import load_file, save_file
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from baselines.primitives.pruning import Pruning, prune_, random_coefficients
from benchmarks.contract.small import small_bert
from benchmarks.jobs.train import _name_classes
from benchmarks.victims.backbones import Backbone, find_backbone
from benchmarks.victims.model_folder import CONFIG, WEIGHTS, folder_identity
from benchmarks.victims.saved import load_any_classifier, load_classifier, save_classifier

Change = Callable[[Path], Any]


@pytest.fixture
def folder(tiny_backbone: Path, tmp_path: Path) -> Path:
    """A sound classifier of two layers."""
    return Path(shutil.copytree(tiny_backbone, tmp_path / "model"))


def written(name: str, **values: Any) -> Change:
    """Set values of a JSON file."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | values))

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    """Change the weights."""
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def without(*parts: str) -> Change:
    return tensors(lambda held: {name: each for name, each in held.items() if not any(part in name for part in parts)})


def tokenizer_of(kind: str) -> Change:
    """Give the tokenizer's model another type, which its reader does not know."""

    def change(folder: Path) -> None:
        content = json.loads((folder / "tokenizer.json").read_text())
        content["model"]["type"] = kind
        (folder / "tokenizer.json").write_text(json.dumps(content))

    return change


def only(name: str) -> Change:
    """Leave the weights' folder without weights, but with a file of another format."""

    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_text("{}")

    return change


def pipe(name: str) -> Change:
    """Put a named pipe in a file's place, on which a reader would wait for ever."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


REFUSED: dict[str, tuple[Change, str]] = {
    "adapter": (only("adapter_config.json"), "merge it into its model with python -c"),
    "pickled": (only("pytorch_model.bin"), "convert them where you trust them, with python -c"),
    "several files": (only(f"{WEIGHTS}.index.json"), "put them into one with python -c"),
    "adapter beside weights": (
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        "holds weights and an adapter; it is an adapter of PEFT: merge it",
    ),
    "TensorFlow's": (only("tf_model.h5"), r"convert tf_model.h5 with python -c .*, from_tf=True\)\.save_pretrained"),
    "Flax's": (only("flax_model.msgpack"), r"convert flax_model.msgpack with python -c .*, from_flax=True\)\.save_pre"),
    "a folder of checkpoints": (
        lambda folder: [(folder / "checkpoint-5").mkdir(), (folder / CONFIG).rename(folder / "checkpoint-5" / CONFIG)],
        "lacks config.json; give one of the folders in it: checkpoint-5",
    ),
    "pointer of Git LFS": (
        lambda folder: (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "is a pointer of Git LFS, not the weights; fetch them with 'git lfs pull'",
    ),
    "another architecture": (
        written(CONFIG, model_type="xlm-roberto"),
        "did you mean 'xlm-roberta'. known: albert, bert, .*; another encoder is added as a row of baselines/",
    ),
    "mistyped architecture": (written(CONFIG, model_type="Bert"), "unknown architecture 'Bert'; did you mean 'bert'"),
    "no architecture": (written(CONFIG, model_type=None), "unknown architecture 'None'"),
    "architecture of a wrong type": (written(CONFIG, model_type=["bert"]), "unknown architecture"),
    "no JSON object": (lambda folder: (folder / CONFIG).write_text("[]"), "must be a JSON object, got 'list'"),
    "deep JSON": (lambda folder: (folder / CONFIG).write_text("[" * 100_000), "is not JSON"),
    "large configuration": (written(CONFIG, more="x" * (1 << 22)), "4194304 bytes at most"),
    "pipe for a tokenizer": (pipe("tokenizer.json"), "must be a regular file"),
    "pipe for a configuration": (pipe(CONFIG), "lacks config.json"),
    "quantised": (
        written(CONFIG, quantization_config={"quant_method": "gptq", "bits": 4}),
        "has quantised weights",
    ),
    "whole numbers for weights": (
        tensors(lambda held: held | {"classifier.weight": held["classifier.weight"].to(torch.int8)}),
        "must be of floating point, got I8",
    ),
    "sizes that are text": (written(CONFIG, hidden_size="32"), "hidden_size in .* must be a whole number"),
    "sizes that are fractions": (written(CONFIG, num_attention_heads=4.5), "num_attention_heads in .* must be a whole"),
    "negative size": (written(CONFIG, vocab_size=-1), "vocab_size in .* from 0 to"),
    "no heads": (written(CONFIG, num_attention_heads=0), "the configuration of .* cannot be read"),
    "unknown activation": (written(CONFIG, hidden_act="gulp"), "unknown hidden_act in .*config.json 'gulp'.* gelu, "),
    "activation of a wrong type": (
        written(CONFIG, hidden_act=None),
        "hidden_act in .*config.json must be a name, got None",
    ),
    "too many classes": (written(CONFIG, num_labels=1e30, id2label=None), "num_labels in .* from 1 to 65536"),
    "too many layers": (written(CONFIG, num_hidden_layers=100_000), "num_hidden_layers in .* from 0 to 256"),
    "too many words": (written(CONFIG, vocab_size=1 << 24), "describes a model of .* parameters, and its weights hold"),
    "too many positions": (written(CONFIG, max_position_embeddings=10**9), "max_position_embeddings in .* from 0 to"),
    "cut weights": (lambda folder: (folder / WEIGHTS).write_bytes(b"\xff" * 40), r"model\.safetensors is damaged"),
    "no weights": (lambda folder: (folder / WEIGHTS).write_bytes(b""), r"model\.safetensors is damaged"),
    "too many tensors": (
        lambda folder: save_file({f"t{number}": torch.zeros(1) for number in range(10_001)}, folder / WEIGHTS),
        "must be of 10000 tensors at most, got 10001",
    ),
    "other weights": (
        tensors(lambda held: {f"roberta.{name}": each for name, each in held.items()}),
        "lack .* tensors|hold layers that its configuration does not",
    ),
    "no word embeddings": (without("word_embeddings"), "lack 1 tensors .*: bert.embeddings.word_embeddings.weight"),
    "no second layer": (
        without("layer.1."),
        "lack 16 tensors .* and 12 more; only the head of a classifier may be new",
    ),
    "weights of more layers": (written(CONFIG, num_hidden_layers=1), "hold layers that its configuration does not"),
    "weights of another width": (written(CONFIG, intermediate_size=48), "in another shape"),
    "weights that are not finite": (
        tensors(lambda held: held | {"bert.pooler.dense.bias": torch.full((32,), float("nan"))}),
        "are not finite: bert.pooler.dense.bias",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_sound_model_is_refused_in_a_sentence_as_victim_and_as_backbone(case: str, folder: Path) -> None:
    change, sentence = REFUSED[case]
    change(folder)
    for load in (load_any_classifier, lambda name: find_backbone(name).new_classifier(2, 0)):
        if case == "pipe for a tokenizer" or load is load_any_classifier or "classes" not in case:
            with pytest.raises(ValueError, match=sentence) as refusal:
                load(str(folder))
            assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 700


CLASSIFIERS: dict[str, tuple[Change, str]] = {
    "no head": (without("classifier."), "lack 2 tensors .*: classifier.bias, classifier.weight"),
    "no pooler": (without("pooler"), "lack 2 tensors .*: bert.pooler.dense.bias"),
    "another number of classes": (written(CONFIG, id2label={"0": "a", "1": "b", "2": "c"}), "in another shape"),
    "one output": (written(CONFIG, id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0}), "its head is for one number"),
    "regression": (written(CONFIG, problem_type="regression"), "its head is for regression"),
    "many labels": (written(CONFIG, problem_type="multi_label_classification"), "its head is for multi_label"),
    "contradicting names": (
        written(CONFIG, id2label={"0": "a", "1": "b"}, label2id={"a": 1, "b": 0}),
        "id2label and label2id contradict each other",
    ),
    "no tokenizer": (
        lambda folder: [path.unlink() for path in folder.iterdir() if path.name not in (CONFIG, WEIGHTS)],
        "has no tokenizer; save it there",
    ),
    "unknown tokenizer": (tokenizer_of("WordPieceV2"), "the tokenizer of .* cannot be read"),
    "no words": (
        lambda folder: ((folder / "tokenizer.json").unlink(), (folder / "vocab.txt").write_text("")),
        "the tokenizer of .* cannot be read: WordPiece error: Missing .UNK. token",
    ),
    "no word for unknown ones": (
        lambda folder: (
            (folder / "tokenizer.json").unlink(),
            (folder / "vocab.txt").write_text("[PAD]\n[CLS]\n[SEP]\n[MASK]\na\nfilm\n"),
        ),
        "the tokenizer of .* cannot be read: WordPiece error: Missing .UNK. token|has ids up to",
    ),
    "empty tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        "the tokenizer of .* cannot be read",
    ),
    "length that is text": (
        written("tokenizer_config.json", model_max_length="long"),
        "model_max_length|cannot be read",
    ),
}


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_what_cannot_answer_in_classes_is_refused(case: str, folder: Path) -> None:
    change, sentence = CLASSIFIERS[case]
    change(folder)
    with pytest.raises(ValueError, match=sentence):
        load_any_classifier(str(folder))


def old_names(held: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as checkpoints of the first transformers call them."""
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    return {re.sub(r"LayerNorm\.\w+$", lambda found: old[found.group()], name): each for name, each in held.items()}


ACCEPTED: dict[str, Change] = {
    "old names": tensors(old_names),
    "counted positions": tensors(lambda held: held | {"bert.embeddings.position_ids": torch.arange(512)[None]}),
    "another head beside": tensors(lambda held: held | {"cls.predictions.bias": torch.zeros(5)}),
    "double precision": tensors(lambda held: {name: each.double() for name, each in held.items()}),
    "outputs as tuples": written(CONFIG, return_dict=False, torchscript=True),
    "names of numbers": written(CONFIG, id2label={"0": 1, "1": 2}, label2id=None),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_transformers_accepts_is_accepted_and_computed_in_single_precision(case: str, folder: Path) -> None:
    expected = load_any_classifier(str(folder)).model.state_dict()
    ACCEPTED[case](folder)
    found = load_any_classifier(str(folder)).model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) and found[name].dtype == expected[name].dtype for name in found)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_what_it_is_as_single_precision(half: torch.dtype, folder: Path) -> None:
    tensors(lambda held: {name: each.to(half) for name, each in held.items()})(folder)
    written(CONFIG, torch_dtype=str(half).removeprefix("torch."))(folder)
    low = load_any_classifier(str(folder)).model.state_dict()
    tensors(lambda held: {name: each.float() for name, each in held.items()})(folder)
    high = load_any_classifier(str(folder)).model.state_dict()
    assert all(low[name].dtype == torch.float32 and torch.equal(low[name], high[name]) for name in high)


def test_a_pruned_model_of_absurd_size_is_refused_before_it_is_built(tmp_path: Path) -> None:
    model = small_bert(layers=2)
    prune_(model, Pruning(0.25, 0.4).draw(*random_coefficients(model, 0)))
    save_classifier(model, tmp_path)
    assert load_classifier(tmp_path).config.num_hidden_layers == 2
    written(CONFIG, vocab_size=1 << 24)(tmp_path)
    with pytest.raises(ValueError, match=r"describes a model of .* parameters, and its weights hold"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("names", [("-1", "1"), ("1", "2"), ("1", "2", "3"), ("good", "bad")])
def test_labels_of_an_exported_model_are_read_by_name(
    names: tuple[str, ...], tiny_backbone: Path, tmp_path: Path
) -> None:
    found = find_backbone(str(tiny_backbone))
    model = found.new_classifier(len(names), 0)
    _name_classes(model.config, names)
    save_classifier(model, tmp_path / "exported", found.load_tokenizer())
    classes = load_any_classifier(str(tmp_path / "exported")).classes
    labels = [(f"row {number}", name) for number, name in enumerate(reversed(names))]
    assert classes.numbers_of(labels) == ({name: number for number, name in enumerate(names)}, None)


def test_sinusoidal_positions_are_no_obstacle(tiny_backbone: Path, tmp_path: Path) -> None:
    config = DistilBertConfig(dim=32, n_layers=1, n_heads=4, hidden_dim=64, sinusoidal_pos_embds=True)
    model = DistilBertForSequenceClassification(config)
    save_classifier(model, tmp_path / "d")
    assert torch.equal(load_classifier(tmp_path / "d").classifier.weight, model.classifier.weight)


def test_names_in_label2id_alone_are_read(folder: Path) -> None:
    written(CONFIG, id2label=None, label2id={"bad": 0, "good": 1})(folder)
    found = load_any_classifier(str(folder))
    assert found.classes.names == ("bad", "good") and found.model.config.id2label == {0: "bad", 1: "good"}


def test_a_missing_pooler_of_a_backbone_is_drawn_from_the_seed(folder: Path) -> None:
    sound = find_backbone(str(folder)).new_classifier(2, 1)
    without("pooler", "classifier")(folder)
    torch.manual_seed(1)
    first = find_backbone(str(folder)).new_classifier(2, 1)
    torch.manual_seed(2)
    second = find_backbone(str(folder)).new_classifier(2, 1)
    assert torch.equal(first.bert.pooler.dense.weight, second.bert.pooler.dense.weight)
    assert torch.equal(first.classifier.weight, sound.classifier.weight), "what else is drawn stays the same"


DECIDING: dict[str, Change] = {
    "weights": tensors(lambda held: held | {"classifier.bias": held["classifier.bias"] + 1}),
    "layers": written(CONFIG, num_hidden_layers=1),
    "activation": written(CONFIG, hidden_act="relu"),
    "names of classes": written(CONFIG, id2label={"0": "a", "1": "b"}),
    "words": tokenizer_of("Unigram"),
    "side of the cut": written("tokenizer_config.json", truncation_side="left"),
    "special tokens": written("special_tokens_map.json", unk_token="[CLS]"),
    "added tokens": lambda folder: (folder / "added_tokens.json").write_text('{"[X]": 5}'),
}


@pytest.mark.parametrize("case", DECIDING)
def test_every_file_that_decides_an_answer_is_part_of_the_identity(case: str, folder: Path) -> None:
    before = folder_identity(folder)
    DECIDING[case](folder)
    assert folder_identity(folder) != before


@pytest.mark.parametrize(
    "change",
    [
        written(CONFIG, transformers_version="9.9", _name_or_path="elsewhere"),
        lambda folder: (folder / CONFIG).write_text(json.dumps(json.loads((folder / CONFIG).read_text()), indent=7)),
        written(
            "tokenizer.json",
            truncation={"max_length": 3, "direction": "Right", "strategy": "LongestFirst", "stride": 0},
        ),
        lambda folder: (folder / "README.md").write_text("A model."),
        lambda folder: (folder / "optimizer.pt").write_bytes(b"0"),
    ],
)
def test_what_decides_no_answer_is_not(change: Change, folder: Path) -> None:
    before = folder_identity(folder)
    change(folder)
    assert folder_identity(folder) == before


def test_a_folder_is_hashed_once_for_all_trainings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_backbone(str(folder))
    before = found.identity()
    monkeypatch.setattr("benchmarks.victims.backbones.folder_identity", lambda _: pytest.fail("was hashed again"))
    assert found.identity() == before == folder_identity(folder)


def test_distilbert_takes_no_segments_from_another_s_tokenizer(tiny_backbone: Path, tmp_path: Path) -> None:
    save_classifier(make("distilbert"), tmp_path / "d", find_backbone(str(tiny_backbone)).load_tokenizer())
    assert "token_type_ids" in find_backbone(str(tiny_backbone)).load_tokenizer()("a")
    assert "token_type_ids" not in Backbone("d", str(tmp_path / "d")).load_tokenizer()("a")
