"""The inputs of the benchmarks: a victim and texts for the attack engine, a shape and texts for updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

import torch

from baselines.capture import CudaGraphs
from baselines.threads import cpu_threads
from baselines.validation import UserError, require
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.clock.cost import BERT_BASE, EncoderShape
from benchmarks.clock.machine import machine_description
from benchmarks.clock.timing import timer_for
from benchmarks.data.examples import Example
from benchmarks.experiments.experiment import FIRST_SEED
from benchmarks.experiments.options import Options
from benchmarks.jobs.batches import task_batches
from benchmarks.jobs.context import (
    ATTACK_SEED,
    Context,
    RunSpec,
    check_capture,
    check_threads,
    choose_device,
)
from benchmarks.jobs.fine_tuned import first_fine_tuned
from benchmarks.jobs.precision import check_precision
from benchmarks.results.store import Store
from benchmarks.speed.attack_speed import WAYS, Timing, compare
from benchmarks.speed.cpu_speed import (
    KERNEL_TITLES,
    REPEATS,
    SHAPES,
    CpuTiming,
    faster_in_bf16,
    peaks,
    time_attack,
    time_products,
    time_updates,
)
from benchmarks.speed.loop_speed import LoopTiming, time_loops
from benchmarks.speed.step_speed import WARM_UP_UPDATES, StepTiming, random_bert, time_steps
from benchmarks.victims.kernels import KERNELS, Kernel, has_onednn
from benchmarks.victims.saved import load_classifier
from benchmarks.victims.victim import Victim

CPU_TOKENS = 32


@dataclass(frozen=True)
class Bench:
    """The timings of one task, with their conditions."""

    context: Context
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

    The victim is the preset's first fine-tuned model; it is trained if the store has none.

    Args:
        options: as for a run; `attacked` texts are drawn in the stored order.
        words: minimum and maximum number of words of a text.
    Raises:
        UserError: if no text has that many words, or the preset attacks in the full profile.
    """
    context = RunSpec(options).load()
    if context.preset.profile == "full":
        raise UserError(
            f"the engine is timed in the offline profile, and the preset {context.preset.key!r} attacks in the full "
            f"one; use --preset small or demo"
        )
    found = []
    for name, task in context.tasks.items():
        examples = _of_length(task.dataset.test, words)[: len(task.attacked)]
        victim = _fine_tuned_victim(context, name, say)
        timings = []
        with cpu_threads(1):
            for recipe in context.recipes:
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
        found.append(Bench(context, name, timings))
    return found


def _fine_tuned_victim(context: Context, task: str, say: Callable[[str], None]) -> Victim:
    """The preset's first fine-tuned model on a task; it is trained if the store has none."""
    job = first_fine_tuned(context, task, say)
    return context.victim(task, load_classifier(context.store.model_folder(job.key)))


def _by_kernel(victim: Victim, resources: Resources, kernel: Kernel) -> tuple[Victim, Resources]:
    """The victim and the sentence encoder with this kernel for their products."""
    other = Victim(victim.model, victim.tokenizer, max_length=victim.max_length, kernel=kernel)
    encoder = MeanPooledEncoder(resources.encoder.backbone, kernel=kernel)  # type: ignore[attr-defined]
    return other, replace(resources, encoder=encoder)


def bench_cpu(
    options: Options,
    *,
    updates: int,
    shapes: Mapping[str, EncoderShape] = SHAPES,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[list[CpuTiming], list[str]]:
    """Time products, updates and attacks on one thread of the CPU; also return sentences on how it was measured.

    Updates in bf16 are timed for the shapes for which bf16 products are faster than fp32's.
    """
    context = RunSpec(replace(options, device="cpu")).load()
    if context.preset.profile == "full":
        raise UserError(f"attacks are timed in the offline profile, not in that of the preset {context.preset.key!r}")
    texts = options.batch_size or 8
    chosen: dict[str, str] = {}
    with cpu_threads(1):
        timings = time_products(shapes)
        faster = {name: faster_in_bf16([each for each in timings if each.shape == name]) for name in shapes}
        precisions = {name: ("fp32", "bf16") if faster[name] else ("fp32",) for name in shapes}
        say(f"products: {', '.join(f'{name} {best:.0f} GFLOP/s' for name, best in peaks(timings).items())}")
        timings += time_updates(shapes, texts=texts, tokens=CPU_TOKENS, updates=updates, precisions=precisions, say=say)
        for name, task in context.tasks.items():
            trained = _fine_tuned_victim(context, name, say)
            for recipe, kernel in product(context.recipes, KERNELS if has_onednn() else ("torch",)):
                victim, resources = _by_kernel(trained, task.resources, kernel)
                examples = task.dataset.test[: len(task.attacked)]
                timing = time_attack(
                    victim, examples, recipe, resources, columns=task.dataset.columns, seed=ATTACK_SEED
                )
                timings.append(replace(timing, shape=f"{context.backbone.name}, {task.task.title}"))
                say(f"{timings[-1].shape}, {recipe.title}, {timing.kernel}: {timing.seconds:.1f} CPU s")
            chosen[task.task.title] = KERNEL_TITLES[trained.kernel]
    slower = [name for name in shapes if not faster[name]]
    return timings, [
        f"CPU seconds of one thread on {context.machine['processor']}, torch's instructions: "
        f"{torch.backends.cpu.get_cpu_capability()}. Products: the linear layers of one encoder layer, the shortest of "
        f"{REPEATS} calls. Updates: {texts} texts of {CPU_TOKENS} tokens, random weights, median of {updates}.",
        "Peak %: of the fastest products of the same precision in this table. The operations besides products are "
        "those of torch's profiler with most time.",
        f"Victim: {context.backbone.name} fine-tuned, preset {context.preset.key}; its answers and the sentence "
        f"encoder's, each computed once. Attacks take the products of "
        + "; ".join(f"{kernel} on {title}" for title, kernel in chosen.items())
        + ".",
        *(
            [f"Updates in bf16 are not timed for {', '.join(slower)}: products are slower there than in fp32."]
            if slower
            else []
        ),
    ]


def bench_steps(
    options: Options, *, updates: int, say: Callable[[str], None] = lambda line: None
) -> tuple[list[StepTiming], list[str]]:
    """Time an update of each method in BERT-base's shape; also return sentences on how it was measured."""
    Store(options.out)  # raises an error for a folder that cannot be written, before the work
    check_precision(options.precision)
    device = choose_device(options.device)
    check_capture(options.capture, device)
    check_threads(options.threads)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    texts = options.batch_size or 8
    timings = time_steps(
        texts=texts,
        updates=updates,
        device=device,
        precision=options.precision,
        new_graphs=CudaGraphs if options.capture else lambda: None,
        say=say,
    )
    return timings, [
        f"BERT-base shape with random weights, {texts} texts of equal length, precision {options.precision}; "
        f"median of {updates} updates after one of warm-up, in the suite's own loop.",
        f"Clock: {timer_for(device).clock}, on {_where(device)}.",
        "Cost is in updates of dense fine-tuning at the same length; predicted from counted passes (forward 1, input "
        "backward 1, full backward 2), for the pruned model from its share of FLOPs: its predicted cost is phi, its "
        "measured one phi_wall.",
        *(["Updates are replayed from CUDA graphs."] if options.capture else []),
    ]


def bench_loops(
    options: Options,
    *,
    updates: int,
    shape: EncoderShape = BERT_BASE,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, list[LoopTiming]], list[str]]:
    """Time each method's update beside the plain one of its release, on a task's texts, with random weights.

    Returns:
        timings by the task's title, and sentences on how they were measured.
    """
    context = RunSpec(replace(options, batch_size=options.batch_size or 8)).load()
    found = {}
    for name, task in context.tasks.items():
        batches = task_batches(context, name, FIRST_SEED)
        chosen = list(islice(batches.epoch(0), WARM_UP_UPDATES + updates))
        require(len(chosen) > WARM_UP_UPDATES, "--train-texts", "more than one batch", len(chosen))
        found[task.task.title] = time_loops(
            random_bert(shape),
            chosen,
            longest=task.max_length,
            device=context.device,
            precision=context.options.precision,
            new_graphs=context.graphs,
            say=lambda line, name=name: say(f"{name}, {line}"),
        )
    sizes = {task.batch_size for task in context.tasks.values()}
    named = "BERT-base" if shape == BERT_BASE else f"{shape.layers} layers of width {shape.hidden}: a"
    precision = context.options.precision
    return found, [
        f"{named} shape with random weights, batches of {sizes.pop()} texts, precision {precision}; mean of up to "
        f"{updates} updates on the same batches after {WARM_UP_UPDATES} of warm-up.",
        f"Clock: {timer_for(context.device).clock}; plain loops: the host's, synchronised after each update; on "
        f"{_where(context.device)}.",
        "Plain: as the releases write it. Losses are read back after each pass, ascents compute all parameters' "
        "gradients, InfoBERT goes backwards twice and walks over tokens in Python, searches spell attention out to "
        "scale its heads and copy their coefficients after each update, RobusT's takes the fixed weights' gradients "
        "too, AdamW and clipping go parameter by parameter. The gradients are the same; tests hold both to it.",
    ]


def _where(device: str) -> str:
    machine = machine_description()
    if device != "cpu":
        return machine["gpus"][0] if isinstance(machine["gpus"], list) else torch.cuda.get_device_name()
    return f"{machine['processor']}, {torch.get_num_threads()} threads"


def _of_length(examples: Sequence[Example], words: tuple[int, int] | None) -> list[Example]:
    if words is None:
        return list(examples)
    require(1 <= words[0] <= words[1], "--words", "LEAST MOST with 1 <= LEAST <= MOST", words)
    chosen = [each for each in examples if words[0] <= len(" ".join(each.texts).split()) <= words[1]]
    require(bool(chosen), "--words", "a range in which there are texts", words)
    return chosen
