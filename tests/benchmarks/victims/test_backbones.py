"""Backbones: the packaged one, folders, hub ids, and what is refused."""

from __future__ import annotations

import json
import socket

import pytest
import torch
from encoders import KINDS, configuration, make
from transformers import AutoModel, AutoModelForMaskedLM

from baselines.validation import UserError
from benchmarks.victims.backbones import MINILM_SHA256, WEIGHTS, find_backbone, minilm_folder
from benchmarks.victims.saved import save_classifier


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments, **options):
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def test_minilm_comes_from_its_package_without_network(no_network) -> None:
    backbone = find_backbone("minilm")
    assert backbone.identity() == {"weights_sha256": MINILM_SHA256}
    assert backbone.load_tokenizer()("a good film")["input_ids"][0] == 101
    assert backbone.new_classifier(3, seed=1).config.num_labels == 3


def test_the_lowest_layers_of_minilm_are_a_backbone() -> None:
    whole, cut = find_backbone("minilm"), find_backbone("minilm:2")
    assert cut.identity() == {"weights_sha256": MINILM_SHA256, "layers": 2} and cut.config.num_hidden_layers == 2
    model, other = cut.new_classifier(2, seed=1), whole.new_classifier(2, seed=1)
    kept = {name: values for name, values in other.bert.state_dict().items() if ".layer." not in name}
    kept |= {
        name: values for name, values in other.bert.state_dict().items() if ".layer.0." in name or ".layer.1." in name
    }
    assert model.bert.state_dict().keys() == kept.keys()
    assert all(torch.equal(values, kept[name]) for name, values in model.bert.state_dict().items())
    assert torch.equal(model.classifier.weight, other.classifier.weight)


@pytest.mark.parametrize("name", ["minilm:0", "minilm:6", "minilm:-1", "minilm:", "minilm:2.0", "minilm:two"])
def test_other_cuts_of_minilm_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="give minilm:1 to minilm:5 for its lowest ones, or minilm for all"):
        find_backbone(name)


def test_the_seed_alone_decides_the_head(tmp_path) -> None:
    save_classifier(make("bert"), tmp_path)
    backbone = find_backbone(str(tmp_path))
    torch.manual_seed(9)
    first = backbone.new_classifier(2, seed=1)
    torch.manual_seed(10)
    second, third = backbone.new_classifier(2, seed=1), backbone.new_classifier(2, seed=2)
    assert torch.equal(first.classifier.weight, second.classifier.weight)
    assert backbone.new_classifier(5, seed=1).classifier.weight.shape == (5, 32)
    name = "encoder.layer.0.output.dense.weight"
    assert torch.equal(first.bert.state_dict()[name], third.bert.state_dict()[name])


def test_damaged_packaged_weights_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_classifier(make("bert"), tmp_path)
    monkeypatch.setattr("benchmarks.victims.backbones.minilm_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match="are damaged: SHA-256"):
        find_backbone("minilm")


def test_folders_that_are_not_models_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=f"lacks config.json and {WEIGHTS}"):
        find_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    (tmp_path / WEIGHTS).write_bytes(b"")
    with pytest.raises(ValueError, match="is not JSON"):
        find_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ValueError, match=r"unknown architecture 'gpt2'; known: albert, bert, .*; it is a decoder"):
        find_backbone(str(tmp_path))
    with pytest.raises(ValueError, match="is a file"):
        find_backbone(str(tmp_path / "config.json"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_language_model_is_a_backbone(kind: str, tmp_path) -> None:
    torch.manual_seed(0)
    whole = AutoModelForMaskedLM.from_config(configuration(kind))
    whole.save_pretrained(tmp_path)
    backbone = find_backbone(str(tmp_path))
    first, second = backbone.new_classifier(3, seed=1), backbone.new_classifier(3, seed=1)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    words = first.get_input_embeddings().weight
    assert torch.equal(words, whole.get_input_embeddings().weight)


def test_a_head_that_was_pretrained_is_kept_and_a_missing_one_is_drawn(tmp_path) -> None:
    torch.manual_seed(0)
    whole = AutoModelForMaskedLM.from_config(configuration("modernbert"))
    whole.save_pretrained(tmp_path / "whole")
    AutoModel.from_config(configuration("modernbert")).save_pretrained(tmp_path / "encoder")
    kept = find_backbone(str(tmp_path / "whole")).new_classifier(2, seed=1)
    assert torch.equal(kept.head.dense.weight, whole.head.dense.weight)
    drawn, other = (find_backbone(str(tmp_path / "encoder")).new_classifier(2, seed) for seed in (1, 2))
    assert not torch.equal(drawn.head.dense.weight, other.head.dense.weight)
    assert (drawn.head.norm.weight == 1).all()
    assert not getattr(drawn.config, "reference_compile", False)


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'minilmm'; did you mean 'minilm'"):
        find_backbone("minilmm")


def test_a_hub_id_offline_says_what_would_be_fetched(no_network, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError) as refusal:
        find_backbone("nobody/no-such-model", offline=True)
    assert "needs nobody/no-such-model from the hub" in str(refusal.value)
    assert "--offline forbids fetching it" in str(refusal.value)
    with pytest.raises(ValueError, match="bert-base-uncased@86b5e0934494 ?"[:-2]):
        find_backbone("bert-base-uncased", offline=True).load_tokenizer()


def test_the_package_s_folder_is_found_without_importing_it() -> None:
    assert (minilm_folder() / WEIGHTS).is_file()
