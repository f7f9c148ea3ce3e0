"""Saves and loads a classifier, pruned or not: safetensors and JSON, kept indices in the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from baselines.guard import PREFIX, guard_of, guard_tensors
from baselines.primitives.encoders import find_architecture
from baselines.primitives.pruning import Kept, reshape_
from baselines.validation import MachineError, UserError
from benchmarks.data.classes import Classes
from benchmarks.data.digests import sha256_of
from benchmarks.victims.backbones import Backbone, find_backbone
from benchmarks.victims.model_folder import GUARD_WEIGHTS, WEIGHTS

MOST_PRUNED = 16  # times that a model had more parameters before its heads and neurons were cut

# Of a head that gives one number, or a yes and no for each class: its answers are no probabilities of one class.
OTHER_PROBLEMS = ("regression", "multi_label_classification")


@dataclass(frozen=True)
class Classifier:
    """A finished classifier.

    Attributes:
        model: in eval mode and single precision.
        tokenizer: its tokenizer.
        classes: its classes.
        identity: what decides its answers: its files' hashes, or the hub's revision.
    """

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    classes: Classes
    identity: dict[str, Any]


def save_classifier(model: nn.Module, folder: Path, tokenizer: PreTrainedTokenizerBase | None = None) -> dict[str, str]:
    """Write weights, configuration and tokenizer into `folder` and return the SHA-256 of each file by name.

    Raises:
        MachineError: naming the folder, where the disk is full or it cannot be written.
    """
    guards = guard_tensors(model)
    own = {name: value for name, value in model.state_dict().items() if not (guards and name.startswith(f"{PREFIX}."))}
    files = {WEIGHTS: own} | ({GUARD_WEIGHTS: guards} if guards else {})
    model.config.architectures = [type(model).__name__]  # type: ignore[union-attr]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model.config.save_pretrained(folder)  # type: ignore[union-attr]
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        for name, values in files.items():
            tensors = {each: value.detach().cpu().contiguous() for each, value in values.items()}
            save_file(tensors, folder / f".{name}.part", metadata={"format": "pt"})
            os.replace(folder / f".{name}.part", folder / name)
    except Exception as error:  # the tokenizers' own writer raises no narrower one
        raise MachineError(f"the model in {folder} cannot be written: {error}") from error
    return {path.name: sha256_of(path) for path in sorted(folder.glob("[!.]*")) if path.is_file()}


def load_classifier(folder: Path) -> nn.Module:
    """The classifier in a folder, in eval mode and single precision, with the shapes that its ticket left.

    Raises:
        UserError: for a folder without weights or configuration, an unknown architecture, or weights that do not fit.
    """
    return _load(Backbone(str(folder), str(folder), offline=True))


def _load(found: Backbone) -> nn.Module:
    """The classifier, with the tensors of its guard if it has one."""
    model = _load_bare(found)
    guard, weights = guard_of(model), Path(found.source) / GUARD_WEIGHTS
    if guard is not None and weights.is_file():
        tensors = found.read("guard", lambda **options: load_file(weights))
        guard.attach(model, tensors)
    return model.eval()


def _load_bare(found: Backbone) -> nn.Module:
    written = found.written
    if written.get("kept_heads") or written.get("kept_neurons"):
        found.refuse_too_large(AutoModelForSequenceClassification, found.config, times=MOST_PRUNED)
        return found.read("weights", lambda **options: _load_pruned(Path(found.source), written)).eval()
    return found.load_finished(AutoModelForSequenceClassification)


def _load_pruned(folder: Path, written: Mapping[str, Any]) -> nn.Module:
    """A classifier whose layers have lost heads and neurons, which transformers' own loader refuses."""
    kept = Kept(written.get("kept_heads") or [], written.get("kept_neurons") or [])
    settings = find_architecture(written).settings
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **settings)
    config.kept_heads = config.kept_neurons = None
    model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False, dtype=torch.float32)
    reshape_(model, kept)
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model


def load_any_classifier(name: str, *, offline: bool = False) -> Classifier:
    """A classifier from a folder (pruned or not) or a hub id.

    Raises:
        UserError: if it cannot be read, or is no classifier of one class among several.
    """
    found = find_backbone(name, offline=offline)
    kinds = found.written.get("architectures") or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise UserError(
            f"the model {name!r} is no text classifier: its configuration says {', '.join(kinds) or 'nothing'}; "
            f"give one whose architecture ends in ForSequenceClassification"
        )
    problem, classes = found.written.get("problem_type"), found.classes
    if problem in OTHER_PROBLEMS or len(classes.names) < 2:
        raise UserError(
            f"the model {name!r} must tell one class from others, and its head is for "
            f"{problem if problem in OTHER_PROBLEMS else 'one number'}; give a classifier into two or more classes"
        )
    return Classifier(_load(found), found.load_tokenizer(), classes, found.identity())
