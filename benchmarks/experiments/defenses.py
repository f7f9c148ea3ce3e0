"""Every defense the suite knows: those in the tree, installed plugins, and a file given by path."""

from __future__ import annotations

import logging
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import baselines
import method
from baselines.defense import Defense, collect, discover
from baselines.validation import UserError, unknown
from benchmarks.data.code_files import run_code, watch_user_code
from benchmarks.data.digests import sha256_of

log = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "earlyrobust.defenses"

TABLE_ORDER = ("fine_tune", "early_bert", "pgd", "freelb", "info_bert", "robust_ticket", "early_robust")


@cache
def tree_defenses() -> dict[str, type[Defense]]:
    """The defenses of this repository, by key: those with a cost model."""
    return discover(baselines, method)


@cache
def known_defenses() -> dict[str, type[Defense]]:
    """The defenses of this repository and of installed packages, by key: those of Table 1 first, then by name.

    A plugin that cannot be loaded is left out with a warning, since every command calls this function.

    Raises:
        UserError: if two defenses use the same key.
    """
    found = dict(tree_defenses())
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        defense = _plugin(entry)
        if defense is None:
            continue
        if found.setdefault(defense.key, defense) is not defense:
            raise UserError(f"the plugin {entry.value!r} claims the key {defense.key!r}, which is taken")
    return dict(sorted(found.items(), key=lambda item: (_position(item[0]), item[0])))


def _plugin(entry: EntryPoint) -> type[Defense] | None:
    """The defense of an installed package; None, after a warning, if it cannot be loaded."""
    try:
        defense = entry.load()
        if not (isinstance(defense, type) and issubclass(defense, Defense)):
            raise TypeError(f"it is {defense!r} and no Defense")
        watch_user_code(str(sys.modules[defense.__module__].__file__))
        return defense
    except (Exception, SystemExit) as error:
        package = entry.dist.name if entry.dist is not None else "an unknown package"
        reason = f"{type(error).__name__}: {error}"
        log.warning(
            "the plugin %s of %s cannot be loaded and is left out (%s); repair or uninstall it",
            entry.value,
            package,
            reason,
        )
        return None


def _position(key: str) -> int:
    return TABLE_ORDER.index(key) if key in TABLE_ORDER else len(TABLE_ORDER)


def find_defense(name: str) -> type[Defense]:
    """The defense called `name`, or the one defined in the file `name` if that ends in `.py`.

    The file is run.

    Raises:
        UserError: for an unknown name, a missing file, or a file that does not define exactly one defense.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    known = known_defenses()
    if name not in known:
        raise unknown("defense", name, known)
    return known[name]


def _from_file(path: Path) -> type[Defense]:
    module = run_code(path, "defense file", "plugin")
    found: dict[str, type[Defense]] = {}
    collect(module, found)
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise UserError(f"the defense file {str(path)!r} must define one Defense with a key, found {names}")
    return next(iter(found.values()))


def source_of(defense: type[Defense]) -> dict[str, str]:
    """For a defense from elsewhere, its source as stored in its record; empty for one of this repository.

    A file given by path is named by that path, an installed plugin by its module.
    """
    if defense.__module__.partition(".")[0] in (baselines.__name__, method.__name__):
        return {}
    path = Path(str(sys.modules[defense.__module__].__file__)).resolve()
    is_file = defense.__module__.startswith("plugin_")
    return ({"path": str(path)} if is_file else {"module": defense.__module__}) | {"sha256": sha256_of(path)}
