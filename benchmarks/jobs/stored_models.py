"""Load trained models from a results folder, as plain transformers models."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from transformers import PreTrainedTokenizerBase

from baselines.guard import is_known
from baselines.validation import MachineError, UserError, unknown
from benchmarks.experiments.defenses import find_defense, source_of
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from benchmarks.victims.backbones import Backbone
from benchmarks.victims.saved import load_classifier

SHOWN_KEY = 12
MOST_LISTED = 12


def load(
    out: Path | str,
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    *,
    key: str | None = None,
) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Load a trained model of a results folder, in eval mode, with its tokenizer.

    A pruned model has the shapes of its ticket. The tokenizer's `model_max_length` is the training's length.

    Args:
        out: the folder given to `reproduce` or `run` as --out.
        defense, task, seed: search criteria; exactly one stored training must match.
        key: the training's key or its beginning, for trainings that differ only in settings.
    Raises:
        UserError: if no training matches, or several do; the message lists the stored ones.
        MachineError: if the weights were changed after training.
    """
    store = open_store(out)
    return load_stored(store, find_training(store, defense, task, seed, key=key))


def open_store(out: Path | str) -> Store:
    """Open the results in a folder for reading only.

    Raises:
        UserError: if there is no such folder.
    """
    if not Path(out).is_dir():
        raise UserError(f"there is no folder {out}; name the one that 'reproduce' or 'run' got as --out")
    return Store(Path(out), writable=False)


def find_training(
    store: Store,
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    *,
    key: str | None = None,
) -> TrainingRecord:
    """The one finished training that matches; see `load`.

    Raises:
        UserError: if none matches, or several do.
    """
    found = [record for record in store.trainings() if record.status == "finished"]
    if not found:
        raise UserError(f"the folder {store.root} holds no finished training; 'earlyrobust run' makes one")
    for field, wanted in (("defense", defense), ("task", task), ("seed", seed)):
        stored = {str(getattr(record, field)) for record in found}
        found = [record for record in found if wanted is None or getattr(record, field) == wanted]
        if not found:
            raise unknown(f"stored {field}", str(wanted), stored)
    if key is not None:
        listed = _listed(found)
        found = [record for record in found if record.key.startswith(key)]
        if not found:
            raise UserError(f"no stored training has a key that begins with {key!r}; stored: {listed}")
    if len(found) > 1:
        raise UserError(f"{len(found)} stored trainings match; narrow by defense, task, seed or key: {_listed(found)}")
    return found[0]


def _listed(records: list[TrainingRecord]) -> str:
    shown = [
        f"{each.key[:SHOWN_KEY]} ({each.defense}, {each.task}, seed {each.seed})" for each in records[:MOST_LISTED]
    ]
    more = len(records) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def load_stored(store: Store, training: TrainingRecord) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """The model and tokenizer of a training; the store is not changed.

    Raises:
        MachineError: if the weights are missing, or were changed after training.
    """
    complaint = store.model_complaint(training)
    if complaint is not None:
        raise MachineError(f"{complaint}; repeat the command that made them")
    folder = store.model_folder(training.key)
    tokenizer = Backbone(str(folder), str(folder), offline=True).load_tokenizer()
    tokenizer.model_max_length = training.identity["max_length"]
    return load_classifier(folder), tokenizer


def load_trained(store: Store, training: TrainingRecord) -> nn.Module:
    """The model of a training, in eval mode, for work in the store.

    Raises:
        MachineError: if the weights were changed after training; the training is then moved away, to be repeated.
    """
    complaint = store.model_complaint(training)
    if complaint is not None:
        with store.locked("trainings", training.key):
            raise MachineError(store.set_aside("trainings", training.key, complaint) + " by the same command")
    _know_guard(training)
    return load_classifier(store.model_folder(training.key))


def _know_guard(training: TrainingRecord) -> None:
    """Load the file of a defense that was given by path, if it defines the guard of the model and is unchanged."""
    path = (training.source or {}).get("path")
    if training.guard is None or path is None or is_known(training.guard["key"]):
        return
    defense = find_defense(path)
    if source_of(defense) != training.source:
        raise UserError(f"the defense file {path} was changed since the training {training.key}; put the old one back")
