"""Rewrites of texts that were made elsewhere, by people or a language model, as an attack.

PromptAttack (Xu et al., ICLR 2024) and its kin ask a language model for rewrites, which costs money and changes with
the model. Here the rewrites are data: a file that names the model and the prompts, and is identified by its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.validation import UserError, require
from benchmarks.data.examples import Example
from benchmarks.data.files import is_unicode, text_of, without_doubles

MOST = 20


@dataclass(frozen=True, eq=False)
class Proposals:
    """The rewrites of texts.

    Attributes:
        model, prompts: what made them.
        rewrites: by text, up to `MOST`, in the order in which they are tried.
        sha256: of the file.
    """

    model: str
    prompts: tuple[str, ...]
    rewrites: dict[tuple[str, ...], tuple[tuple[str, ...], ...]]
    sha256: str

    def describe(self) -> str:
        """What made them, for captions."""
        return f"rewrites by {self.model} (file {self.sha256[:8]})"

    def require_all(self, examples: Sequence[Example]) -> None:
        """Raise an error for a text that the file does not have.

        Raises:
            UserError: naming the first.
        """
        missing = [example for example in examples if example.texts not in self.rewrites]
        if missing:
            raise UserError(
                f"the proposals have no rewrites of {len(missing)} of {len(examples)} texts, the first being "
                f"{missing[0].id}: {missing[0].texts[0][:60]!r}; give a row for each text, with an empty list for none"
            )


def read_proposals(path: Path) -> Proposals:
    """Read a file `{"model": ..., "prompts": [...], "rewrites": [{"text": ..., "rewrites": [...]}, ...]}`.

    A text is a string, or a list of two for a pair.

    Raises:
        UserError: naming the row, for another layout.
    """
    written = text_of(path)
    try:
        content = json.loads(written, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable as JSON: {error}") from error
    names = ("model", "prompts", "rewrites")
    whole = isinstance(content, dict) and set(names) <= set(content)
    require(whole, str(path), f"an object with {', '.join(names)}", type(content).__name__)
    require(isinstance(content["model"], str), f"{path}, model", "text", content["model"])
    prompts = content["prompts"]
    fits = isinstance(prompts, list) and all(isinstance(prompt, str) for prompt in prompts)
    require(fits, f"{path}, prompts", "a list of texts", prompts)
    require(isinstance(content["rewrites"], list), f"{path}, rewrites", "a list of rows", content["rewrites"])
    found: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}
    for number, row in enumerate(content["rewrites"], start=1):
        where = f"{path}, row {number}"
        fits = isinstance(row, dict) and {"text", "rewrites"} <= set(row) and isinstance(row["rewrites"], list)
        require(fits, where, "an object with text and a list of rewrites", row)
        text = _columns(row["text"], where)
        require(text not in found, where, "on a text of its own", row["text"])
        require(len(row["rewrites"]) <= MOST, where, f"with at most {MOST} rewrites", len(row["rewrites"]))
        rewrites = tuple(_columns(each, where) for each in row["rewrites"])
        require(all(len(each) == len(text) for each in rewrites), where, "of as many columns as its text", rewrites)
        found[text] = rewrites
    digest = hashlib.sha256(written.encode()).hexdigest()
    return Proposals(content["model"], tuple(prompts), found, digest)


def _columns(text: Any, where: str) -> tuple[str, ...]:
    columns = tuple(text) if isinstance(text, list) else (text,)
    fits = 1 <= len(columns) <= 2 and all(isinstance(each, str) and is_unicode(each) for each in columns)
    require(fits, where, "with texts, or pairs of texts", text)
    return columns
