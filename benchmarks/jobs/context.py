"""Validate all user input and load everything a run needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from baselines.capture import CudaGraphs, Graphs
from baselines.validation import MachineError, UserError, require, unknown
from benchmarks.attacks.downloads import needed_for
from benchmarks.attacks.engine import ENGINE, require_model_for, require_words
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import Resources, full_resources, offline_resources
from benchmarks.clock.machine import git_state, machine_description, usable_cores, versions
from benchmarks.data.examples import Dataset, Example
from benchmarks.data.loading import load
from benchmarks.data.own_task import find_any_task
from benchmarks.data.tasks import Task
from benchmarks.experiments.experiment import USUAL, AttackProtocol, Experiment
from benchmarks.experiments.options import Options, split_names
from benchmarks.experiments.presets import Preset, find_preset
from benchmarks.jobs.precision import AUTO, check_precision, choose_precision
from benchmarks.results.store import Store, content_key
from benchmarks.victims.backbones import Backbone, find_backbone
from benchmarks.victims.guarded import victim_of
from benchmarks.victims.inspection import check_inputs, positions_of
from benchmarks.victims.victim import Victim

SCHEMA = 1
SUBSET_SEED = 0
ATTACK_SEED = 42
EXECUTORS = ("local", "ray")
MEASURED_TOKENS = 32


@dataclass(frozen=True)
class LoadedTask:
    """One task, loaded, with the sizes this run uses.

    Attributes:
        task: the task's definition.
        dataset: its texts.
        batch_size: texts in a training batch.
        max_length: longest text in tokens, in training and under attack.
        attacked: the test texts to attack, one list for every method and run.
        resources: what the recipes draw on.
    """

    task: Task
    dataset: Dataset
    batch_size: int
    max_length: int
    attacked: tuple[Example, ...]
    resources: Resources

    def attacked_under(self, protocol: AttackProtocol) -> tuple[Example, ...]:
        """The test texts to attack under a protocol.

        Raises:
            UserError: if every test text is attacked, so that none is left for development.
        """
        if protocol.subset == "first":
            return tuple(self.dataset.test[: len(self.attacked)])
        if protocol.subset == "random":
            return self.attacked
        drawn = {example.id for example in self.attacked}
        left = [example for example in self.dataset.test if example.id not in drawn]
        if not left:
            raise UserError(
                f"every one of the {len(drawn)} test texts of {self.task.key} is attacked, and none is left for "
                f"development; give a smaller --attacked"
            )
        return random_subset(left, len(drawn))

    def attack_identity(self, recipe: Recipe, protocol: AttackProtocol = USUAL) -> dict[str, Any]:
        """All that decides an attack's outcomes except the victim."""
        length = {} if protocol.max_length is None else {"max_length": protocol.max_length}
        return length | {
            "schema": SCHEMA,
            "recipe": recipe.identity(),
            "resources": self.resources.identity(recipe),
            "examples": content_key({"ids": [example.id for example in self.attacked_under(protocol)]}),
            "seed": ATTACK_SEED,
            "engine": ENGINE,
        }

    def examples(self, ids: Sequence[str]) -> list[Example]:
        """The training or test texts with these ids, in the order of the ids."""
        found = {example.id: example for example in (*self.dataset.train, *self.dataset.test)}
        return [found[each] for each in ids]


@dataclass(frozen=True)
class Context:
    """What `train` and `attack` work with, loaded and checked.

    Attributes:
        spec: what it was loaded from.
        preset, chosen: the preset as the experiment uses it, and a sentence on how it was chosen.
        tasks: the tasks by name.
        backbone, tokenizer: what is fine-tuned.
        recipes: the attacks.
        store: where records go.
        device: "cpu" or "cuda".
        machine, versions: what this runs on.
        precision_chosen: how the precision was chosen, in a sentence, if that was left to the suite.
    """

    spec: RunSpec
    preset: Preset
    chosen: str
    tasks: dict[str, LoadedTask]
    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    recipes: tuple[Recipe, ...]
    store: Store
    device: str
    machine: dict[str, Any]
    versions: dict[str, str]
    precision_chosen: str | None = None

    @property
    def options(self) -> Options:
        """What the user asked for, with the precision that is used."""
        return self.spec.options

    def for_other_processes(self) -> RunSpec:
        """The specification for other processes; it fixes the number of threads, on which weights on a CPU depend."""
        return replace(self.spec, options=replace(self.options, threads=self.machine["threads"]))

    def victim(self, task: str, model: nn.Module, protocol: AttackProtocol = USUAL) -> Victim:
        """The model as a victim, behind its guard if it has one: texts in, probabilities out."""
        return victim_of(
            model.to(self.device),
            self.tokenizer,
            randomness=protocol.randomness,
            read=protocol.read,
            max_length=protocol.max_length or self.tasks[task].max_length,
            device=self.device,
        )

    def for_function(self) -> Context:
        """The same for a victim that is a function: cascades lose the attacks that read tokens or gradients.

        Raises:
            UserError: for another recipe that reads them.
        """
        recipes = tuple(recipe.within(has_masked_model=True, is_model=False) for recipe in self.recipes)
        for recipe in recipes:
            require_model_for(recipe, is_model=False)
        return replace(self, recipes=recipes)

    def graphs(self) -> Graphs | None:
        """What records the steps of one training as CUDA graphs; None without --capture."""
        return CudaGraphs() if self.options.capture else None


@dataclass(frozen=True)
class RunSpec:
    """What a run is loaded from, here or in another process.

    Attributes:
        options: what the user asked for.
        experiment: what it is for; decides what the options leave open.
    """

    options: Options
    experiment: Experiment | None = None

    def load(self) -> Context:
        """Check all user input and load everything a run needs.

        Raises:
            UserError: with one sentence, for any mistake of the user.
        """
        options = self.options
        device = choose_device(options.device)
        preset, chosen = find_preset(options.preset, has_cuda=device == "cuda", has_assets=options.assets is not None)
        preset = preset.with_schedule(options.schedule)
        for name in ("runs", "train_texts", "test_texts", "attacked", "max_length", "batch_size", "threads", "workers"):
            value = getattr(options, name)
            require(value is None or value >= 1, f"--{name.replace('_', '-')}", "1 or more", value)
        check_precision(options.precision, device)
        _check_executor(options, device)
        check_capture(options.capture, device)
        if options.capture and options.allow_accumulation:
            raise UserError(
                "--capture records whole batches, and --allow-accumulation may cut them; leave out one of them"
            )
        preset = self.experiment.fit(preset) if self.experiment else preset
        columns = None if options.columns is None else split_names(options.columns, ())
        names = split_names(options.tasks, preset.tasks)
        definitions = [find_any_task(name, options.data, columns, options.label) for name in names]
        _refuse_unread_data(options, definitions)
        recipes = tuple(find_recipe(name) for name in split_names(options.recipes, preset.recipes) if preset.recipes)
        for recipe in recipes:
            if recipe.library is not None:
                raise UserError(
                    f"--recipes must be of the suite's own, got {recipe.key!r}, which runs in TextAttack's own loop: "
                    f"'earlyrobust attack --recipe {recipe.key}' attacks a finished model with it"
                )
        full = _full_resources(options, preset, recipes) if preset.profile == "full" and recipes else None
        store = Store(options.out, waits=options.wait)
        backbone = find_backbone(
            preset.backbone if options.backbone is None else options.backbone, offline=options.offline
        )
        if options.executor == "local":
            check_threads(options.threads)  # a node of a cluster may have more cores than this machine
        threads = options.threads or (threads_each(options) if options.untimed else torch.get_num_threads())
        threads = min(threads, usable_cores())
        torch.set_num_threads(threads)
        tokenizer = backbone.load_tokenizer()
        most_tokens = positions_of(backbone.config)
        tasks = {task.key: _load_task(task, options, preset, full, most_tokens) for task in definitions}
        recipes = tuple(next(iter(tasks.values())).resources.fitted(recipe) for recipe in recipes)
        for task in tasks.values():
            if recipes:
                require_words(task.attacked, options.max_words)
            for recipe in recipes:
                task.resources.check(recipe)
            check_inputs(backbone.name, backbone.config, tokenizer, task.max_length, len(task.task.columns))
        machine = machine_description() | {"threads": threads}
        choice = None
        if options.precision == AUTO:
            conditions = {"processor": machine["processor"], "threads": threads, "torch": torch.__version__}
            choice = choose_precision(
                store.root,
                conditions | {"backbone": backbone.identity()},
                lambda: backbone.new_classifier(2, 0),
                texts=min(task.batch_size for task in tasks.values()),
                tokens=min(MEASURED_TOKENS, *(task.max_length for task in tasks.values())),
            )
        return Context(
            spec=self if choice is None else replace(self, options=replace(options, precision=choice.precision)),
            preset=preset,
            chosen="; ".join([chosen, *_cut_shorter(tasks, options, preset, backbone.name)]),
            tasks=tasks,
            backbone=backbone,
            tokenizer=tokenizer,
            recipes=recipes,
            store=store,
            device=device,
            machine=machine,
            versions=versions() | git_state(),
            precision_chosen=None if choice is None else choice.sentence,
        )


def _refuse_unread_data(options: Options, tasks: Sequence[Task]) -> None:
    """Raise an error for a folder of data given for generated tasks, which have their own texts.

    Raises:
        UserError: naming the option.
    """
    if options.data is not None and all(task.layout is None for task in tasks):
        names = ", ".join(task.key for task in tasks)
        raise UserError(f"--data is not read for the generated task {names}; leave it out, or name --tasks")


def _check_executor(options: Options, device: str) -> None:
    """Check the executor, its workers and its address.

    Raises:
        UserError: for an unknown executor, more workers than GPUs, or an option of another executor.
        MachineError: for Ray where it is not installed.
    """
    if options.executor not in EXECUTORS:
        raise unknown("executor", options.executor, EXECUTORS)
    if options.executor == "ray" and find_spec("ray") is None:
        raise MachineError("the executor 'ray' needs Ray, which is not installed; pip install 'earlyrobust[ray]'")
    if options.ray_address is not None:
        if options.executor != "ray":
            raise UserError(f"--ray-address is for --executor ray, and the executor is {options.executor!r}")
        if options.workers is not None:
            raise UserError(
                "--workers is for this machine alone; the size of the cluster at --ray-address decides; leave it out"
            )
    elif device == "cuda" and options.workers is not None:
        present = torch.cuda.device_count()
        require(options.workers <= present, "--workers", f"at most {present}, one for each GPU", options.workers)


def check_threads(asked: int | None) -> None:
    """Raise an error for more threads than cores: they make nothing faster, and very many end the interpreter.

    Raises:
        UserError: naming the number of cores.
    """
    present = usable_cores()
    require(asked is None or asked <= present, "threads", f"at most {present}, the cores of this machine", asked)


def threads_each(options: Options) -> int:
    """CPU threads of each training when several run on this machine at once."""
    return options.threads or max(1, usable_cores() // (options.workers or usable_cores()))


def check_capture(capture: bool, device: str) -> None:
    """Raise an error for --capture on a CPU, which has no CUDA graphs.

    Raises:
        UserError: on a CPU.
    """
    if capture and device != "cuda":
        raise UserError("--capture records CUDA graphs, and this run uses the CPU; leave it out, or use a CUDA device")


def choose_device(name: str) -> str:
    """`cuda` or `cpu`.

    Raises:
        UserError: for an unknown device, or for CUDA without a GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise unknown("device", name, ("auto", "cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("the device 'cuda' is not present on this machine; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def _full_resources(options: Options, preset: Preset, recipes: Sequence[Recipe]) -> Resources:
    """The full profile's resources.

    Raises:
        UserError: if no folder is given, it lacks a file, or an option is for the offline profile only.
    """
    if options.assets is None:
        raise UserError(
            f"the preset {preset.key!r} attacks in the full profile, which needs {', '.join(needed_for(recipes))}; run "
            f"'earlyrobust prepare --assets DIR' once and give --assets DIR, or take --preset demo or small"
        )
    for name in ("synonyms", "nltk_data", "encoder"):
        if getattr(options, name) is not None:
            raise UserError(
                f"--{name.replace('_', '-')} is for the offline profile, and the preset {preset.key!r} attacks in the "
                f"full one; leave it out"
            )
    return full_resources(options.assets, recipes)


def _usual_length(task: Task, preset: Preset) -> int:
    return preset.max_length or task.max_length


def _cut_shorter(tasks: dict[str, LoadedTask], options: Options, preset: Preset, backbone: str) -> list[str]:
    """Clauses on tasks whose texts are cut shorter than usual, since the backbone has no more positions."""
    return [
        f"texts of {name} are cut at {task.max_length} tokens, the most that {backbone} reads"
        for name, task in tasks.items()
        if options.max_length is None and task.max_length < _usual_length(task.task, preset)
    ]


def _load_task(task: Task, options: Options, preset: Preset, full: Resources | None, most_tokens: int) -> LoadedTask:
    """A task with this run's sizes.

    Args:
        most_tokens: most tokens that the backbone reads: a length that nobody asked for is at most that.
    """
    dataset = load(
        task,
        data_dir=options.data,
        offline=options.offline,
        train_limit=options.train_texts or preset.train_texts,
        test_limit=options.test_texts or preset.test_texts,
        seed=SUBSET_SEED,
    )
    resources = full or offline_resources(
        synonyms=options.synonyms,
        nltk_data=options.nltk_data,
        assets=options.assets,
        encoder="minilm" if options.encoder is None else options.encoder,
    )
    count = options.attacked or preset.attacked or task.attacked
    return LoadedTask(
        task=task,
        dataset=dataset,
        batch_size=options.batch_size or preset.batch_size or task.batch_size,
        max_length=options.max_length or min(_usual_length(task, preset), most_tokens),
        attacked=random_subset(dataset.test, count),
        resources=resources.with_alphabet(example.texts for example in dataset.test),
    )


def random_subset(examples: Sequence[Example], count: int) -> tuple[Example, ...]:
    """`count` examples drawn with a fixed seed, in stored order; all of them if there are fewer."""
    if count >= len(examples):
        return tuple(examples)
    drawn = np.random.default_rng(SUBSET_SEED).choice(len(examples), size=count, replace=False)
    return tuple(examples[index] for index in sorted(drawn))
