"""Import TextAttack 0.3.11 without preparation by hand and without downloads."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from baselines.validation import MachineError
from benchmarks.attacks.stop_words import textfooler_stop_words

# The marker file that tells TextAttack its downloads are done.
_INSTALLED = "post_install_check_3"

_CACHE_VARIABLE = "TA_CACHE_DIR"

# TextAttack and NLTK read from these folders until the process ends.
_folders: list[tempfile.TemporaryDirectory[str]] = []


def import_textattack() -> ModuleType:
    """Import TextAttack without a download, a lock or a marker file in the user's own cache.

    On import TextAttack downloads NLTK data under a file lock, marks this as done even if it failed, and raises if
    NLTK's stop words are missing. Here the import sees a separate cache that is marked as installed, and a list of
    stop words if NLTK has none; then the user's environment variables and TextAttack's cache folder are restored.

    Raises:
        MachineError: if TextAttack is not installed or cannot be imported.
    """
    if "textattack" in sys.modules:
        return sys.modules["textattack"]
    # These packages read their cache folders from the environment during import, so import them before it changes.
    for name in ("huggingface_hub.constants", "transformers", "datasets"):
        importlib.import_module(name)
    folder = tempfile.TemporaryDirectory(prefix="earlyrobust-textattack-")
    _folders.append(folder)
    (Path(folder.name) / _INSTALLED).touch()
    before = dict(os.environ)
    os.environ[_CACHE_VARIABLE] = folder.name
    try:
        _ensure_nltk_stop_words(Path(folder.name, "nltk_data"))
        textattack = importlib.import_module("textattack")
    except ImportError as error:
        raise MachineError(f"TextAttack cannot be imported: {error}; pip install textattack==0.3.11") from error
    finally:
        _restore(before)
    install = importlib.import_module("textattack.shared.utils.install")
    install.TEXTATTACK_CACHE_DIR = before.get(_CACHE_VARIABLE, str(Path("~/.cache/textattack").expanduser()))
    install.logger.setLevel(logging.WARNING)  # otherwise it announces each attack on the error stream
    return textattack


def _ensure_nltk_stop_words(folder: Path) -> None:
    """Put TextFooler's stop words where NLTK looks, if NLTK finds none."""
    import nltk

    try:
        nltk.corpus.stopwords.words("english")
    except LookupError:
        path = folder / "corpora" / "stopwords" / "english"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(sorted(textfooler_stop_words().words)), "utf-8")
        nltk.data.path.append(str(folder))


def _restore(before: dict[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
