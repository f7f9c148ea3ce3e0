"""Saves and loads a classifier, pruned or not: safetensors and JSON, kept indices in the configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from baselines.primitives.encoders import ARCHITECTURES
from baselines.primitives.pruning import Kept, reshape_
from baselines.refusal import MachineError, UserError, unknown
from benchmarks.data.digests import sha256_of
from benchmarks.victims.backbones import WEIGHTS, find_backbone

# What transformers raises of a configuration that is none
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, ZeroDivisionError)


def save_classifier(model: nn.Module, folder: Path, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """Writes weights, configuration and tokenizer into `folder` and returns the weights' SHA-256.

    Raises:
        RuntimeError: naming the folder, where the disk is full or it cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    unfinished = folder / f".{WEIGHTS}.part"
    model.config.architectures = [type(model).__name__]  # type: ignore[union-attr]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model.config.save_pretrained(folder)  # type: ignore[union-attr]
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        save_file(tensors, unfinished, metadata={"format": "pt"})
        os.replace(unfinished, folder / WEIGHTS)
    except Exception as error:  # the tokenizers' own writer raises no narrower one
        raise MachineError(f"the model in {folder} cannot be written: {error}") from error
    return sha256_of(folder / WEIGHTS)


def load_classifier(folder: Path) -> nn.Module:
    """The classifier that `save_classifier` wrote, in eval mode, with the shapes its ticket left.

    Raises:
        ValueError: for a folder without weights or configuration, an unknown architecture, or weights that do not fit.
    """
    missing = [name for name in ("config.json", WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise UserError(f"the model folder {str(folder)!r} lacks {' and '.join(missing)}")
    try:
        written = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{folder / 'config.json'} is not JSON: {error}") from error
    kind = written.get("model_type") if isinstance(written, dict) else written
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise unknown("architecture", str(kind), ARCHITECTURES)
    try:
        model = _shaped(folder)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, *UNREADABLE) as error:
        raise UserError(
            f"the weights in {folder} do not fit its configuration: {' '.join(str(error).split())[:300]}"
        ) from error
    return model.eval()


def _shaped(folder: Path) -> nn.Module:
    """A classifier with the shapes that the folder's configuration and ticket give it, its weights random."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kept = Kept(getattr(config, "kept_heads", None) or [], getattr(config, "kept_neurons", None) or [])
    config.kept_heads = config.kept_neurons = None
    model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    if kept.heads:
        reshape_(model, kept)
    return model


def load_any_classifier(
    name: str, *, offline: bool = False
) -> tuple[nn.Module, PreTrainedTokenizerBase, dict[str, str]]:
    """A classifier with its tokenizer and what identifies its weights, from a folder (pruned or not) or a hub id.

    Raises:
        ValueError: where it cannot be read, is no classifier, or is of an architecture the suite does not know.
    """
    backbone = find_backbone(name, offline=offline)
    kinds = backbone.config.architectures or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise UserError(
            f"the model {name!r} is no text classifier: its configuration says {', '.join(kinds) or 'nothing'}; "
            f"give one whose architecture ends in ForSequenceClassification"
        )
    if Path(name).is_dir():
        return load_classifier(Path(name)), backbone.load_tokenizer(), backbone.identity()
    model = AutoModelForSequenceClassification.from_pretrained(
        name, revision=backbone.revision, local_files_only=offline, use_safetensors=True, trust_remote_code=False
    )
    return model.eval(), backbone.load_tokenizer(), backbone.identity()
