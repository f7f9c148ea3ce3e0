"""Finding defenses by name, in files and in plugins."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from benchmarks.data.digests import sha256_of
from benchmarks.experiments import defenses
from benchmarks.experiments.defenses import TABLE_ORDER, find_defense, known_defenses, source_of
from benchmarks.experiments.settings import build

PLUGIN = """
from dataclasses import dataclass
from baselines.fine_tune import FineTune as Base

@dataclass(frozen=True, kw_only=True)
class Mine(Base, key="mine"):
    title = "Mine"
    strength: float = 0.5
"""


def test_the_table_s_methods_come_first() -> None:
    assert tuple(known_defenses())[:7] == TABLE_ORDER


def test_a_file_is_a_defense_with_its_hash(tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    defense = build(str(path), "sst2", {"strength": "0.25"})
    assert (defense.key, defense.strength) == ("mine", 0.25)
    assert source_of(type(defense)) == {"path": str(path.resolve()), "sha256": sha256_of(path)}
    assert source_of(find_defense("pgd")) == {}
    assert "mine" not in known_defenses(), "a file is not registered for good"


def test_an_installed_plugin_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    plugin = find_defense(str(path))
    entry = SimpleNamespace(load=lambda: plugin, value="mine:Mine")
    monkeypatch.setattr(defenses, "entry_points", lambda group: [entry] if group == "earlyrobust.defenses" else [])
    known_defenses.cache_clear()
    try:
        assert known_defenses()["mine"] is plugin
        monkeypatch.setattr(plugin, "__module__", "my_package.mine")
        monkeypatch.setitem(sys.modules, "my_package.mine", SimpleNamespace(__file__=str(path)))
        assert source_of(plugin) == {"module": "my_package.mine", "sha256": sha256_of(path)}
    finally:
        known_defenses.cache_clear()


@pytest.mark.parametrize("plugin", [ImportError("no module"), SystemExit(0), "no defense", int])
def test_a_broken_plugin_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch, caplog, plugin: object) -> None:
    def load() -> object:
        if isinstance(plugin, BaseException):
            raise plugin
        return plugin

    entry = SimpleNamespace(load=load, value="mine:Mine", dist=SimpleNamespace(name="their-package"))
    monkeypatch.setattr(defenses, "entry_points", lambda group: [entry])
    known_defenses.cache_clear()
    try:
        assert set(known_defenses()) == set(defenses.tree_defenses())
    finally:
        known_defenses.cache_clear()
    assert "the plugin mine:Mine of their-package cannot be loaded" in caplog.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x = 1", "must define one Defense with a key, found none"),
        ("def broken(:", "fails to import: SyntaxError"),
        ("import no_such_module", "fails to import: ModuleNotFoundError"),
        (PLUGIN + PLUGIN.replace("Mine", "Other").replace('"mine"', '"other"'), "found mine, other"),
    ],
)
def test_files_that_are_no_defense_are_refused(tmp_path, content: str, sentence: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(content)
    modules = set(sys.modules)
    with pytest.raises(ValueError) as refusal:
        find_defense(str(path))
    assert sentence in str(refusal.value)
    assert not {name for name in set(sys.modules) - modules if "fails" in sentence and name.startswith("plugin_")}


def test_unknown_names_and_absent_files_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown defense 'freelab'; did you mean 'freelb'"):
        find_defense("freelab")
    with pytest.raises(ValueError, match="does not exist"):
        find_defense("nowhere/mine.py")
