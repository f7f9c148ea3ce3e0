"""What the benchmarks are run on: a victim and texts for the attack engine, a shape for the training steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from baselines.refusal import require
from benchmarks.clock.machine import machine_description
from benchmarks.clock.timing import timer_for
from benchmarks.data.examples import Example
from benchmarks.results.store import Store
from benchmarks.runs.experiments import cells
from benchmarks.runs.options import Options
from benchmarks.runs.runner import ATTACK_SEED, train, training_key, victim_of
from benchmarks.runs.setup import Setup, choose_device, resolve
from benchmarks.speed.attack_speed import WAYS, Timing, compare
from benchmarks.speed.step_speed import StepTiming, time_steps
from benchmarks.victims.saved import load_classifier


@dataclass(frozen=True)
class Bench:
    """The timings of one task, and what they were taken on."""

    setup: Setup
    task: str
    timings: list[Timing]


def bench_attacks(
    options: Options,
    *,
    words: tuple[int, int] | None = None,
    ways: Sequence[str] = WAYS,
    say: Callable[[str], None] = lambda line: None,
) -> list[Bench]:
    """Times every recipe on every task, on one thread of the CPU or on the GPU.

    The victim is the first fine-tuned model of the preset; it is trained where the store has none.

    Args:
        options: as for a run; `attacked` texts are drawn in the stored order.
        words: least and most words of a text.
    Raises:
        ValueError: where no text has that many words.
    """
    setup = resolve(options)
    found = []
    for name, task in setup.tasks.items():
        (cell,) = cells(setup.preset, [name], ["fine_tune"], runs=1)
        if setup.store.training(training_key(setup, cell)) is None:
            say(f"{name}: training the victim")
            train(setup, cell)
        model = load_classifier(setup.store.model_folder(training_key(setup, cell))).to(setup.device)
        examples = _of_length(task.dataset.test, words)[: len(task.attacked)]
        victim = victim_of(setup, task, model)
        torch.set_num_threads(1)
        timings = []
        for recipe in setup.recipes:
            timings += compare(
                victim,
                examples,
                recipe,
                task.resources,
                columns=task.dataset.columns,
                seed=ATTACK_SEED,
                ways=ways,
                say=lambda line, name=name: say(f"{name}, {line}"),
            )
        found.append(Bench(setup, name, timings))
    return found


def bench_steps(
    options: Options, *, updates: int, say: Callable[[str], None] = lambda line: None
) -> tuple[list[StepTiming], list[str]]:
    """Times an update of each method in BERT-base's shape, and says in sentences what the numbers rest on."""
    Store(options.out)  # refuses a folder that cannot be written before the work
    device = choose_device(options.device)
    threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    texts = options.batch_size or 8
    timings = time_steps(texts=texts, updates=updates, device=device, precision=options.precision, say=say)
    machine = machine_description()
    where = machine["processor"] + f", {threads} threads" if device == "cpu" else machine["gpus"][0]
    return timings, [
        f"BERT-base shape with random weights, {texts} texts of equal length, precision {options.precision}; "
        f"median of {updates} updates after one of warm-up, in the suite's own loop.",
        f"Clock: {timer_for(device).clock}, on {where}.",
        "Cost is in updates of dense fine-tuning at the same length; predicted from counted passes (forward 1, input "
        "backward 1, full backward 2), for the pruned model from its share of FLOPs.",
    ]


def _of_length(examples: Sequence[Example], words: tuple[int, int] | None) -> list[Example]:
    if words is None:
        return list(examples)
    require(1 <= words[0] <= words[1], "--words", "LEAST MOST with 1 <= LEAST <= MOST", words)
    chosen = [each for each in examples if words[0] <= len(" ".join(each.texts).split()) <= words[1]]
    require(bool(chosen), "--words", "a range in which there are texts", words)
    return chosen
