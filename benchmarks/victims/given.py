"""Make a victim from what a user gives: a folder, a hub id, a transformers model, a pipeline, or a function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from baselines.primitives.encoders import KNOWN_ARCHITECTURES, architecture_of, unknown_architecture
from baselines.validation import UserError, require
from benchmarks.data.classes import Classes
from benchmarks.victims.external import PROBED, CallableVictim, chosen_retries, count_classes
from benchmarks.victims.guarded import victim_of
from benchmarks.victims.inspection import check_inputs, longest_input, probes
from benchmarks.victims.model_folder import VOLATILE
from benchmarks.victims.saved import OTHER_PROBLEMS, load_any_classifier
from benchmarks.victims.victim import Victim

ALLOWED = (
    "a folder or hub id, a transformers model with a tokenizer, a text-classification pipeline, or a function from a "
    "list of texts to probabilities"
)


@dataclass(frozen=True)
class Given:
    """A victim that can be attacked.

    Attributes:
        name: its name in tables.
        victim: answers texts with probabilities.
        classes: its classes.
        identity: the values that decide its answers; None for a function, since they are not known.
        notes: sentences for captions, on what was turned off for it.
    """

    name: str
    victim: Victim | CallableVictim
    classes: Classes
    identity: dict[str, Any] | None
    notes: tuple[str, ...] = ()

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens; None for a function."""
        return getattr(self.victim, "max_length", None)

    def at(self, temperature: float) -> Given:
        """The same victim with another divisor of its logits."""
        return replace(self, victim=self.victim.at(temperature))


def open_victim(
    given: Any,
    texts: Sequence[tuple[str, ...]],
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    max_length: int | None = None,
    device: str = "cpu",
    temperature: float = 1.0,
    offline: bool = False,
    retries: int | None = None,
    repeatable: bool = True,
) -> Given:
    """Make a victim from what a user gave.

    Args:
        given: a folder or hub id; a transformers model; any object with a `model` and a `tokenizer`; a function from a
            list of texts, or of pairs of texts, to probabilities (N, C).
        texts: some of the texts to attack; the first serves to count a function's classes, a few to check a model.
        tokenizer: the model's tokenizer; None for the model's own `tokenizer`, or the one saved with its weights.
        max_length: longest input in tokens; None for what the model can read.
        device: device for a model that is loaded here.
        temperature: divisor of the logits.
        retries: how often a function is called again after an exception; None for 3.
        repeatable: whether a function is refused if its answers depend on chance or on other texts.
    Raises:
        UserError: for any other object, an unknown architecture, a model that cannot read the texts, and a function
            that does not return probabilities.
        UserCodeError: for a function that raises.
    """
    require(max_length is None or max_length >= 1, "max_length", "1 or more", max_length)
    require(temperature > 0, "temperature", "positive", temperature)
    model = _model_of(given)
    is_function = not isinstance(given, str | Path) and model is None
    require(retries is None or is_function, "retries", "left out beside a model, which is not asked again", retries)
    if isinstance(given, str | Path):
        found = load_any_classifier(str(given), offline=offline)
        name = str(given).rstrip("/")
        victim = _victim(name, found.model.to(device), found.tokenizer, max_length, device, temperature, texts)
        return Given(name, victim, found.classes, found.identity, tuple(victim.check(probes(texts))))
    if model is not None:
        tokenizer = tokenizer or getattr(given, "tokenizer", None)
        return _open_model(model, tokenizer, max_length, temperature, offline, texts)
    if not callable(given):
        raise UserError(f"the victim must be {ALLOWED}, got {type(given).__name__}")
    name = getattr(given, "__name__", type(given).__name__)
    again = chosen_retries(retries)
    count = count_classes(given, name, texts[:1], again)
    classes = Classes.of_configuration({"num_labels": count})
    victim = CallableVictim(given, name, count, temperature, again)
    if repeatable:
        victim.require_repeatable(texts[:PROBED])
    return Given(name, victim, classes, None)


@contextmanager
def mode_kept(given: Any) -> Iterator[None]:
    """Restore the model's mode, training or not, afterwards; other objects are left alone."""
    model = _model_of(given)
    was_training = model is not None and model.training
    try:
        yield
    finally:
        if model is not None:
            model.train(was_training)


def _model_of(given: Any) -> nn.Module | None:
    """The given model, or the model inside the given object."""
    found = given if isinstance(given, nn.Module) else getattr(given, "model", None)
    return found if isinstance(found, nn.Module) else None


def _open_model(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase | None,
    max_length: int | None,
    temperature: float,
    offline: bool,
    texts: Sequence[tuple[str, ...]],
) -> Given:
    config = getattr(model, "config", None)
    kind = str(getattr(config, "model_type", type(model).__name__))
    is_classifier = type(model).__name__.endswith("ForSequenceClassification")
    known = f"a sequence classifier of transformers ({', '.join(KNOWN_ARCHITECTURES)}); wrap another in a function"
    require(config is not None and is_classifier, "the model", known, type(model).__name__)
    assert config is not None
    if kind not in KNOWN_ARCHITECTURES:
        raise UserError(f"{unknown_architecture(kind)}; wrap its classifier in a function from texts to probabilities")
    architecture_of(model)
    require(config.problem_type not in OTHER_PROBLEMS, "problem_type", "left out or single_label", config.problem_type)
    classes = Classes.of_configuration(
        {"num_labels": config.num_labels, "id2label": config.id2label, "label2id": config.label2id}
    )
    require(len(classes.names) >= 2, "the model", "a classifier into two or more classes", len(classes.names))
    weights = [each for each in model.parameters() if each.is_floating_point()]
    dtypes = {each.dtype for each in weights}
    require(dtypes == {torch.float32}, "the model's weights", "in fp32; call model.float()", dtypes)
    device = str(weights[0].device)
    place = str(getattr(config, "name_or_path", ""))
    tokenizer = tokenizer or getattr(model, "tokenizer", None) or _tokenizer_at(place, offline)
    name = place or type(model).__name__
    victim = _victim(name, model, tokenizer, max_length, device, temperature, texts)
    identity = {"state_sha256": state_hash(model), "settings_sha256": settings_hash(config, tokenizer)}
    return Given(name, victim, classes, identity, tuple(victim.check(probes(texts))))


def _victim(
    name: str,
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    longest: int | None,
    device: str,
    temperature: float,
    texts: Sequence[tuple[str, ...]],
) -> Victim:
    longest = longest or longest_input(model.config, tokenizer)
    check_inputs(name, model.config, tokenizer, longest, len(texts[0]))
    return victim_of(model, tokenizer, max_length=longest, device=device, temperature=temperature)


def _tokenizer_at(place: str, offline: bool) -> PreTrainedTokenizerBase:
    """The tokenizer in the folder, or of the hub id, that a model was loaded from."""
    try:
        require(place != "", "the tokenizer", "given with tokenizer=...", "none, and the model came from no folder")
        return AutoTokenizer.from_pretrained(place, use_fast=True, local_files_only=offline, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"no tokenizer was found for the model; give tokenizer=...: {reason}") from error


def settings_hash(config: Any, tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of a model's configuration and of its tokenizer's behaviour."""
    settings = {name: str(value) for name, value in config.to_dict().items() if name not in VOLATILE}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    steps = tokenizer.get_vocab() if backend is None else json.loads(backend.to_str())
    steps = {name: value for name, value in steps.items() if name not in VOLATILE}
    written = json.dumps([settings, steps, tokenizer.truncation_side, tokenizer.model_input_names], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()


def state_hash(model: nn.Module) -> str:
    """SHA-256 of all names, shapes and numbers of a model's state."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
