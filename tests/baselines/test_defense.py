"""What a defense is, and how it is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType

import pytest

import baselines
from baselines.defense import Defense, Progress, collect, discover
from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.pgd import PGD
from baselines.settings import added_later


def test_discovery_finds_the_files_of_a_package() -> None:
    found = discover(baselines)
    assert found["fine_tune"] is FineTune
    assert list(found) == sorted(found)
    assert all(key == kind.key for key, kind in found.items())


def test_a_file_put_into_a_package_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "more_defenses"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom baselines.fine_tune import FineTune\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(FineTune, key='mine'):\n    title = 'Mine'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import more_defenses

    assert list(discover(more_defenses)) == ["mine"]


def test_one_key_for_two_defenses_is_refused() -> None:
    module = ModuleType("twice")
    kinds = [type(f"D{number}", (Defense,), {"__module__": "twice", "key": "same"}) for number in range(2)]
    vars(module).update({kind.__name__: kind for kind in kinds})
    with pytest.raises(ValueError, match="two defenses use the key 'same'"):
        collect(module, {})


def test_a_defense_with_neither_step_nor_stages_says_so(bert, batch) -> None:
    with pytest.raises(NotImplementedError, match="defines neither"):
        Defense().step(bert(), batch())


def test_tasks_have_settings_of_their_own() -> None:
    assert EarlyBert.for_task("imdb").pruning.neuron_sparsity == 0.4
    assert EarlyBert.for_task("a task of the user's") == EarlyBert()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 0}, "FineTune.epochs must be positive, got 0"),
        ({"learning_rate": -1.0}, "FineTune.learning_rate must be positive, got -1.0"),
        ({"warmup_ratio": 1.0}, r"FineTune.warmup_ratio must be in \[0, 1\), got 1.0"),
        ({"max_grad_norm": 0}, "FineTune.max_grad_norm must be positive, or None for no clipping, got 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FineTune(**settings)


@dataclass(frozen=True, kw_only=True)
class Holding(Defense):
    """Hold others: one as ever, one in a field that came later."""

    title, paper, key = "Holding", "none", "holding"
    search: Defense = field(default_factory=FreeLB)
    later: Defense = added_later(FineTune())
    bound: float | None = added_later(None)


def test_what_came_later_counts_only_where_it_was_set() -> None:
    usual = Holding()
    assert usual.settings().keys() - usual.identity().keys() == {"later", "bound"}
    assert usual.identity() == {**usual.schedule(), "search": FreeLB().identity()}
    assert Holding(bound=1.0).identity() == {**usual.identity(), "bound": 1.0}


def test_a_nested_defense_is_named_where_it_is_not_the_default_s_kind() -> None:
    assert Holding(search=FreeLB().changed(steps=2)).identity()["search"] == FreeLB().changed(steps=2).identity()
    assert Holding(search=PGD()).settings()["search"] == {"defense": "pgd", **PGD().settings()}
    assert Holding(later=PGD()).identity()["later"] == {"defense": "pgd", **PGD().identity()}


def test_the_schedule_is_what_every_stage_is_made_with(bert) -> None:
    defense = FreeLB(epochs=3, learning_rate=1e-3, weight_decay=0.5, warmup_ratio=0.25, max_grad_norm=None)
    stage = next(defense.stages(bert()))
    assert defense.schedule() == {name: getattr(stage, name) for name in defense.schedule()}
    assert len(defense.schedule()) == 5


def test_progress_counts_epochs() -> None:
    assert Progress(3, 4, 8, 1e-3).epoch == 0.75


@dataclass(frozen=True, kw_only=True)
class Grown(FineTune):
    share: float = added_later(0.5)
    inner: FineTune = field(default_factory=FineTune)


def test_a_field_added_later_leaves_the_identity_until_it_is_set() -> None:
    assert "share" in Grown().settings() and "share" not in Grown().identity()
    assert Grown(share=0.25).identity() == Grown().identity() | {"share": 0.25}
    assert Grown().identity()["inner"] == FineTune().settings()
