"""Predict how long presets take on a number of GPUs, from the cost model's FLOPs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from baselines.defense import Defense
from baselines.validation import UserError, require
from benchmarks.clock.cost import BERT_BASE, FINE_TUNING_UPDATE, MINILM, encoder_flops, epoch_units
from benchmarks.data.files import text_of
from benchmarks.data.tasks import find_task
from benchmarks.executors.time_estimate import FORWARDS_PER_WORD, OTHER_FORWARDS_PER_WORD
from benchmarks.experiments.catalogue import find_experiments
from benchmarks.experiments.experiment import AttackProtocol, seeds
from benchmarks.experiments.options import DEFAULTS
from benchmarks.experiments.presets import PRESETS, Preset
from benchmarks.results.store import write_atomically
from reports.comparability import TEST_TEXTS, TRAINING_TEXTS
from reports.tables import Column, Number, Table

SHAPES = {"minilm": MINILM, "bert-base-uncased": BERT_BASE}
EXPERIMENTS_SHOWN = ("table1", "all")
BEGIN, END = "<!-- scale: begin -->", "<!-- scale: end -->"

COLUMNS = (
    Column("Preset", "preset", False),
    Column("Experiment", "experiment", False),
    Column("GPUs", "gpus"),
    Column("Hours", "hours"),
    Column("Training h", "training_hours"),
    Column("Attacks h", "attack_hours"),
    Column("Longest training h", "longest_training_hours"),
    Column("GPU hours", "gpu_hours"),
    Column("Limited by", "limited_by", False),
)


@dataclass(frozen=True)
class Work:
    """The work of an experiment on one GPU.

    Attributes:
        trainings: block and hours of each training, in the plan's order.
        attacks: hours of each attack.
    """

    trainings: tuple[tuple[Hashable, float], ...]
    attacks: tuple[float, ...]


def training_flops(preset: Preset, name: str, defense: Defense) -> float:
    """FLOPs of a training with its clean evaluation, every text as long as the task allows.

    Source: the cost model in `benchmarks.clock.cost`; a search is assumed to run to its maximum.
    """
    task, shape = find_task(name), SHAPES[preset.backbone]
    tokens = preset.max_length or task.max_length
    forward = encoder_flops(shape, tokens)
    epochs = epoch_units(defense, shape=shape, tokens=tokens)
    trained = _texts(preset.train_texts, TRAINING_TEXTS, name)
    tested = _texts(preset.test_texts, TEST_TEXTS, name)
    return (epochs * trained * FINE_TUNING_UPDATE + tested) * forward


def attack_flops(preset: Preset, task: str, recipe: str) -> float:
    """FLOPs of an attack on a dense model: forward passes per word, as many words as the task allows tokens."""
    found = find_task(task)
    tokens = preset.max_length or found.max_length
    passes = FORWARDS_PER_WORD.get(recipe, OTHER_FORWARDS_PER_WORD) * tokens
    return (preset.attacked or found.attacked) * passes * encoder_flops(SHAPES[preset.backbone], tokens)


def _texts(limit: int | None, present: dict[str, int], task: str) -> int:
    return min(each for each in (limit, present.get(task)) if each is not None)


def work_of(preset: Preset, experiment: str, flops_per_second: float) -> Work:
    """An experiment's trainings and attacks, each once; `all` is every experiment."""
    hour = 3600 * flops_per_second
    trainings: dict[tuple[str, int, str], float] = {}
    attacks: dict[tuple[tuple[str, int, str], AttackProtocol, str], float] = {}
    for each in find_experiments(experiment):
        if not each.trains:
            continue
        fitted = each.fit(preset)
        for task, seed, variant in product(fitted.tasks, seeds(fitted), each.chosen(DEFAULTS, fitted)):
            defense = variant.defense_for(fitted, task, seed)
            model = (task, seed, repr(defense))
            trainings[model] = training_flops(fitted, task, defense) / hour
            for recipe in fitted.recipes:
                attacks[model, variant.protocol, recipe] = attack_flops(fitted, task, recipe) / hour
    return Work(tuple((model[:2], hours) for model, hours in trainings.items()), tuple(attacks.values()))


def bounds(work: Sequence[tuple[Hashable, float]], gpus: int, per_machine: int) -> dict[str, float]:
    """Lower bounds on the hours until the last item ends, by what limits them; the largest is the prediction.

    Args:
        work: block and hours of each item; the items of a block stay on one machine.
        per_machine: GPUs of one machine.
    """
    blocks: dict[Hashable, float] = {}
    for block, hours in work:
        blocks[block] = blocks.get(block, 0.0) + hours
    return {
        "the number of GPUs": sum(blocks.values()) / gpus,
        "blocks kept on one machine": max(blocks.values(), default=0.0) / min(gpus, per_machine),
        "the longest training": max((hours for _, hours in work), default=0.0),
    }


def scale_table(tflops: float, gpus: Sequence[int] = (1, 8, 64), gpus_per_machine: int = 8) -> Table:
    """One row per preset, experiment and number of GPUs.

    Args:
        tflops: throughput of one GPU, in 10^12 FLOPs per second.
    Raises:
        UserError: for a throughput or number that is not positive.
    """
    require(tflops > 0, "--tflops", "positive", tflops)
    require(bool(gpus) and all(each >= 1 for each in gpus), "--gpus", "1 or more each", tuple(gpus))
    require(gpus_per_machine >= 1, "--gpus-per-machine", "1 or more", gpus_per_machine)
    rows = []
    for preset in (preset for preset in PRESETS.values() if not preset.generated):
        for experiment in EXPERIMENTS_SHOWN:
            work = work_of(preset, experiment, 1e12 * tflops)
            for number in gpus:
                rows.append((preset.key, experiment, *_row(work, number, gpus_per_machine)))
    by_recipe = ", ".join(f"{passes:g} forward passes a word of {key}" for key, passes in FORWARDS_PER_WORD.items())
    caption = (
        f"Assumed: every GPU sustains {tflops:g} TFLOP/s, and machines have up to {gpus_per_machine} GPUs; at twice "
        f"the throughput half the hours. Nothing here was measured.",
        "FLOPs: the cost model's, forward 1, input backward 1, full backward 2, every text as long as its task allows, "
        "embeddings left out, every search to its cap. Shorter texts take less.",
        f"Attacks: {by_recipe}, {OTHER_FORWARDS_PER_WORD:g} of any other, and a word for every token; the time that "
        f"Python takes of its own is not in it.",
        "Hours are lower bounds: the largest of all work divided by the GPUs, a block of trainings divided by the "
        "GPUs of one machine, and the longest training. Left out: starts, warm-up, loading, sending weights.",
    )
    return Table("Predicted hours by number of GPUs", COLUMNS, tuple(rows), caption)


def _row(work: Work, gpus: int, per_machine: int) -> tuple[Number | str, ...]:
    limits = bounds(work.trainings, gpus, per_machine)
    training, attack = max(limits.values()), max(sum(work.attacks) / gpus, max(work.attacks, default=0.0))
    limit = "attacks" if attack > training else max(limits, key=limits.__getitem__)
    return (
        Number(gpus, digits=0),
        Number(training + attack, digits=2),
        Number(training, digits=2),
        Number(attack, digits=2),
        Number(limits["the longest training"], digits=2),
        Number(limits["the number of GPUs"] * gpus + sum(work.attacks), digits=2),
        limit,
    )


def with_table(text: str, table: Table) -> str:
    """A document with the table between its two marks.

    Raises:
        UserError: unless each occurs exactly once.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"the document must hold {BEGIN} and {END}, each once and in this order")
    body = table.to_markdown().partition("\n")[2].strip()
    head, tail = text[: text.index(BEGIN)], text[text.index(END) :]
    return f"{head}{BEGIN}\n\n{body}\n\n{tail}"


def write_into(document: Path, table: Table) -> None:
    """Replace the table in a document.

    Raises:
        UserError: if the document does not exist or has no markers.
    """
    if not document.is_file():
        raise UserError(f"the document {document} does not exist")
    write_atomically(document, with_table(text_of(document), table))
