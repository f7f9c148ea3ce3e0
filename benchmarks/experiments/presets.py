"""How large a run is: demo (a newcomer's laptop), small (one machine), paper (the reproduction)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from baselines.defense import Defense, Schedule
from baselines.validation import unknown

SCHEDULES = ("shared", "published")
ALL_RECIPES = ("textfooler", "textbugger", "bertattack_official")


@dataclass(frozen=True)
class Preset:
    """The size of a run.

    Attributes:
        key: the preset's name.
        tasks: default tasks.
        backbone: default model to fine-tune.
        runs: seeds 42, 43, ...
        train_texts, test_texts: texts taken from each split, or None for all.
        attacked: texts attacked per run, or None for the task's own number.
        batch_size, max_length: None means the task's own, as in the paper.
        schedule: epochs, rate, decay, warm-up and clipping of every defense.
        published: whether a method uses its authors' decay, warm-up, rate and clipping where they differ.
        defense_settings: hyperparameters for single defenses, by key; applied after the schedule.
        recipes: the attacks of the table.
        profile: "offline" needs no download; "full" needs the files of `prepare`.
        comparable: whether its numbers may be compared with the paper's.
        ablations: fields with other values for comparing variants of one method.
    """

    key: str
    tasks: tuple[str, ...]
    backbone: str
    runs: int
    train_texts: int | None
    test_texts: int | None
    attacked: int | None
    batch_size: int | None = None
    max_length: int | None = None
    schedule: Schedule = field(default_factory=Schedule)
    published: bool = False
    defense_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipes: tuple[str, ...] = ALL_RECIPES
    profile: Literal["offline", "full"] = "offline"
    comparable: bool = False
    ablations: Mapping[str, Any] = field(default_factory=dict)

    def settings_of(self, defense: type[Defense]) -> dict[str, Any]:
        """The hyperparameters that this preset gives a defense."""
        shared = {name: value for name, value in vars(self.schedule).items() if value != getattr(defense, name)}
        own = defense.published if self.published else {}
        return {**shared, **own, **self.defense_settings.get(defense.key, {})}

    def with_schedule(self, name: str) -> Preset:
        """The preset with the "shared" schedule for all methods, or with each method's "published" one.

        Raises:
            UserError: for another name.
        """
        if name not in SCHEDULES:
            raise unknown("schedule", name, SCHEDULES)
        return replace(self, published=name == "published")

    @property
    def generated(self) -> bool:
        """Whether the generated task is its only one."""
        return self.tasks == ("demo",)


# SMART's box: the paper's 1e-5 would have no effect; the corners of this one are 0.2 from the text in MiniLM, which has
# word vectors of a length of about 1.1.
NEIGHBOURHOOD = {"radius": 1e-2, "noise": 1e-3, "step_size": 1e-2}

# Short texts in batches of eight give an epoch 200 updates, so that a mini-epoch of the ticket search is a twentieth of
# an epoch, as in the paper. The three lowest layers of MiniLM learn these texts. All adversarial methods take three
# ascent steps; every method keeps its own objective. RobusT's twenty epochs of mask learning are reduced to a
# half. Masks are compared every ten updates, after which those of three layers differ by more than the paper's: hence
# the wider gamma.
DEMO = Preset(
    key="demo",
    tasks=("demo",),
    backbone="minilm:3",
    runs=2,
    train_texts=1600,
    test_texts=300,
    attacked=60,
    batch_size=8,
    max_length=32,
    schedule=Schedule(epochs=3, learning_rate=5e-4),
    defense_settings={
        "pgd": {"steps": 3, "step_size": 0.01},
        "freelb": {"steps": 3, "step_size": 0.01},
        "random_noise": {"steps": 3, "step_size": 0.01},
        "lora_freelb": {"steps": 3, "step_size": 0.01},
        "info_bert": {"steps": 3},
        "freelb_plus_plus": {"steps": 6, "step_size": 0.01},
        "free_at": {"step_size": 0.01},
        "yopo": {"inner_steps": 2, "step_size": 0.01},
        "smart": NEIGHBOURHOOD,
        "r3f": {"radius": NEIGHBOURHOOD["radius"]},
        "creat": {"step_size": 0.03, "max_norm": 0.03},
        "tavat": {"step_size": 0.02, "max_norm": 0.2},
        "fat": {"step_size": 0.03},
        "early_bert": {"search_learning_rate": 5e-4, "draw_epoch": 0.5},
        "robust_ticket": {"first_epochs": 1, "search.epochs": 0.5, "search.steps": 3, "sparsity": 0.1},
        "early_robust": {"search.learning_rate": 5e-4, "search.steps": 3, "gamma": 0.3},
        "rift": {"attack_steps": 3},
        "ascc": {"attack_steps": 3},
        "adv_hotflip": {"rounds": 1, "share": 0.1},
        "augmentation": {"share": 0.25},
        "ran_mask": {"ensemble": 10, "certifying": 500},
        "safer": {"ensemble": 10, "certifying": 500},
        "diffuse_def": {"fine_tuning.steps": 3, "fine_tuning.step_size": 0.01, "denoise_epochs": 3},
        "rsmi": {"ensemble": 10},
    },
    ablations={"runs": 1, "recipes": ("textfooler",), "attacked": 30},
)

# Chosen on development texts; docs/small-preset.md has the search.
SMALL = Preset(
    key="small",
    tasks=("sst2", "ag_news", "imdb"),
    backbone="minilm",
    runs=3,
    train_texts=4000,
    test_texts=None,
    attacked=400,
    batch_size=16,
    schedule=Schedule(epochs=3, learning_rate=1e-4),
    defense_settings={
        "early_bert": {"search_learning_rate": 1e-4},
        "pgd": {"steps": 3},
        "freelb": {"steps": 3, "step_size": 0.12},
        "random_noise": {"steps": 3, "step_size": 0.1},
        "lora_freelb": {"steps": 3, "step_size": 0.1},
        "smart": NEIGHBOURHOOD,
        "r3f": {"radius": NEIGHBOURHOOD["radius"]},
        "robust_ticket": {"first_epochs": 1, "search.epochs": 1, "search.steps": 3},
        "early_robust": {"search.learning_rate": 1e-4, "search.steps": 3},
        "rift": {"attack_steps": 3},
        "ascc": {"attack_steps": 3},
        "adv_hotflip": {"rounds": 3},
        "augmentation": {"share": 0.1},
    },
    ablations={"recipes": ("textfooler",)},
)

PAPER = Preset(
    key="paper",
    tasks=("imdb", "sst2", "ag_news"),
    backbone="bert-base-uncased",
    runs=5,
    train_texts=None,
    test_texts=None,
    attacked=None,
    profile="full",
    comparable=True,
)

PRESETS = {preset.key: preset for preset in (DEMO, SMALL, PAPER)}


def find_preset(name: str, *, has_cuda: bool, has_assets: bool) -> tuple[Preset, str]:
    """The preset called `name` and a sentence on how it was chosen.

    `auto` is paper if there is a CUDA device and the full profile's files, otherwise demo: a new machine has not
    downloaded them yet.

    Raises:
        UserError: for an unknown name.
    """
    if name == "auto":
        if not has_cuda:
            return DEMO, "preset demo, chosen because no CUDA device is present"
        if not has_assets:
            return DEMO, (
                "preset demo, chosen because a CUDA device is present but no --assets folder is given; run "
                "'earlyrobust prepare --assets DIR' once and give --assets DIR for the preset paper"
            )
        return PAPER, "preset paper, chosen because a CUDA device is present and an --assets folder is given"
    if name not in PRESETS:
        raise unknown("preset", name, [*PRESETS, "auto"])
    return PRESETS[name], f"preset {name}, as asked"
