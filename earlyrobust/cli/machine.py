"""Verbs about a machine: whether it is fit for runs, what it lacks, how fast it is, how long others would take."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from baselines.validation import UserError, require, unknown
from benchmarks.experiments.options import (
    CHOICES,
    DEFAULTS,
    READ_BY_ATTACKS,
    SPREAD,
    Options,
    refuse_unread,
    split_names,
    unread_but,
)
from earlyrobust.cli.answers import FAILED, INTERRUPTED, print_table, say

if TYPE_CHECKING:
    from reports.tables import Table

UPDATES = 5
UNREAD_BY_BENCH = {
    "attacks": (*CHOICES, *SPREAD, "track"),
    "steps": unread_but("out", "batch_size", "device", "precision", "capture", "threads", "json"),
    "loops": (*CHOICES, *SPREAD, *READ_BY_ATTACKS, "assets", "schedule", "allow_accumulation", "track"),
    "cpu": (*CHOICES, *SPREAD, "device", "track"),
    "executors": ("defenses", "variants", *SPREAD, "device", "track"),
}


def doctor(*, out: Path = Path("results"), timing: bool = False, device: str = "auto", json: Path | None = None) -> int:
    """Check what a run needs of this machine; with --timing, test the clock by planted faults.

    Args:
        out: the folder results would go to.
        timing: plant a sleeping loader, a read-back and a second process, and time one method under two names.
        device: cpu, cuda, or auto; for --timing.
        json: file for the printed table as JSON.
    """
    from reports.doctor import findings_table, self_test_table

    if not timing:
        require(device == "auto", "--device", "left out without --timing", device)
    if timing:
        from benchmarks.jobs.context import choose_device
        from benchmarks.speed.self_test import same_method_twice, self_tests

        chosen = choose_device(device)
        table = self_test_table(self_tests(chosen), *same_method_twice(chosen, say))
        failed = any(row["passed"] == "no" for row in table.records())
    else:
        from benchmarks.jobs.doctor import examine

        table = findings_table(examine(out))
        failed = any(row["state"] == "failed" for row in table.records())
    print_table(table, json)
    return FAILED if failed else 0


def prepare(*, assets: Path, only: str | None = None, offline: bool = False, json: Path | None = None) -> int:
    """Download what the full attack profile and `build-synonyms` need; check each file by its hash.

    Args:
        assets: folder for the files; what is there already is only checked, a broken download goes on.
        only: resources, separated by commas: synonyms, sentence_encoder, part_of_speech, stop_words, wordnet,
            masked_model.
        offline: fetch and write nothing; what is missing is named.
        json: file for the printed table as JSON.
    """
    from benchmarks.attacks.downloads import DOWNLOADS, assets_of, require_assets
    from benchmarks.data.assets import fetch
    from reports.listings import asset_listing
    from reports.output_files import require_output_folder

    names = split_names(only, tuple(DOWNLOADS))
    wanted = assets_of(names)
    if not offline:
        require_output_folder(assets, "--assets")
        for asset in wanted:
            say(f"{asset.key}: {asset.url}")
            fetch(asset, assets)
    print_table(asset_listing(wanted, assets), json)
    require_assets(assets, names)
    return 0


def bench(
    what: str,
    options: Options = DEFAULTS,
    *,
    words: tuple[int, int] | None = None,
    skip_padded: bool = False,
    updates: int = UPDATES,
) -> int:
    """Time the suite's own parts against what they replace, and print the ratios.

    Args:
        what: attacks (the engine against TextAttack), steps (each method's update against its predicted cost, in
            BERT-base's shape with random weights), loops (each method's update against the plain one of its release),
            cpu (products, updates and attacks against the CPU's peak, on one thread) or executors (cells a minute in
            one process, in two, and on Ray, on the CPU).
        options: what to time it on; --attacked texts under each recipe.
        words: attacks: least and most words of a text.
        skip_padded: attacks: leave out TextAttack as shipped, which pads every text and takes most of the time.
        updates: steps, loops, cpu: timed updates of each method.
    """
    from benchmarks.executors.progress import Reporter
    from reports.tables import write_json, write_table

    if what not in UNREAD_BY_BENCH:
        raise unknown("benchmark", what, UNREAD_BY_BENCH)
    refuse_unread(options, f"bench {what}", UNREAD_BY_BENCH[what])
    require(updates >= 1, "--updates", "1 or more", updates)
    require(what == "attacks" or words is None, "--words", "left out but for 'bench attacks'", words)
    require(what == "attacks" or not skip_padded, "--skip-padded", "left out but for 'bench attacks'", skip_padded)
    require(
        what in ("steps", "loops", "cpu") or updates == UPDATES,
        "--updates",
        "left out but for 'bench steps', 'bench loops' and 'bench cpu'",
        updates,
    )
    reporter = Reporter(Console())
    table = _timed(what, options, words, skip_padded, updates, reporter.say)
    table.print(reporter.console)
    for path in write_table(table, options.out, f"bench_{what}"):
        reporter.say(str(path))
    if options.json is not None:
        write_json(table, options.json)
    return 0


def _timed(
    what: str,
    options: Options,
    words: tuple[int, int] | None,
    skip_padded: bool,
    updates: int,
    say: Callable[[str], None],
) -> Table:
    """The table of one benchmark; see `bench`."""
    if what == "attacks":
        from benchmarks.speed.attack_speed import WAYS
        from benchmarks.speed.bench import bench_attacks
        from reports.speed import speed_table

        return speed_table(bench_attacks(options, words=words, ways=WAYS[2:] if skip_padded else WAYS, say=say))
    if what == "steps":
        from benchmarks.speed.bench import bench_steps
        from reports.speed import step_table

        return step_table(*bench_steps(options, updates=updates, say=say))
    if what == "loops":
        from benchmarks.speed.bench import bench_loops
        from reports.speed import loop_table

        return loop_table(*bench_loops(options, updates=updates, say=say))
    if what == "cpu":
        from benchmarks.speed.bench import bench_cpu
        from reports.speed import cpu_table

        return cpu_table(*bench_cpu(options, updates=updates, say=say))
    from benchmarks.speed.executor_speed import time_executors
    from reports.speed import executor_table

    return executor_table(time_executors(options, say=say))


def scale(
    *,
    tflops: float,
    gpus: str = "1,8,64",
    gpus_per_machine: int = 8,
    document: Path | None = None,
    json: Path | None = None,
) -> int:
    """Predict hours of every preset on several numbers of GPUs from the cost model.

    Nothing is measured.

    Args:
        tflops: what one GPU sustains, in 10^12 FLOPs a second: the assumption all hours rest on.
        gpus: numbers of GPUs, separated by commas.
        gpus_per_machine: GPUs of one machine; a block, one seed of a task, stays on one.
        document: a Markdown file with marks, between which the table is put.
        json: file for the printed table as JSON.
    """
    from benchmarks.experiments.settings import convert
    from reports.scale import scale_table, write_into

    table = scale_table(tflops, [convert(each, int, "--gpus") for each in split_names(gpus, ())], gpus_per_machine)
    if document is not None:
        write_into(document, table)
    return print_table(table, json)


def evidence(
    *,
    out: Path = Path("evidence"),
    minutes: float = 9.0,
    from_: Path | None = None,
    only: str | None = None,
    device: str = "auto",
    bundle: Path | None = None,
    data: Path | None = None,
    synonyms: Path | None = None,
    nltk_data: Path | None = None,
    megabytes: float | None = None,
) -> int:
    """Measure the suite's speed on a GPU, within a time limit and without a network.

    With --bundle it only packs the files for such a machine. To continue, repeat the command with the same --out. On a
    CPU a tiny version runs, which shows that the command works. See docs/evidence.md.

    Args:
        out: folder for records, tables, figures and the page.
        minutes: the time limit; parts that do not fit are left out and come first in the next call.
        from_: a folder that --bundle made; without it Table 1 is on generated texts.
        only: parts, separated by commas; all, in order of importance, when left out.
        device: cpu, cuda, or auto.
        bundle: a new folder for the backbone in half precision, --data, --synonyms and packages.
        data: for --bundle: the folder that contains sst2/.
        synonyms: for --bundle: a file with the neighbours of words (JSON, word to list, may be gzipped).
        nltk_data: for --bundle: a folder with NLTK's tagger and stop words.
        megabytes: for --bundle: largest size of the bundle; 60 when left out.
    """
    if bundle is not None:
        measuring = {"out": out, "minutes": minutes, "from_": from_, "only": only, "device": device}
        for name, value in measuring.items():
            usual = signature(evidence).parameters[name].default
            require(value == usual, f"--{name.rstrip('_')}", "left out beside --bundle, which only packs", value)
        return _pack(bundle, data, synonyms, nltk_data, megabytes)
    packed = {"data": data, "synonyms": synonyms, "nltk-data": nltk_data, "megabytes": megabytes}
    for name, value in packed.items():
        if value is not None:
            raise UserError(f"--{name} is for --bundle and was given without it; give --bundle DIR too")
    from benchmarks.device.study import chosen_parts, place_for, work_through
    from reports.device_page import write_evidence
    from reports.output_files import require_output_folder

    require_output_folder(out, "--out")
    parts = chosen_parts(None if only is None else split_names(only, ()))
    place = place_for(out, from_, device)
    records = work_through(place, parts, minutes, say)
    say(str(write_evidence(place)[-1]))
    if any(record.status == "failed" for record in records):
        return FAILED
    return INTERRUPTED if any(record.status == "left out" for record in records) else 0


def _pack(
    bundle: Path, data: Path | None, synonyms: Path | None, nltk_data: Path | None, megabytes: float | None
) -> int:
    """Pack the files for a machine without a network, and say how large they are."""
    from benchmarks.device.bundle import LIMIT_BYTES, pack

    if data is None:
        raise UserError("--bundle packs real texts; give --data DIR, which holds sst2/")
    require(megabytes is None or megabytes > 0, "--megabytes", "more than 0", megabytes)
    limit = LIMIT_BYTES if megabytes is None else round(1e6 * megabytes)
    packed = pack(bundle, data, synonyms=synonyms, nltk_data=nltk_data, limit_bytes=limit)
    say(*(f"{part}: {size / 1e6:.1f} MB" for part, size in packed.sizes().items()))
    say(f"{bundle}: {sum(packed.files.values()) / 1e6:.1f} MB in {len(packed.files)} files")
    return 0
