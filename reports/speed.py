"""Tables of the suite's own speed: CPU, attacks, updates, updates beside plain ones, executors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmarks.clock.machine import machine_description
from benchmarks.data.tasks import title_of
from benchmarks.speed.attack_speed import WAYS
from benchmarks.speed.bench import Bench
from benchmarks.speed.cpu_speed import CpuTiming, peaks
from benchmarks.speed.executor_speed import ExecutorTiming
from benchmarks.speed.loop_speed import LoopTiming
from benchmarks.speed.step_speed import StepTiming
from reports.tables import Column, FileColumn, Number, Table

WAY_TITLES = dict(
    zip(
        WAYS,
        ("TextAttack, padded to 512", "TextAttack, padded to 128", "TextAttack, padded in its batch", "engine"),
        strict=True,
    )
)
COLUMNS = (
    Column("Task", "task", False),
    Column("Recipe", "recipe", False),
    Column("Way", "way", False),
    Column("Seconds", "seconds"),
    Column("Engine faster", "engine_ratio"),
    Column("Python µs a query", "python_microseconds_per_query"),
    Column("Queries", "queries"),
    Column("Agreeing", "agreeing_texts"),
    Column("Texts", "texts"),
)


STEP_COLUMNS = (
    Column("Method", "method", False),
    Column("Tokens", "tokens"),
    Column("Seconds an update", "update_seconds"),
    Column("Measured cost", "measured_fine_tuning_costs"),
    Column("Predicted cost", "predicted_fine_tuning_costs"),
    Column("Measured / predicted", "measured_over_predicted"),
    Column("Forward", "forward_passes"),
    Column("Full backward", "full_backward_passes"),
    Column("Input backward", "input_backward_passes"),
    Column("GFLOP an update", "update_gflops"),
    Column("Parameters, M", "parameters_millions"),
    Column("Off the clock %", "off_clock_percent"),
)


def step_table(timings: Sequence[StepTiming], caption: Sequence[str]) -> Table:
    """One row per method and length; costs are in updates of dense fine-tuning at the same length."""
    unit = {timing.tokens: timing.seconds for timing in timings if timing.method == "Fine-tune"}
    rows = []
    for timing in timings:
        measured = timing.seconds / unit[timing.tokens]
        rows.append(
            (
                timing.method,
                Number(timing.tokens, digits=0),
                Number(timing.seconds, digits=3),
                Number(measured, digits=2),
                Number(timing.predicted, digits=2),
                Number(measured / timing.predicted, digits=2),
                Number(timing.passes.forward, digits=0),
                Number(timing.passes.backward_full, digits=0),
                Number(timing.passes.backward_input, digits=0),
                Number(timing.flops / 1e9, digits=1),
                Number(timing.parameters / 1e6, digits=1),
                Number(100 * timing.off_clock_share, digits=2),
            )
        )
    return Table("An update of each method, measured and predicted", STEP_COLUMNS, tuple(rows), tuple(caption))


CPU_COLUMNS = (
    Column("Work", "work", False),
    Column("Model", "model", False),
    Column("Kernel", "kernel", False),
    Column("Precision", "precision", False),
    Column("CPU s", "cpu_seconds"),
    Column("GFLOP/s", "gflops_per_second"),
    Column("Peak %", "peak_percent"),
    Column("Times fp32", "times_fp32"),
    FileColumn("Besides products", "other_operations", False),
)


def cpu_table(timings: Sequence[CpuTiming], caption: Sequence[str]) -> Table:
    """One row per kind of work, kernel and precision; the last ratio is of torch's fp32 seconds to the row's."""
    peak = peaks(timings)
    usual = {
        (each.work, each.shape): each.seconds for each in timings if (each.kernel, each.precision) == ("torch", "fp32")
    }
    rows = tuple(
        (
            each.work,
            each.shape,
            each.kernel,
            each.precision,
            Number(each.seconds, digits=4),
            Number(each.gflops),
            Number(100 * each.gflops / peak[each.precision], digits=0),
            Number(usual[each.work, each.shape] / each.seconds, digits=2, suffix="×"),
            ", ".join(f"{name} {100 * share:.0f} %" for name, share in each.others),
        )
        for each in timings
    )
    return Table("Products, updates and attacks beside the CPU's peak", CPU_COLUMNS, rows, tuple(caption))


EXECUTOR_COLUMNS = (
    Column("Executor", "executor", False),
    Column("Workers", "workers"),
    Column("Cells", "cells"),
    Column("Start s", "start_seconds"),
    Column("Seconds", "seconds"),
    Column("Cells a minute", "cells_per_minute"),
    Column("More than local s a cell", "seconds_more_per_cell"),
    Column("Records equal", "records_equal", False),
)


def executor_table(timings: Sequence[ExecutorTiming]) -> Table:
    """One row per executor and number of workers; a cell is a training with its attacks."""
    local = {timing.workers: timing for timing in timings if timing.executor == "local"}
    rows = []
    for timing in timings:
        base = local.get(timing.workers)
        more = math.nan if base in (None, timing) else (timing.seconds - base.seconds) / timing.cells
        rows.append(
            (
                timing.executor,
                Number(timing.workers, digits=0),
                Number(timing.cells, digits=0),
                Number(timing.start_seconds),
                Number(timing.seconds),
                Number(60 * timing.cells / timing.seconds),
                Number(more),
                "yes" if timing.equal else "NO",
            )
        )
    machine = machine_description()
    caption = (
        f"Host's clock, on {machine['processor']} with {machine['cores']} cores, a thread a worker. "
        f"Start: until the first item could begin, on Ray with the look at every node; it is not in the other columns.",
        "Records equal: weights, answers to the test texts and outcomes are those of the first row, bit for bit.",
    )
    return Table(
        "Cells a minute by executor",
        EXECUTOR_COLUMNS,
        tuple(rows),
        caption,
        incomplete=not all(timing.equal for timing in timings),
    )


LOOP_COLUMNS = (
    Column("Task", "task", False),
    Column("Method", "method", False),
    Column("Seconds an update", "update_seconds"),
    Column("Plain, same padding", "plain_seconds"),
    Column("Faster", "plain_ratio"),
    Column("Plain, padded to the limit", "plain_padded_seconds"),
    Column("Faster than that", "plain_padded_ratio"),
    Column("Limit, tokens", "limit_tokens"),
)


def loop_table(timings: Mapping[str, Sequence[LoopTiming]], caption: Sequence[str]) -> Table:
    """One row per task and method; ratios are of the plain loops' seconds to ours."""
    rows = []
    for task, found in timings.items():
        for method in dict.fromkeys(each.method for each in found):
            own, plain, padded = (each for each in found if each.method == method)
            rows.append(
                (
                    task,
                    method,
                    Number(own.seconds, digits=3),
                    Number(plain.seconds, digits=3),
                    Number(plain.seconds / own.seconds, digits=2, suffix="×"),
                    Number(padded.seconds, digits=3),
                    Number(padded.seconds / own.seconds, digits=2, suffix="×"),
                    Number(float(padded.padded_to or 0), digits=0),
                )
            )
    return Table(
        "An update of each method beside the plain one of its release", LOOP_COLUMNS, tuple(rows), tuple(caption)
    )


def speed_table(benches: Sequence[Bench]) -> Table:
    """One row per task, recipe and way; ratios are relative to the engine's seconds in the same run."""
    rows = []
    for bench in benches:
        engine = {timing.recipe: timing.seconds for timing in bench.timings if timing.way == "engine"}
        for timing in bench.timings:
            python = math.nan if timing.python_seconds is None else 1e6 * timing.python_seconds / timing.queries
            rows.append(
                (
                    title_of(bench.task),
                    timing.recipe,
                    WAY_TITLES[timing.way],
                    Number(timing.seconds),
                    Number(timing.seconds / engine[timing.recipe], digits=2, suffix="×"),
                    Number(python, digits=0),
                    Number(timing.queries, digits=0),
                    Number(timing.agreeing, digits=0),
                    Number(timing.texts, digits=0),
                )
            )
    context = benches[0].context
    clock = "wall seconds on the GPU" if context.device == "cuda" else "CPU seconds on one thread"
    machine = context.machine["processor"] if context.device == "cpu" else context.machine["gpus"][0]
    caption = (
        f"Time: {clock}, {machine}, all ways in one run. Agreeing: texts whose status, final text and number of "
        f"queries are the engine's.",
        "Python: CPU seconds with all models' answers looked up, no other memory; loading is off the clock.",
        "TextAttack runs its own search, transformations and constraints; synonyms, tags and sentence vectors are the "
        "engine's. Its sentence encoder is asked for both windows of every candidate, padded in batches of 32.",
        f"Victim: {context.backbone.name} fine-tuned, preset {context.preset.key}; "
        + "; ".join(f"{title_of(bench.task)} cut at {context.tasks[bench.task].max_length} tokens" for bench in benches)
        + ".",
        *(f"{title_of(bench.task)}: {context.tasks[bench.task].resources.describe()}." for bench in benches),
        *_disagreements(benches),
    )
    return Table("Attack engine against TextAttack", COLUMNS, tuple(rows), caption)


def _disagreements(benches: Sequence[Bench]) -> list[str]:
    """A sentence for each text with another result than the engine's."""
    lines = []
    for bench in benches:
        for timing in bench.timings:
            for each in timing.disagreements:
                where = f"{title_of(bench.task)}, {timing.recipe}, {WAY_TITLES[timing.way]}, {each.example_id}"
                verdict = "a tie that rounding decides" if each.is_a_tie else "not explained by a tie"
                outcome = "the engine's" if each.same_without_padding else "another"
                lines.append(
                    f"{where}: {verdict}; asked without padding, TextAttack's loop gives {outcome} outcome; padding "
                    f"moves a probability by at most {each.largest_difference:.1e}."
                )
    return lines
