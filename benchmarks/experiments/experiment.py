"""What an experiment is: variants of methods on tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from baselines.defense import Defense
from baselines.validation import UserError, require, unknown
from benchmarks.experiments.defenses import TABLE_ORDER, find_defense
from benchmarks.experiments.options import Options, split_names
from benchmarks.experiments.presets import Preset
from benchmarks.experiments.settings import build

FIRST_SEED = 42

Kind = Literal["methods", "variants", "curves", "distances", "layers", "settings"]


@dataclass(frozen=True)
class AttackProtocol:
    """How attacks meet a trained model, where the paper and the release differ.

    Attributes:
        subset: "random" attacks test texts drawn with a fixed seed; "first" the first as stored, as the release does;
            "development" as many of those that "random" leaves, for choices made by looking at outcomes.
        max_length: longest text in tokens under attack; None keeps that of training. The release attacks at 512.
    """

    subset: Literal["random", "first", "development"] = "random"
    max_length: int | None = None


USUAL = AttackProtocol()


@dataclass(frozen=True)
class Variant:
    """A row of a table or a point of a curve: a defense with some settings changed.

    Attributes:
        key: its name in `--variants`.
        label: its name in tables.
        defense: the defense's key, or the path of a Python file.
        settings: hyperparameters that come after the preset's.
        seeded: hyperparameters that take the run's seed.
        protocol: how its attacks meet the model.
        recipes: recipes by the one in whose column their outcomes stand.
        curve, x: the curve it is a point of, and where on it.
        fine: a point that the demo preset leaves out, unless it is asked for.
    """

    key: str
    label: str
    defense: str = "early_robust"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeded: tuple[str, ...] = ()
    protocol: AttackProtocol = USUAL
    recipes: Mapping[str, str] = field(default_factory=dict)
    curve: str = ""
    x: float | None = None
    fine: bool = False

    def defense_for(self, preset: Preset, task: str, seed: int) -> Defense:
        """The defense with all its settings, for a task, a preset and a seed.

        Raises:
            ValueError: for an unknown defense or a setting it refuses.
        """
        own = {**self.settings, **dict.fromkeys(self.seeded, seed)}
        return build(self.defense, task, preset.settings_of(find_defense(self.defense)), own)


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper, or one of our own beside them.

    Attributes:
        key: its name in commands and files.
        title: what stands above it.
        shows: what it shows, for the listing.
        kind: the report it gets: "methods" side by side; "variants" of one method with their change from the first;
            "curves" over a hyperparameter; "distances" between masks; "layers" and what each keeps; "settings" alone.
        variants: its rows or points; methods side by side are those that --defenses names where there are none here.
        reference: the variant to which others are compared, if it is not the first.
        tasks: the paper's; None for the preset's own. The demo preset runs every experiment on the generated task.
        attacked: whether its models are attacked.
        full_recipes: the attacks in the full profile; None for the preset's own.
        note: what the caption says besides.
        study: one about the suite itself, which `all` leaves out.
    """

    key: str
    title: str
    shows: str
    kind: Kind
    variants: tuple[Variant, ...] = ()
    tasks: tuple[str, ...] | None = None
    attacked: bool = True
    full_recipes: tuple[str, ...] | None = None
    note: str = ""
    reference: str | None = None
    study: bool = False

    @property
    def of_methods(self) -> bool:
        """Whether its rows are methods, which --defenses chooses, and not variants of one."""
        return self.kind == "methods"

    @property
    def trains(self) -> bool:
        """Whether there is anything to train for it."""
        return self.kind != "settings"

    def fit(self, preset: Preset) -> Preset:
        """The preset as this experiment uses it: its tasks, and fewer runs and attacks where one method is varied."""
        changes: dict[str, Any] = {} if self.of_methods else dict(preset.ablations)
        if self.tasks is not None and not preset.generated:
            changes["tasks"] = self.tasks
        if self.full_recipes is not None and preset.profile == "full":
            changes["recipes"] = self.full_recipes
        if not self.attacked:
            changes["recipes"] = ()
        return replace(preset, **changes)

    def chosen(self, options: Options, preset: Preset) -> tuple[Variant, ...]:
        """The variants to run: those requested, otherwise the preset's.

        Raises:
            ValueError: for an unknown one, or an option that chooses in other experiments.
        """
        if self.of_methods:
            _refuse(options.variants, "--variants", self.key, "--defenses")
            return self.variants or methods(split_names(options.defenses, TABLE_ORDER))
        _refuse(options.defenses, "--defenses", self.key, "--variants")
        known = {variant.key: variant for variant in self.variants}
        left = tuple(key for key, variant in known.items() if not (variant.fine and preset.generated))
        names = split_names(options.variants, left)
        for name in names:
            if name not in known:
                raise unknown(f"variant of {self.key}", name, known)
        return tuple(variant for key, variant in known.items() if key in names)


def _refuse(value: str | None, option: str, experiment: str, instead: str) -> None:
    if value is not None:
        raise UserError(f"{option} chooses nothing in {experiment}, got {value!r}; use {instead}")


def methods(names: Sequence[str], settings: Mapping[str, Any] | None = None) -> tuple[Variant, ...]:
    """Defenses, each with the same settings changed."""
    return tuple(Variant(name, name, name, settings or {}) for name in names)


def seeds(preset: Preset, runs: int | None = None) -> range:
    """The seeds of `runs` runs, the preset's own number where that is None.

    Raises:
        ValueError: for no runs at all.
    """
    count = preset.runs if runs is None else runs
    require(count >= 1, "--runs", "1 or more", count)
    return range(FIRST_SEED, FIRST_SEED + count)
