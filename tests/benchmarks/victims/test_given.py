"""What a user may hand over as a victim, and the sentences for everything else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, GPT2Config
from transformers import GPT2ForSequenceClassification as Gpt2

from baselines.validation import UserCodeError, UserError
from benchmarks.victims import external
from benchmarks.victims.given import mode_kept, open_victim, settings_hash, state_hash

TEXTS = (("a good film",), ("a bad film",))
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture(scope="module")
def model(tiny_backbone: Path) -> BertForSequenceClassification:
    return BertForSequenceClassification.from_pretrained(tiny_backbone)


def test_a_folder_a_model_and_a_pipeline_answer_alike(tiny_backbone: Path, model) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    pipeline = SimpleNamespace(model=model, tokenizer=tokenizer)
    ways = (tiny_backbone, str(tiny_backbone), model, pipeline)
    found = [open_victim(way, TEXTS) for way in ways]
    expected = found[0].victim(TEXTS)
    assert expected.shape == (2, 2)
    assert all((each.victim(TEXTS) == expected).all() and each.max_length == 512 for each in found)
    assert {each.name for each in found} == {str(tiny_backbone)}
    identity = {"state_sha256": state_hash(model), "settings_sha256": settings_hash(model.config, tokenizer)}
    assert found[2].identity == found[3].identity == identity


def test_the_tokenizer_is_the_given_one_then_the_models_then_the_one_beside_its_weights(tiny_backbone, model) -> None:
    other, own = (AutoTokenizer.from_pretrained(tiny_backbone, model_max_length=length) for length in (7, 9))
    assert open_victim(model, TEXTS, tokenizer=other).max_length == 7
    model.tokenizer = own
    assert open_victim(model, TEXTS).max_length == 9
    assert open_victim(model, TEXTS, tokenizer=other).max_length == 7
    del model.tokenizer
    assert open_victim(model, TEXTS, max_length=5).max_length == 5
    with pytest.raises(UserError, match=r"no tokenizer was found for the model; give tokenizer=\.\.\."):
        open_victim(BertForSequenceClassification(BertConfig(**SMALL)), TEXTS)


def test_a_model_comes_back_in_the_mode_it_was_in(model) -> None:
    for training in (True, False):
        model.train(training)
        with mode_kept(SimpleNamespace(model=model)):
            open_victim(model, TEXTS).victim(TEXTS)
            assert not model.training
        assert model.training == training
    with mode_kept(len):
        pass


def test_a_state_hash_tells_one_number_from_another(model) -> None:
    before = state_hash(model)
    with torch.no_grad():
        model.classifier.bias[0] += 1
    changed = state_hash(model)
    with torch.no_grad():
        model.classifier.bias[0] -= 1
    assert changed != before and len(before) == 64


def test_a_settings_hash_tells_configurations_and_tokenizers_apart(tiny_backbone, model) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    before = settings_hash(model.config, tokenizer)
    tokenizer("a text", truncation=True, max_length=3)
    assert settings_hash(model.config, tokenizer) == before, "the last use of a tokenizer decides nothing"
    tokenizer.truncation_side = "left"
    left = settings_hash(model.config, tokenizer)
    other = BertConfig(**model.config.to_dict() | {"layer_norm_eps": 1e-3})
    assert len({before, left, settings_hash(other, tokenizer)}) == 3


def test_a_model_is_looked_at_before_it_is_attacked(tiny_backbone, tmp_path) -> None:
    for length in (2, 600):
        with pytest.raises(UserError, match=f"--max-length must be 3 to 512 tokens, .*, got {length}"):
            open_victim(tiny_backbone, TEXTS, max_length=length)
    broken = BertForSequenceClassification.from_pretrained(tiny_backbone)
    broken.classifier.bias.data.fill_(float("nan"))
    with pytest.raises(UserError, match="the model's logits must be finite"):
        open_victim(broken, TEXTS)
    left = AutoTokenizer.from_pretrained(tiny_backbone, truncation_side="left")
    cut = (("bad " * 30 + "good film",),)
    given = open_victim(broken.from_pretrained(tiny_backbone), cut, tokenizer=left, max_length=4)
    ends = open_victim(tiny_backbone, TEXTS).victim([("good film",)])
    assert (given.victim(cut) == ends).all() and given.notes == ()
    warmer = given.at(2.0)
    assert warmer.victim.temperature == 2 and (warmer.victim(cut) != ends).all()


def test_the_classes_of_a_function_are_counted() -> None:
    given = open_victim(lambda texts: [[0.2, 0.3, 0.5]] * len(texts), TEXTS)
    assert given.classes.names == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert given.victim(TEXTS).shape == (2, 3) and (given.identity, given.max_length) == (None, None)
    warmer = given.at(2.0)
    assert warmer.victim.temperature == 2 and warmer.victim(TEXTS).max() < 0.5


def by_place(texts: list[str]) -> list[list[float]]:
    return [[0.9, 0.1] if place % 2 else [0.1, 0.9] for place in range(len(texts))]


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (by_place, "must be the same, to 0.01"),
        (lambda texts: {"probs": [[0.5, 0.5]] * len(texts)}, "got a dictionary of 'probs'"),
        (lambda texts: [{"label": "A", "score": 1.0}] * len(texts), "labels and scores of a pipeline"),
    ],
)
def test_a_function_is_probed_before_the_attack(function: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        open_victim(function, TEXTS)
    given = open_victim(lambda texts: torch.tensor([[0.25, 0.75]] * len(texts), dtype=torch.bfloat16), TEXTS)
    assert given.victim(TEXTS).shape == (2, 2)


def raising(texts: list[str]) -> Any:
    raise KeyError("no such word")


def refused() -> dict[str, tuple[Any, str]]:
    half = BertForSequenceClassification(BertConfig(**SMALL)).half()
    one = BertForSequenceClassification(BertConfig(**SMALL, num_labels=1))
    gpt2 = Gpt2(GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=50))
    return {
        "a number": (3, "the victim must be a folder or hub id, a transformers model with a tokenizer,"),
        "an architecture": (gpt2, "wrap its classifier in a function from texts to probabilities"),
        "a bare module": (torch.nn.Linear(2, 2), "wrap another in a function, got 'Linear'"),
        "half precision": (half, "the model's weights must be in fp32; call model.float(), got {torch.float16}"),
        "a regression": (one, "a classifier into two or more classes, got 1"),
        "no rows": (lambda texts: [0.1, 0.9], "probabilities of shape (texts, classes), two classes or more, got (2,)"),
        "one class": (lambda texts: [[1.0]] * len(texts), "two classes or more, got (1, 1)"),
        "a name": ("nowhere", "unknown backbone 'nowhere'"),
    }


@pytest.mark.parametrize("case", refused())
def test_anything_else_is_refused_in_a_sentence(case: str) -> None:
    given, sentence = refused()[case]
    with pytest.raises(UserError) as refusal:
        open_victim(given, TEXTS)
    assert sentence in str(refusal.value)


def test_a_function_that_raises_is_asked_again_as_often_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(external.time, "sleep", pauses.append)
    with pytest.raises(UserCodeError, match="raising fails on a list of 1 text: KeyError: 'no such word'"):
        open_victim(raising, TEXTS)
    assert pauses == [1, 2, 4]
    with pytest.raises(UserCodeError):
        open_victim(raising, TEXTS, retries=0)
    assert pauses == [1, 2, 4]
    busy = iter([True, True])

    def at_times_busy(texts: list[str]) -> list[list[float]]:
        if next(busy, False):
            raise ConnectionError("busy")
        return [[0.5, 0.5]] * len(texts)

    given = open_victim(at_times_busy, TEXTS, retries=2)
    assert (given.victim.retries, given.at(2.0).victim.retries) == (2, 2)
    with pytest.raises(UserError, match="retries must be 0 to 20, got 21"):
        open_victim(at_times_busy, TEXTS, retries=21)


def test_retries_are_for_functions_alone(tiny_backbone: Path, model) -> None:
    for way in (tiny_backbone, model):
        with pytest.raises(UserError, match="retries must be left out beside a model, which is not asked again, got 1"):
            open_victim(way, TEXTS, retries=1)


@pytest.mark.parametrize(("how", "sentence"), [({"max_length": 0}, "1 or more"), ({"temperature": 0.0}, "positive")])
def test_sizes_are_checked(how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=f"{next(iter(how))} must be {sentence}"):
        open_victim(len, TEXTS, **how)
