"""Words that an attack never changes."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from baselines.validation import MachineError
from benchmarks.data.files import text_of

_RECIPE = Path("attack_recipes", "textfooler_jin_2019.py")
_NLTK_LIST = Path("corpora", "stopwords", "english")


@dataclass(frozen=True)
class StopWords:
    """A list of words and its source."""

    words: frozenset[str]
    origin: str

    def identity(self) -> dict[str, Any]:
        """Hash of the list."""
        return {"sha256": hashlib.sha256("\n".join(sorted(self.words)).encode()).hexdigest()}


def textfooler_stop_words() -> StopWords:
    """TextFooler's list, read from TextAttack's source without importing it; without TextAttack, scikit-learn's list.

    Raises:
        MachineError: if TextAttack's recipe holds no such list.
    """
    spec = find_spec("textattack")
    if spec is None or spec.origin is None:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return StopWords(frozenset(ENGLISH_STOP_WORDS), "scikit-learn's list")
    path = Path(spec.origin).parent / _RECIPE
    return StopWords(_list_in(path.read_text("utf-8"), path), "TextFooler's list")


def _list_in(source: str, path: Path) -> frozenset[str]:
    """The words in the assignment `stopwords = set([...])`."""
    for node in ast.walk(ast.parse(source)):
        is_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "stopwords"
        if is_list and isinstance(node.value, ast.Call) and len(node.value.args) == 1:
            return frozenset(ast.literal_eval(node.value.args[0]))
    raise MachineError(f"{path} holds no list of stop words; install textattack==0.3.11")


def nltk_stop_words(folder: Path) -> StopWords | None:
    """NLTK's English list from a folder of NLTK data, or None if the folder has none."""
    path = folder / _NLTK_LIST
    if not path.is_file():
        return None
    return StopWords(frozenset(text_of(path).split()), "NLTK's list")
