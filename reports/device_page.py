"""Write the report of a device study: tables, figures, and a page that says what was shown and what was not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.clock.cost import EncoderShape, share_left
from benchmarks.device.parts import PARTS
from benchmarks.device.place import RESULTS, Place
from benchmarks.device.study import RECORDS, PartRecord, left_out, put_together, stored
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.jobs.job import TrainJob
from benchmarks.jobs.plan import look_up
from benchmarks.jobs.resolve import Study, resolve
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import write_atomically
from benchmarks.speed.loop_speed import LoopTiming
from benchmarks.speed.self_test import SelfTest
from benchmarks.speed.stage_speed import MethodTiming
from method.early_robust import EarlyRobust
from reports.attack_groups import stored_results
from reports.card import summary, write_card
from reports.claims import Card, judge
from reports.device_targets import (
    EARLY_SEARCH,
    OURS,
    Target,
    predicted_speedup,
    seconds_by_block,
    speedup,
    targets,
    timings_of,
)
from reports.doctor import self_test_table
from reports.experiments import report_on
from reports.figures import missing_library, write_figure
from reports.frame import AttackResult, keys_of
from reports.kinds.kind import Report
from reports.measured import measure
from reports.speed import loop_table
from reports.tables import Column, Number, Table, markdown_text, write_table
from reports.task_results import task_results

PAGE = "README.md"
CLAIMS = ("C1", "C2", "C3", "C5")
INTERVALS = "Intervals are 95 % ones; those of ratios are t intervals of log ratios paired by block."


def write_evidence(place: Place) -> list[Path]:
    """Write all tables, figures, the archive of records and the page from the stored records.

    Returns:
        Their paths, the page last.
    """
    by_key = {part.key: stored(place.out, part.key) or left_out(place, part) for part in PARTS}
    tables: dict[str, Table] = {"parts": parts_table(list(by_key.values()))}
    attacked: dict[str, int] = {}
    card: Card | None = None
    written: list[Path] = []
    if (place.out / RESULTS / "trainings").is_dir():
        written.append(put_together(place.out))  # first: everything else can be made again from it
        study = resolve(replace(place.options(), runs=place.sizes.runs), EXPERIMENTS["table1"])
        found_runs = report_on(study)
        if found_runs.table.rows:
            tables["table1"] = found_runs.table
            written += _figures(place, found_runs)
            attacked = fully_attacked(study)
            trainings, attacks = stored_results(place.out / RESULTS)
            card = _card(trainings, attacks)
            written += write_card(card, place.out, keys_of(trainings.values(), attacks))
    counts = place.size == "full" and place.bundle is not None  # generated or three texts judge nothing
    found = targets(by_key, attacked if counts else {})
    tables = {"targets": targets_table(found, profiles_of(by_key))} | tables | _measured_tables(by_key)
    for name, table in tables.items():
        written += write_table(table, place.out, name)
    write_atomically(place.out / PAGE, page(by_key, found, tables, card))
    return [*written, place.out / PAGE]


def _measured_tables(records: Mapping[str, PartRecord]) -> dict[str, Table]:
    """The tables of the finished parts, by name."""
    done = {key: record for key, record in records.items() if record.status == "done"}
    tables = {}
    timed = [record for record in done.values() if "timings" in record.result and "encoder" in record.result]
    if timed:
        tables["steps"] = steps_table(timed)
    if "loops" in done:
        result = done["loops"].result
        timings = {task: [LoopTiming(**each) for each in found] for task, found in result["timings"].items()}
        tables["loops"] = loop_table(timings, result["caption"])
    if "attacks" in done:
        tables["attacks"] = throughput_table(done["attacks"])
    if "clock" in done:
        result = done["clock"].result
        tests = [SelfTest(**each) for each in result["tests"]]
        tables["clock"] = self_test_table(tests, result["first"], result["second"])
    if "profiles" in done:
        tables["profiles"] = profile_table(done["profiles"])
    return tables


def _figures(place: Place, report: Report) -> list[Path]:
    if missing_library():
        return []
    return [path for name, figure in report.figures().items() for path in write_figure(figure, place.out, name)]


def _card(trainings: Mapping[str, TrainingRecord], attacks: Sequence[AttackResult]) -> Card:
    """The verdicts on those claims that one task and one device can decide."""
    card = judge(task_results(measure(trainings, attacks)))
    return replace(card, judgements=tuple(each for each in card.judgements if each.claim.key in CLAIMS))


def fully_attacked(study: Study) -> dict[str, int]:
    """The number of runs with all attacks stored, by the titles of Table 1's methods."""
    left = look_up(study.store, study.jobs).left
    undone = {job.key if isinstance(job, TrainJob) else job.training for job in left}
    counts = {job.defense.title: 0 for job in study.trainings}
    for job in study.trainings:
        counts[job.defense.title] += job.key not in undone
    return counts


def parts_table(records: Sequence[PartRecord]) -> Table:
    """One row per part, with the reasons why its times do not count."""
    columns = (
        Column("Part", "part", False),
        Column("What", "what", False),
        Column("State", "state", False),
        Column("Seconds", "seconds"),
        Column("Why, or what speaks against its times", "why", False),
    )
    rows = []
    for each in records:
        said = [each.why, *each.watch.get("invalid", ()), *each.watch.get("warnings", ())]
        seconds = each.seconds if each.status == "done" else math.nan
        rows.append((each.key, each.title, each.status, Number(seconds, digits=0), "; ".join(filter(None, said))))
    return Table("What was measured", columns, tuple(rows))


def targets_table(found: Sequence[Target], profiles: Sequence[dict[str, Any]]) -> Table:
    """One row per target, with the profile of a missed one."""
    columns = (
        Column("Target", "target", False),
        Column("Goal", "goal", False),
        Column("Verdict", "verdict", False),
        Column("Measured", "measured"),
        Column("Low", "low"),
        Column("High", "high"),
        Column("Predicted", "predicted"),
        Column("Note", "note", False),
    )
    rows = []
    for each in found:
        notes = [each.note, *(_explained(each, profiles) if each.verdict == "missed" else [])]
        numbers = (Number(value, digits=2) for value in (each.value, each.low, each.high, each.expected))
        rows.append((each.what, each.goal, each.verdict, *numbers, "; ".join(filter(None, notes))))
    return Table("Targets", columns, tuple(rows), (INTERVALS,))


def _explained(target: Target, profiles: Sequence[dict[str, Any]]) -> list[str]:
    """The profiles of a missed target, in words."""
    return [
        f"profile of {each['what']}: the device computes {100 * each['busy_seconds'] / each['wall_seconds']:.0f} % of "
        f"the time, {each['launches']:.0f} launches an update, longest {each['kernels'][0]['name'][:60]}"
        for each in profiles
        if target.profile and each["what"].startswith(target.profile) and each["kernels"]
    ]


def profiles_of(records: Mapping[str, PartRecord]) -> list[dict[str, Any]]:
    """The stored profiles."""
    record = records.get("profiles")
    return record.result["profiles"] if record is not None and record.status == "done" else []


def steps_table(records: Sequence[PartRecord]) -> Table:
    """One row per method, batch, precision, and eager or captured steps."""
    columns = (
        Column("Layers", "layers"),
        Column("Texts", "texts"),
        Column("Tokens", "tokens"),
        Column("Precision", "precision", False),
        Column("Captured", "captured", False),
        Column("Method", "method", False),
        Column("Update s", "update_seconds"),
        Column("Cost", "measured_fine_tuning_costs"),
        Column("EarlyRobust faster", "speedup"),
        Column("Low", "speedup_low"),
        Column("High", "speedup_high"),
        Column("Predicted", "predicted_speedup"),
        Column("Faster, early search", "early_speedup"),
        Column("Predicted, early search", "predicted_early_speedup"),
        Column("Phi", "phi"),
        Column("Phi on the clock", "phi_wall"),
        Column("Off the clock %", "off_clock_percent"),
        Column("Watts", "watts"),
        Column("Memory GiB", "peak_memory_gib"),
    )
    rows = [row for record in records for row in _step_rows(record)]
    refused = [f"Not captured: {why}." for record in records for why in record.result["refused"].values()]
    caption = (
        "Update: median seconds on the clock, of the stage that is longest in epochs. Cost: seconds of a whole "
        "training over those of fine-tuning, stages weighted by their epochs; code between stages is not in it. "
        "EarlyRobust faster: the ratio of such costs, its search going on to its cap of one epoch; early search: "
        f"{EARLY_SEARCH:g} epoch.",
        "Phi: share of the encoder's FLOPs that the pruned model keeps; on the clock: its update over the dense one's. "
        "Watts: the board's counter of energy over the time of the method's updates, setting up among them. Blank: not "
        "reported, or not a number for this method.",
        INTERVALS,
        *dict.fromkeys(refused),
    )
    return Table("Updates of every method", columns, tuple(rows), caption)


def _step_rows(record: PartRecord) -> list[tuple[Number | str, ...]]:
    result, timings = record.result, timings_of(record)
    shape, batch = EncoderShape(**result["encoder"]), result["batch"]
    plain = seconds_by_block(timings, "Fine-tune")
    has_ours = any(each.method == OURS for each in timings)
    rows: list[tuple[Number | str, ...]] = []
    for method in dict.fromkeys(each.method for each in timings):
        mine = [each for each in timings if each.method == method]
        costs = [seconds / plain[block] for block, seconds in seconds_by_block(timings, method).items() if plain]
        speedups = [math.nan] * 6
        if has_ours:
            cap, early = speedup(timings, method), speedup(timings, method, EARLY_SEARCH)
            model = (predicted_speedup(record, method), predicted_speedup(record, method, EARLY_SEARCH))
            speedups = [cap.mean, cap.low, cap.high, model[0], early.mean, model[1]]
        phi = phi_wall = math.nan
        if method == OURS:
            phi = share_left(shape, batch["tokens"], *EarlyRobust().shares_removed)
            phi_wall = _phi_wall(mine, timings) if plain else math.nan
        memory = [each.peak_memory_bytes for each in mine if each.peak_memory_bytes is not None]
        watts = [each.watts for each in mine if each.watts is not None]
        rows.append(
            (
                *(Number(each, digits=0) for each in (shape.layers, batch["texts"], batch["tokens"])),
                result["precision"],
                "yes" if result["captured"] else "no",
                method,
                Number(median(_longest_stage(each) for each in mine), digits=4),
                Number(fmean(costs) if costs else math.nan, digits=2),
                *(Number(each, digits=2) for each in speedups),
                Number(phi, digits=3),
                Number(phi_wall, digits=3),
                Number(100 * fmean(each.off_clock_share for each in mine), digits=1),
                Number(fmean(watts) if watts else math.nan, digits=0),
                Number(max(memory) / 2**30 if memory else math.nan, digits=1),
            )
        )
    return rows


def _longest_stage(timing: MethodTiming) -> float:
    return max(timing.stages.values(), key=lambda stage: stage.epochs).seconds


def _phi_wall(mine: Sequence[MethodTiming], timings: Sequence[MethodTiming]) -> float:
    """The pruned model's update time divided by the dense one's, both of plain fine-tuning."""
    dense = {each.block: each.stages["train"].seconds for each in timings if each.method == "Fine-tune"}
    return fmean(each.stages["fine_tune"].seconds / dense[each.block] for each in mine)


def throughput_table(record: PartRecord) -> Table:
    """One row per recipe and way of running it."""
    columns = (
        Column("Task", "task", False),
        Column("Recipe", "recipe", False),
        Column("Way", "way", False),
        Column("Queries a second", "queries_per_second"),
        Column("Queries", "queries"),
        Column("Seconds", "seconds"),
        Column("Python µs a query", "python_microseconds_per_query"),
    )
    rows = []
    for task, timings in record.result["timings"].items():
        for each in timings:
            python = each["python_seconds"]
            rows.append(
                (
                    task,
                    each["recipe"],
                    each["way"],
                    Number(each["queries"] / each["seconds"], digits=0),
                    Number(each["queries"], digits=0),
                    Number(each["seconds"]),
                    Number(math.nan if python is None else 1e6 * python / each["queries"], digits=0),
                )
            )
    caption = (f"TextAttack's own loop: {record.result['textattack']}.",)
    return Table("Throughput of the attack engine", columns, tuple(rows), caption)


def profile_table(record: PartRecord) -> Table:
    """The longest kernels of each profiled update."""
    columns = (
        Column("Update", "update", False),
        Column("Kernel", "kernel", False),
        Column("Calls", "calls"),
        Column("Milliseconds", "milliseconds"),
        Column("% of computing", "computing_percent"),
    )
    rows, caption = [], []
    for each in record.result["profiles"]:
        total = each["busy_seconds"]
        for kernel in each["kernels"]:
            share = 100 * kernel["seconds"] / total if total else math.nan
            numbers = (Number(kernel["calls"]), Number(1e3 * kernel["seconds"], digits=3), Number(share))
            rows.append((each["what"], kernel["name"][:100], *numbers))
        busy = 100 * total / each["wall_seconds"]
        caption.append(f"{each['what']}: busy {busy:.0f} % of the time, {each['launches']:.0f} launches an update.")
    caption.append("Under the profiler, which slows the host down: shares count, not seconds.")
    return Table("Profiles of updates", columns, tuple(rows), tuple(caption))


def page(
    records: Mapping[str, PartRecord], found: Sequence[Target], tables: Mapping[str, Table], card: Card | None
) -> str:
    """The page, in Markdown: its subject, what was shown, what was not, and every table."""
    conditions = next(iter(records.values())).conditions
    lines = [f"# Evidence on {conditions['device']}", "", *_opening(conditions), ""]
    for verdict, heading in (("met", "Shown"), ("missed", "Missed"), ("not measured", "Not shown")):
        mine = [each for each in found if each.verdict == verdict]
        lines += [f"## {heading}", "", *(f"- {_sentence(each)}" for each in mine)] if mine else []
        lines += [""] if mine else []
    if card is not None:
        lines += ["## Verdicts on the paper's claims", ""]
        lines += ["**Of the tiny size, which judges nothing.**", ""] if conditions["size"] != "full" else []
        verdicts = [f"- {each.claim.key}, {each.claim.meaning}: **{each.verdict}**" for each in card.judgements]
        lines += verdicts if card.judges else [f"- {line}" for line in summary(card)]
        lines += [*(f"\n{title}: {'; '.join(why)}." for title, why in card.departures.items()), ""]
    left = [each for each in records.values() if each.status != "done"]
    if left:
        lines += [
            "## What was not come to",
            "",
            *(f"- {each.title}: {each.status}, {markdown_text(each.why)}" for each in left),
            "",
        ]
    for table in tables.values():
        lines += [f"#{table.to_markdown()}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _opening(conditions: Mapping[str, Any]) -> list[str]:
    machine, versions = conditions["machine"], conditions["versions"]
    tiny = "**The tiny size on a CPU: it shows that the command works, and nothing about a GPU.**"
    return [
        *([tiny, ""] if conditions["size"] != "full" else []),
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; GPUs: "
        f"{machine['gpus']}; CUDA {conditions['cuda'] or 'none'}.",
        "",
        f"Software: {', '.join(f'{name} {version}' for name, version in versions.items())}. "
        f"Code: {conditions['commit']}.",
        "",
        f"All numbers come from the records beside this page; those of Table 1 are in `{RECORDS}`, without weights.",
    ]


def _sentence(target: Target) -> str:
    value = "" if math.isnan(target.value) else f" is {target.value:.2f}"
    interval = "" if math.isnan(target.low) else f" [{target.low:.2f}, {target.high:.2f}]"
    model = "" if math.isnan(target.expected) else f", predicted {target.expected:.2f}"
    note = f" ({target.note})" if target.note else ""
    return f"{target.what}{value}{interval}{model}; the goal is {target.goal}{note}."
