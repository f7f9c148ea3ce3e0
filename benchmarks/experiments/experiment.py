"""What an experiment is: variants of methods on tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from baselines.defense import Defense
from baselines.guard import Channel
from baselines.validation import UserError, require, unknown
from benchmarks.experiments.defenses import TABLE_ORDER, find_defense
from benchmarks.experiments.options import Options, split_names
from benchmarks.experiments.presets import Preset
from benchmarks.experiments.settings import build
from benchmarks.victims.guarded import Randomness

FIRST_SEED = 42

Kind = Literal["methods", "variants", "curves", "distances", "layers", "settings"]


@dataclass(frozen=True)
class AttackProtocol:
    """Which texts are attacked, how long they may be, and what an attack sees of a guard.

    Attributes:
        subset: "random": test texts drawn with a fixed seed. "first": the first as stored, as in the release.
            "development": as many of the texts not drawn by "random", for choices that are made by looking at outcomes.
        max_length: longest text in tokens under attack; None keeps the length of training. The release uses 512.
        randomness: of a guarded model. "pinned": the draws of an answer come from the text. "fresh": each answer has
            its own draws, and a success counts if the majority of twenty further answers confirms it.
        read: what an attack reads of a guarded model: the "mean" logits of its passes, or the share of their "votes".
    """

    subset: Literal["random", "first", "development"] = "random"
    max_length: int | None = None
    randomness: Randomness = "pinned"
    read: Channel = "mean"

    def of_guard(self) -> dict[str, str]:
        """What decides an attack on a guarded model, beside the model itself."""
        return {"randomness": self.randomness, "read": self.read}


USUAL = AttackProtocol()


@dataclass(frozen=True)
class Variant:
    """A row of a table or a point of a curve: a defense with some settings changed.

    Attributes:
        key: its name in `--variants`.
        label: its name in tables.
        defense: the defense's key, or the path of a Python file.
        settings: hyperparameters, which override the preset's.
        seeded: hyperparameters that take the run's seed.
        protocol: the protocol of its attacks.
        recipes: for a column of a table, by recipe, the recipe to use instead.
        curve, x: for a point of a curve, the curve's name and the position on it.
        fine: whether the demo preset leaves it out unless `--variants` names it.
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
            UserError: for an unknown defense or an invalid setting.
        """
        own = {**self.settings, **dict.fromkeys(self.seeded, seed)}
        return build(self.defense, task, preset.settings_of(find_defense(self.defense)), own)


@dataclass(frozen=True)
class Experiment:
    """A table or figure, of the paper or of our own.

    Attributes:
        key: its name in commands and files.
        title: what stands above it.
        shows: what the table shows, for the listing.
        kind: the kind of its report: "methods" side by side; "variants" of one method with their change from the
            first; "curves" over a hyperparameter; "distances" between masks; "layers" with what each keeps; "settings".
        variants: its rows or points; empty for the methods that --defenses names.
        reference: the variant to compare the others with, if it is not the first.
        tasks: the tasks of the paper; None for those of the preset. The demo preset always uses the generated task.
        attacked: whether its models are attacked.
        full_recipes: the attacks in the full profile; None for those of the preset.
        note: a sentence for the caption.
        study: whether it is about the suite itself; `all` leaves it out.
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
        """Whether its rows are methods, chosen by --defenses, and not variants of one method."""
        return self.kind == "methods"

    @property
    def trains(self) -> bool:
        """Whether its report needs trained models."""
        return self.kind != "settings"

    def fit(self, preset: Preset) -> Preset:
        """The preset with this experiment's tasks, and with fewer runs and attacks if it varies one method."""
        changes: dict[str, Any] = {} if self.of_methods else dict(preset.ablations)
        if self.tasks is not None and not preset.generated:
            changes["tasks"] = self.tasks
        if self.full_recipes is not None and preset.profile == "full":
            changes["recipes"] = self.full_recipes
        if not self.attacked:
            changes["recipes"] = ()
        return replace(preset, **changes)

    def chosen(self, options: Options, preset: Preset) -> tuple[Variant, ...]:
        """The variants to run: those that the user names, otherwise those of the preset.

        Raises:
            UserError: for an unknown variant, or an option that does not apply to this experiment.
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
        raise UserError(f"{option} changes nothing in {experiment}, got {value!r}; use {instead}")


def methods(names: Sequence[str], settings: Mapping[str, Any] | None = None) -> tuple[Variant, ...]:
    """Defenses, each with the same settings changed."""
    return tuple(Variant(name, name, name, settings or {}) for name in names)


def seeds(preset: Preset, runs: int | None = None) -> range:
    """The seeds of `runs` runs; None stands for the preset's number of runs.

    Raises:
        UserError: for less than one run.
    """
    count = preset.runs if runs is None else runs
    require(count >= 1, "--runs", "1 or more", count)
    return range(FIRST_SEED, FIRST_SEED + count)
