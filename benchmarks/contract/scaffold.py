"""Templates for a new defense: a working file, its test and its card."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template

from baselines.validation import MachineError, UserError, require
from benchmarks.experiments.defenses import known_defenses

TEMPLATES = Path(__file__).parent / "templates"


def new_defense(key: str, folder: Path) -> list[Path]:
    """Write `key`.py, test_`key`.py and `key`.md into `folder`, and return their paths.

    The defense works and keeps the contract as written; no file is overwritten.

    Args:
        key: the defense's name in commands: in snake case, and not yet used.
    Raises:
        UserError: for an invalid name, or a file that exists already.
        MachineError: if a file cannot be written.
    """
    _check_name(key)
    words = key.split("_")
    files = {"defense": folder / f"{key}.py", "test": folder / f"test_{key}.py", "card": folder / f"{key}.md"}
    for path in files.values():
        if path.exists():
            raise UserError(f"the file {path} exists already and is not overwritten; use another name or --out")
    require(find_spec(key) is None, "NAME", "a name that no installed module has", key)
    values = {
        "key": key,
        "title": " ".join(words).capitalize(),
        "name_of_class": "".join(word.capitalize() for word in words),
        "defense_file": files["defense"].name,
        "test_file": files["test"].name,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            text = Template((TEMPLATES / f"{name}.txt").read_text("utf-8")).substitute(values)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise MachineError(f"{folder} cannot be written: {error.strerror or error}") from error
    return list(files.values())


def _check_name(key: str) -> None:
    is_snake_case = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", key) is not None
    require(is_snake_case, "NAME", "snake case, such as my_defense", key)
    require(not keyword.iskeyword(key), "NAME", "not a Python keyword", key)
    require(key not in known_defenses(), "NAME", "a name that no defense has; see 'earlyrobust ls defenses'", key)
