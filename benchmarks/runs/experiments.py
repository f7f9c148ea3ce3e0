"""Experiments as values: the variants each table or figure of the paper is made of, and the cells to run for them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from baselines.defense import Defense
from baselines.refusal import require, unknown
from benchmarks.runs.defenses import TABLE_ORDER, build
from benchmarks.runs.options import Options, split_names
from benchmarks.runs.presets import Preset
from method.early_robust import RELEASED

FIRST_SEED = 42

Kind = Literal["methods", "variants", "curves", "distances", "layers", "settings"]


@dataclass(frozen=True)
class Terms:
    """How attacks meet a trained model, where the paper and the release part.

    Attributes:
        subset: "random" attacks test texts drawn with a fixed seed; "first" the first as stored, as the release does;
            "development" as many of those that "random" leaves, for choices made by looking at outcomes.
        max_length: longest text in tokens under attack; None keeps that of training. The release attacks at 512.
    """

    subset: Literal["random", "first", "development"] = "random"
    max_length: int | None = None


@dataclass(frozen=True)
class Cell:
    """One training and the attacks on its model.

    Attributes:
        task: the task's name.
        defense: the defense with all its hyperparameters.
        seed: decides the classifier's start, the order of the texts, dropout and perturbations.
        terms: how the attacks meet the model.
    """

    task: str
    defense: Defense
    seed: int
    terms: Terms = Terms()


@dataclass(frozen=True)
class Variant:
    """A row of a table or a point of a curve: a defense with some settings changed.

    Attributes:
        key: its name in `--variants`.
        label: its name in tables.
        defense: the defense's key, or the path of a Python file.
        settings: hyperparameters that come after the preset's.
        seeded: hyperparameters that take the run's seed.
        terms: how its attacks meet the model.
        recipes: recipes by the one in whose column their outcomes stand.
        curve, x: the curve it is a point of, and where on it.
        fine: a point that the demo preset leaves out, unless it is asked for.
    """

    key: str
    label: str
    defense: str = "early_robust"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeded: tuple[str, ...] = ()
    terms: Terms = Terms()
    recipes: Mapping[str, str] = field(default_factory=dict)
    curve: str = ""
    x: float | None = None
    fine: bool = False

    def cell(self, preset: Preset, task: str, seed: int) -> Cell:
        """What to run for this variant on a task with a seed.

        Raises:
            ValueError: for an unknown defense or a setting it refuses.
        """
        key = build(self.defense, task).key
        own = {**self.settings, **dict.fromkeys(self.seeded, seed)}
        defense = build(self.defense, task, preset.settings, preset.defense_settings.get(key, {}), own)
        return Cell(task, defense, seed, self.terms)


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper, or one of our own beside them.

    Attributes:
        key: its name in commands and files.
        title: what stands above it.
        shows: what it shows, for the listing.
        kind: the report it gets: "methods" side by side; "variants" of one method with their change from the first;
            "curves" over a hyperparameter; "distances" between masks; "layers" and what each keeps; "settings" alone.
        variants: its rows or points.
        reference: the variant that changes are told from, where it is not the first.
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

    def fit(self, preset: Preset) -> Preset:
        """The preset as this experiment uses it: its tasks, and fewer runs and attacks where one method is varied."""
        changes: dict[str, Any] = {} if self.kind == "methods" else dict(preset.ablations)
        if self.tasks is not None and not preset.generated:
            changes["tasks"] = self.tasks
        if self.full_recipes is not None and preset.profile == "full":
            changes["recipes"] = self.full_recipes
        if not self.attacked:
            changes["recipes"] = ()
        return replace(preset, **changes)

    def chosen(self, options: Options, preset: Preset) -> tuple[Variant, ...]:
        """The variants to run: those asked for, else the preset's.

        Raises:
            ValueError: for an unknown one, or an option that chooses in other experiments.
        """
        if self.kind == "methods":
            _refuse(options.variants, "--variants", self.key, "--defenses")
            return methods(split_names(options.defenses, TABLE_ORDER))
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
        raise ValueError(f"{option} chooses nothing in {experiment}, got {value!r}; use {instead}")


def methods(names: Sequence[str], settings: Mapping[str, Any] | None = None) -> tuple[Variant, ...]:
    """Defenses as they are, each with the same settings changed."""
    return tuple(Variant(name, name, name, settings or {}) for name in names)


PLAIN = Variant("early_robust", "EarlyRobust")

_SEARCHED_WHOLE_EPOCH = {"search_to_cap": True, "max_search_epochs": 1.0}

_WITHOUT_ADVERSARIAL_LOSS = Variant(
    "no_adversarial_loss",
    "Without adversarial loss",
    settings={"search.steps": 1, "search.init_magnitude": 0.0},
)
_WITHOUT_REGULARISER = Variant(
    "no_regulariser", "Without regulariser", settings={"lambda_heads": 0.0, "lambda_neurons": 0.0}
)
_RANDOM_TICKET = Variant("random_ticket", "Random ticket", settings={"ticket": "random"}, seeded=("ticket_seed",))

_TICKET_PARTS = (
    Variant("no_initialisation", "Without initialisation", settings={"without": "initialisation"}),
    Variant("no_structure", "Without structure", settings={"without": "structure"}),
    Variant(
        "no_structure_released",
        "Without structure (as released)",
        settings={"without": "structure_as_released"},
    ),
)

_SCOPES = (
    replace(PLAIN, label="Heads global, neurons global"),
    Variant("heads_layerwise", "Heads layer-wise, neurons global", settings={"head_scope": "layerwise"}),
    Variant("neurons_layerwise", "Heads global, neurons layer-wise", settings={"neuron_scope": "layerwise"}),
    Variant(
        "both_layerwise",
        "Heads layer-wise, neurons layer-wise",
        settings={"head_scope": "layerwise", "neuron_scope": "layerwise"},
    ),
)

_COARSE_GAMMAS = (0.3, 0.1, 0.02)
_GAMMAS = tuple(
    Variant(
        f"gamma={gamma}",
        f"γ = {gamma}",
        settings={"gamma": gamma},
        curve="γ",
        x=gamma,
        fine=gamma not in _COARSE_GAMMAS,
    )
    for gamma in (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)
)

# Heads in twelfths, so that a sixth is exactly the default and its cell is shared
_SPARSITIES = tuple(
    Variant(
        f"heads={twelfths}/12",
        f"{twelfths}/12 of heads pruned",
        settings={"head_sparsity": twelfths / 12},
        curve="heads",
        x=100 * twelfths / 12,
        fine=twelfths not in (0, 2, 4, 6),
    )
    for twelfths in range(7)
) + tuple(
    Variant(
        f"neurons={tenths / 10}",
        f"{10 * tenths} % of neurons pruned",
        settings={"neuron_sparsity": tenths / 10},
        curve="neurons",
        x=10.0 * tenths,
        fine=tenths not in (0, 3, 5, 7),
    )
    for tenths in range(8)
)

_ATTACK_512, _FIRST_TEXTS = Terms(max_length=512), Terms(subset="first")
_RELEASED_BERT_ATTACK = {"bertattack": "bertattack_official"}
_DEPARTURES = (
    replace(PLAIN, label="As the paper says"),
    Variant(
        "stop_rule", "Stop rule: anchor, after a whole epoch", settings={"stop_rule": "anchor"} | _SEARCHED_WHOLE_EPOCH
    ),
    Variant("drawn_record", "Drawn by hand at 0.20 epoch", settings={"draw_epoch": RELEASED["draw_epoch"]}),
    Variant("shuffling", "Search in stored order", settings={"search_shuffle": False}),
    Variant("token_types", "Search without token types", settings={"search_token_types": False}),
    Variant("mask_rule", "Masks by quantile", settings={"mask_rule": "quantile"}),
    Variant("attack_length", "Attacked at 512 tokens", terms=_ATTACK_512),
    Variant("first_texts", "First texts attacked, not random ones", terms=_FIRST_TEXTS),
    Variant("bertattack", "BERT-Attack: the embedding attack", recipes=_RELEASED_BERT_ATTACK),
    Variant(
        "released",
        "All as released",
        settings=dict(RELEASED) | _SEARCHED_WHOLE_EPOCH,
        terms=Terms(subset="first", max_length=512),
        recipes=_RELEASED_BERT_ATTACK,
    ),
)

# How far a perturbation must reach before a small training on MiniLM gains by it; its word vectors are of length 1.1.
_DEVELOPMENT = Terms(subset="development")
_REACHES = (
    Variant("fine_tune", "Fine-tune", "fine_tune", terms=_DEVELOPMENT),
    *(
        Variant(f"{defense}={size}", f"{title}, step {size}", defense, {"step_size": size}, terms=_DEVELOPMENT)
        for size in (0.03, 0.1, 0.15, 0.2, 0.3)
        for defense, title in (("pgd", "PGD"), ("freelb", "FreeLB"))
    ),
)

_MAIN_TASKS = ("imdb", "sst2", "ag_news")


def _scopes(number: int, task: str, title: str) -> Experiment:
    return Experiment(
        f"table{number}",
        f"Table {number}: pruning over all layers or within each, {title}",
        f"heads and neurons ranked globally or layer-wise, {title}",
        "variants",
        _SCOPES,
        (task,),
    )


EXPERIMENTS: dict[str, Experiment] = {
    experiment.key: experiment
    for experiment in (
        Experiment(
            "table1",
            "Table 1: clean accuracy, accuracy under attack, queries and training time",
            "Clean%, Aua% and #Query of seven methods under three attacks, with training time",
            "methods",
        ),
        Experiment(
            "table2",
            "Table 2: clean accuracy, accuracy under attack, queries and training time on pairs of texts",
            "the methods of Table 1 on pairs of texts, both of which are attacked",
            "methods",
            tasks=("qnli", "qqp"),
        ),
        Experiment(
            "table3",
            "Table 3: what the search owes to its loss and penalty",
            "without adversarial loss, without regulariser, random ticket",
            "variants",
            (PLAIN, _WITHOUT_ADVERSARIAL_LOSS, _WITHOUT_REGULARISER, _RANDOM_TICKET),
            _MAIN_TASKS,
            note="Random tickets are drawn anew for each seed.",
        ),
        Experiment(
            "table4",
            "Table 4: what the ticket owes to its weights and its structure",
            "without initialisation, without structure (by definition, and as the release does it)",
            "variants",
            (PLAIN, *_TICKET_PARTS),
            _MAIN_TASKS,
            note="Without structure, by definition: what the ticket prunes is drawn anew in a model of full size. As "
            "released: neurons are pruned as ever, and heads' weights are zeroed along the wrong axis.",
        ),
        _scopes(5, "imdb", "IMDB"),
        Experiment(
            "table6",
            "Table 6: hyperparameters of EarlyRobust",
            "hyperparameters of EarlyRobust by task, with where each is from; trains nothing",
            "settings",
            tasks=("imdb", "sst2", "ag_news", "qnli", "qqp"),
        ),
        _scopes(7, "sst2", "SST-2"),
        _scopes(8, "ag_news", "AG News"),
        Experiment(
            "figure2",
            "Figure 2: distances between the masks of a search",
            "distances between the masks of every two of twenty mini-epochs, heads and neurons",
            "distances",
            # The search alone is looked at: fine-tuning is cut to its first update.
            (Variant("search", "EarlyRobust's search", settings=_SEARCHED_WHOLE_EPOCH | {"epochs": 1e-6}),),
            _MAIN_TASKS,
            attacked=False,
            note="The search runs its whole epoch whatever the masks do; its model is fine-tuned for one update.",
        ),
        Experiment(
            "figure3",
            "Figure 3: the bound on the distance of masks",
            "Aua%, Clean% and the draw's epoch over γ",
            "curves",
            _GAMMAS,
            ("sst2", "imdb"),
            reference="gamma=0.1",
        ),
        Experiment(
            "figure4",
            "Figure 4: the share of heads and of neurons pruned",
            "Clean% and Aua% over the sparsity of heads and of neurons, one at a time",
            "curves",
            _SPARSITIES,
            ("sst2", "imdb"),
            reference="heads=2/12",
        ),
        Experiment(
            "figure5",
            "Figure 5: heads and neurons kept in each layer",
            "shares of heads and neurons that tickets keep in each layer",
            "layers",
            (PLAIN,),
            _MAIN_TASKS,
            attacked=False,
        ),
        Experiment(
            "release-vs-paper",
            "The release against the paper: what each departure changes",
            "EarlyRobust with each departure of the release from the paper, one at a time and all together",
            "variants",
            _DEPARTURES,
            ("sst2", "imdb"),
            full_recipes=("textfooler", "bertattack", "bertattack_official"),
            note="The anchor rule needs the epoch's masks, so the release searches a whole epoch; it draws by hand, "
            "before that rule is asked.",
        ),
        Experiment(
            "reach",
            "Reach of the perturbation: from which step adversarial training gains on a small training",
            "fine-tuning beside PGD and FreeLB over the ascent's step, attacked on development texts",
            "variants",
            _REACHES,
            ("sst2",),
            note="Attacked are test texts that no other table attacks.",
            study=True,
        ),
    )
}


def find_experiments(name: str) -> tuple[Experiment, ...]:
    """The experiment called `name`; those on the paper for `all`.

    Raises:
        ValueError: for an unknown one.
    """
    if name == "all":
        return tuple(experiment for experiment in EXPERIMENTS.values() if not experiment.study)
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, [*EXPERIMENTS, "all"])
    return (EXPERIMENTS[name],)


def seeds(preset: Preset, runs: int | None = None) -> range:
    """The seeds of `runs` runs, the preset's own number where that is None.

    Raises:
        ValueError: for no runs at all.
    """
    count = preset.runs if runs is None else runs
    require(count >= 1, "--runs", "1 or more", count)
    return range(FIRST_SEED, FIRST_SEED + count)


def variant_cells(
    preset: Preset, tasks: Sequence[str], variants: Sequence[Variant], *, runs: int | None = None
) -> list[Cell]:
    """Every variant on every task, in complete blocks: a block is one seed, its cells in a shuffled order.

    Variants that come to the same cell share it.

    Raises:
        ValueError: for unknown defenses or settings, or no runs at all.
    """
    planned: list[Cell] = []
    for task in tasks:
        for seed in seeds(preset, runs):
            block: list[Cell] = []
            for variant in variants:
                cell = variant.cell(preset, task, seed)
                if cell not in block:
                    block.append(cell)
            random.Random(f"{task} {seed}").shuffle(block)
            planned += block
    return planned


def cells(
    preset: Preset,
    tasks: Sequence[str],
    defenses: Sequence[str] = TABLE_ORDER,
    *,
    runs: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """The cells of some defenses.

    Args:
        settings: hyperparameters that come after the preset's, for every defense asked for.
    Raises:
        ValueError: for unknown defenses or settings, or no runs at all.
    """
    return variant_cells(preset, tasks, methods(defenses, settings), runs=runs)
