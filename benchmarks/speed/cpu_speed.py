"""How near a CPU's matrix products, updates and attacks come to its peak, on one thread."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from baselines.training import fit
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.resources import Resources
from benchmarks.clock.cost import BERT_BASE, MINILM, EncoderShape
from benchmarks.clock.flops import CountedSteps
from benchmarks.clock.shortest import shortest_seconds
from benchmarks.data.examples import Example
from benchmarks.speed.attack_speed import WARM_UP_TEXTS, engine_run
from benchmarks.speed.step_profile import profile_updates
from benchmarks.speed.step_speed import RandomBatches, measured_methods, random_batch, random_bert
from benchmarks.victims.kernels import Kernel, has_onednn, product
from benchmarks.victims.packed import packed_logits, packed_means
from benchmarks.victims.pieces import Row
from benchmarks.victims.victim import Victim

SHAPES = {"MiniLM": MINILM, "BERT-base": BERT_BASE}
ROWS = (16, 512, 2048)
REPEATS = 5
KERNEL_TITLES: dict[Kernel, str] = {"torch": "torch", "onednn": "oneDNN"}
WARM_UP_UPDATES = 2
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn::_linear_pointwise")  # names in torch's profiler
SHOWN_OPERATIONS = 3

Arithmetic = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class CpuTiming:
    """One kind of work on one thread.

    Attributes:
        work: what was done, in words.
        shape: the encoder's.
        kernel: "torch" or "oneDNN" for products, "torch" for updates, the victim's for attacks.
        precision: of the products.
        gflop: 10^9 floating-point operations in products, of one call.
        seconds: CPU seconds of one call.
        others: parts besides products that took most time, with their share of it; not looked for in every row.
    """

    work: str
    shape: str
    kernel: str
    precision: Arithmetic
    gflop: float
    seconds: float
    others: tuple[tuple[str, float], ...] = ()

    @property
    def gflops(self) -> float:
        """10^9 floating-point operations a second."""
        return self.gflop / self.seconds


def time_products(shapes: Mapping[str, EncoderShape], rows: Sequence[int] = ROWS) -> list[CpuTiming]:
    """Time the linear layers of one encoder layer, by kernel and precision; each is the best of `REPEATS`."""
    found = []
    for name, shape in shapes.items():
        layers = _linear_layers(shape)
        for count in rows:
            gflop = sum(2 * count * layer.weight.numel() for layer in layers) / 1e9
            inputs = [torch.randn(count, layer.in_features) for layer in layers]
            ways: list[tuple[str, Arithmetic, list[Callable[[], Any]]]] = [
                ("torch", "fp32", _calls(layers, inputs, "torch")),
                *([("oneDNN", "fp32", _calls(layers, inputs, "onednn"))] if has_onednn() else []),  # type: ignore[list-item]
                ("torch", "bf16", _calls([_in_bf16(layer) for layer in layers], [each.bfloat16() for each in inputs])),
            ]
            for kernel, precision, calls in ways:
                with torch.inference_mode():
                    seconds = best_seconds(lambda calls=calls: [call() for call in calls])  # type: ignore[misc]
                found.append(CpuTiming(f"products of {count} rows", name, kernel, precision, gflop, seconds))
    return found


def _linear_layers(shape: EncoderShape) -> list[nn.Linear]:
    """Those of one encoder layer, with random weights."""
    sizes = [*[(shape.hidden, shape.hidden)] * 4, (shape.hidden, shape.neurons), (shape.neurons, shape.hidden)]
    return [nn.Linear(*size) for size in sizes]


def _in_bf16(layer: nn.Linear) -> nn.Linear:
    return nn.Linear(layer.in_features, layer.out_features, dtype=torch.bfloat16)


def _calls(layers: Sequence[nn.Linear], inputs: Sequence[Any], kernel: Any = "torch") -> list[Callable[[], Any]]:
    computed = [product(layer, kernel) for layer in layers]
    return [lambda one=one, rows=rows: one(rows) for one, rows in zip(computed, inputs, strict=True)]


def best_seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The shortest CPU time of a call on this thread, after one that is not timed."""
    (seconds,) = shortest_seconds(work, repeats=repeats, clock=time.thread_time)
    return seconds


def time_updates(
    shapes: Mapping[str, EncoderShape],
    *,
    texts: int,
    tokens: int,
    updates: int,
    precisions: Mapping[str, Sequence[Arithmetic]],
    say: Callable[[str], None] = lambda line: None,
) -> list[CpuTiming]:
    """Time each method's update in the training loop, at random weights and tokens.

    Args:
        precisions: by shape, those to time.
    """
    found = []
    for name, shape in shapes.items():
        for title, defense in measured_methods().items():
            for precision in precisions[name]:
                model = random_bert(shape)
                batch = random_batch(texts, tokens, model.config.vocab_size)
                counted, ends = CountedSteps(defense), []

                def note(stage: Any, progress: Any, ends: list[float] = ends) -> None:
                    ends.append(time.thread_time())

                batches = RandomBatches(batch, WARM_UP_UPDATES + updates)
                fit(counted, model, batches, precision=precision, on_update=note)  # type: ignore[arg-type]
                seconds = statistics.median(after - before for before, after in pairwise(ends[WARM_UP_UPDATES - 1 :]))
                (flops,) = (each.flops for each in counted.counted.values())
                others = _other_operations(defense, model, batch, precision) if title == "Fine-tune" else ()
                found.append(CpuTiming(f"update, {title}", name, "torch", precision, flops / 1e9, seconds, others))
                say(f"{name}, {title}, {precision}: {seconds:.3f} CPU s an update")
    return found


def _other_operations(
    defense: Any, model: nn.Module, batch: Any, precision: Arithmetic
) -> tuple[tuple[str, float], ...]:
    """The longest operations besides products, with their share of an update's time."""
    profile = profile_updates("", defense, model, batch, updates=1, device="cpu", precision=precision)
    others = [kernel for kernel in profile.kernels if kernel.name not in PRODUCTS]
    return tuple(
        (kernel.name.removeprefix("aten::").strip("_"), kernel.seconds / profile.busy_seconds)
        for kernel in others[:SHOWN_OPERATIONS]
    )


def time_attack(
    victim: Victim,
    examples: Sequence[Example],
    recipe: Recipe,
    resources: Resources,
    *,
    columns: Sequence[str],
    seed: int,
) -> CpuTiming:
    """Time the attack engine on texts with the kernel of the victim; what is not spent in the models is Python."""
    engine_run(victim, examples[:WARM_UP_TEXTS], recipe, resources, columns, seed)
    _, seconds, python, asked = engine_run(victim, examples, recipe, resources, columns, seed)
    flops = _forward_flops(packed_logits, victim.model, asked.of_victim)
    flops += _forward_flops(packed_means, resources.encoder.model, asked.of_encoder)
    others = (("Python and tokenising", python / seconds),)
    work = f"attack, {recipe.title}, {len(examples)} texts"
    return CpuTiming(work, "", KERNEL_TITLES[victim.kernel], "fp32", flops / 1e9, seconds, others)


def _forward_flops(forward: Callable[..., Any], model: nn.Module, rows: Iterable[Row]) -> int:
    """FLOPs of the products of forward passes over these inputs, each computed once."""
    numbers = Counter(len(row.ids) for row in rows)
    total = 0
    for length, number in numbers.items():
        # The counter does not support the CPU's fused attention
        with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            forward(model, [Row((0,) * length, ())])
        total += number * counter.get_total_flops()
    return total


def peaks(timings: Sequence[CpuTiming]) -> dict[str, float]:
    """The most GFLOP/s of any products, by precision: the peak as measured."""
    found: dict[str, float] = {}
    for each in timings:
        if each.work.startswith("products"):
            found[each.precision] = max(found.get(each.precision, 0.0), each.gflops)
    return found


def faster_in_bf16(timings: Sequence[CpuTiming]) -> bool:
    """Whether the fastest bf16 products are faster than the fastest in fp32."""
    found = peaks(timings)
    return found["bf16"] > found["fp32"]
