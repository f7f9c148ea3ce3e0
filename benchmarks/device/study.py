"""Run a device study within a time limit: part by part, the most important first; each is stored when it ends."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import BertConfig, BertForSequenceClassification

from baselines.validation import MachineError, UserError, require, unknown
from benchmarks.attacks.time_limit import time_limit
from benchmarks.clock.machine import git_state, machine_description, versions
from benchmarks.clock.nvml import cuda_device, watching
from benchmarks.data.digests import sha256_of
from benchmarks.device.bundle import MANIFEST, open_bundle
from benchmarks.device.parts import KNOWN, PARTS, Part
from benchmarks.device.place import RESULTS, THIN, Place, SizeName
from benchmarks.executors.fresh_process import call_in_fresh_process
from benchmarks.jobs.context import choose_device
from benchmarks.results.store import differences, write_atomically
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier

CONDITIONS = "conditions.json"
RECORDS = "records.tar.gz"
LEFT_BEHIND = ("model", "checkpoints", "tokens", "locks")  # large, or not useful elsewhere
HELD_TO = ("size", "device", "cuda", "versions", "commit", "bundle")  # another machine of this kind may continue
RESERVE_SECONDS = 30.0  # for tables and the page at the end
OVERRUN, GRACE_SECONDS = 2.0, 60.0  # a part that takes longer than this is stopped, to leave time for the others
LIKE_MARGIN = 1.1
SLOW_MACHINE = 0.25  # a part of the tiny size takes about this share of the full one's time on a GPU

Status = Literal["done", "not available", "failed", "left out"]


@dataclass(frozen=True)
class PartRecord:
    """The record of a part.

    Attributes:
        key, title: of the part.
        status: "left out" if the time was too short; such a record is not stored.
        why: the reason, unless the status is "done".
        seconds: duration.
        started_at: time of the start, UTC.
        conditions: machine, software and size of the measurement.
        watch: the state of the GPU during the part, with reasons against using its times.
        result: the part's own values.
    """

    key: str
    title: str
    status: Status
    why: str
    seconds: float
    started_at: str
    conditions: dict[str, Any]
    watch: dict[str, Any]
    result: dict[str, Any]


def place_for(out: Path, bundle: Path | None, device: str) -> Place:
    """Prepare the study's folder, new or to be continued.

    A folder that was sent back without its results has them in an archive, which is unpacked.

    Raises:
        UserError: if the folder holds a study made under other conditions, or the bundle is damaged.
    """
    chosen = choose_device(device)
    size: SizeName = "full" if chosen == "cuda" else "tiny"
    out.mkdir(parents=True, exist_ok=True)
    backbone = "minilm" if bundle is None else str(open_bundle(bundle).backbone)
    if size == "tiny":
        backbone = str(_thin_backbone(out / "thin_backbone", backbone))
    place = Place(chosen, size, out, bundle, backbone)
    conditions, path = conditions_of(place), out / CONDITIONS
    if path.exists():
        known = json.loads(path.read_text("utf-8"))
        unlike = list(differences(*({name: each[name] for name in HELD_TO} for each in (known, conditions))))
        if unlike:
            raise UserError(f"{out} was measured under other conditions: {'; '.join(unlike[:3])}; use another --out")
    else:
        write_atomically(path, json.dumps(conditions, indent=1) + "\n")
    if (out / RECORDS).exists() and not (out / RESULTS).exists():
        with tarfile.open(out / RECORDS) as archive:
            archive.extractall(out, filter="data")
    return place


def conditions_of(place: Place) -> dict[str, Any]:
    """The conditions that all parts of one folder share: size, device, software, code and bundle."""
    machine = machine_description()
    manifest = None if place.bundle is None else place.bundle / MANIFEST
    commit = git_state()["commit"]
    if manifest is not None and commit == "not a git checkout":
        commit = json.loads(manifest.read_text("utf-8"))["commit"] + ", as packed"
    return {
        "size": place.size,
        "device": _device_name(place.device, machine),
        "machine": machine,
        "cuda": torch.version.cuda if place.device == "cuda" else None,
        "versions": versions(),
        "commit": commit,
        "bundle": None if manifest is None else sha256_of(manifest),
    }


def _device_name(device: str, machine: dict[str, Any]) -> str:
    """The device's name, from NVML if it works: torch would use GPU memory from then on."""
    if device == "cpu":
        return machine["processor"]
    return machine["gpus"][0] if isinstance(machine["gpus"], list) else torch.cuda.get_device_name()


def _thin_backbone(folder: Path, tokenizer: str) -> Path:
    """Make a random two-layer BERT with the vocabulary of another backbone."""
    if not folder.exists():
        torch.manual_seed(0)
        config = BertConfig(
            hidden_size=THIN.hidden,
            num_hidden_layers=THIN.layers,
            num_attention_heads=THIN.heads,
            intermediate_size=THIN.neurons,
            initializer_range=0.1,
        )
        save_classifier(BertForSequenceClassification(config), folder, find_backbone(tokenizer).load_tokenizer())
    return folder


def chosen_parts(names: Sequence[str] | None) -> list[Part]:
    """The named parts, or all, in order of importance.

    Raises:
        UserError: for an unknown one.
    """
    for name in names or ():
        if name not in KNOWN:
            raise unknown("part of the evidence", name, KNOWN)
    return [part for part in PARTS if names is None or part.key in names]


def work_through(place: Place, parts: Sequence[Part], minutes: float, say: Callable[[str], None]) -> list[PartRecord]:
    """Run the parts that are not done and fit into the time; return a record of every part, in order.

    A part that would probably take longer than the remaining time is left out, and one that overruns is stopped; the
    next call begins with these. Table 1 continues from its last training and text, any other part from its start.

    Raises:
        UserError: for a time of 0 or less.
    """
    require(minutes > 0, "--minutes", "more than 0", minutes)
    end = time.monotonic() + 60 * minutes - min(RESERVE_SECONDS, 6 * minutes)
    conditions, found = conditions_of(place), []
    for part in parts:
        record = stored(place.out, part.key)
        if record is None or record.status == "failed":
            record = _come_to(place, part, conditions, end - time.monotonic(), say)
        found.append(record)
        said = f"{record.status}" + (f": {record.why}" if record.why else "")
        say(f"{part.key}: {said}" + (f", {record.seconds:.0f} s" if record.status == "done" else ""))
    return found


def _come_to(
    place: Place, part: Part, conditions: dict[str, Any], left: float, say: Callable[[str], None]
) -> PartRecord:
    """Run a part, or say why not; store it unless it was left out."""
    needed = _needed(place, part)

    def record(status: Status, why: str, seconds: float = 0.0, answer: dict[str, Any] | None = None) -> PartRecord:
        values = answer or {"watch": {}, "result": {}}
        return PartRecord(part.key, part.title, status, why, seconds, started, conditions, **values)

    started, began = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    if part.needs_cuda and place.device != "cuda":
        found = record("not available", "no CUDA device")
    elif needed > left:
        return record("left out", f"it takes about {needed / 60:.1f} minutes and {max(0, left) / 60:.1f} are left")
    else:
        say(f"{part.key}: {part.title}, about {needed / 60:.1f} minutes")
        try:
            with time_limit(min(left, OVERRUN * needed + GRACE_SECONDS)):
                if part.spreads:
                    answer = {"watch": {}, "result": part.work(place, _say)}
                else:
                    answer = call_in_fresh_process(_do, part.key, place)
            found = record("done", "", time.monotonic() - began, answer)
        except TimeoutError:
            taken = time.monotonic() - began
            return record("left out", f"it was cut off after {taken / 60:.1f} minutes; the same command goes on", taken)
        except Exception as failure:  # a failure of one part must not stop the others
            found = record("failed", f"{type(failure).__name__}: {failure}", time.monotonic() - began)
    write_atomically(_path(place.out, part.key), json.dumps(asdict(found), indent=1) + "\n")
    return found


def _needed(place: Place, part: Part) -> float:
    """Estimated seconds of a part: those of a similar one that was done, otherwise its estimate."""
    like = None if part.like is None else stored(place.out, part.like)
    if like is not None and like.status == "done":
        return LIKE_MARGIN * like.seconds
    return 60 * part.minutes * (1.0 if place.size == "full" else SLOW_MACHINE)


def _do(key: str, place: Place, tell: Callable[[], None]) -> dict[str, Any]:
    """Run one part in its own process while watching the GPU."""
    if place.device != "cuda":
        torch.set_num_threads(1)
        return {"watch": {}, "result": KNOWN[key].work(place, _say)}
    with watching(cuda_device(), torch.cuda.max_memory_reserved) as watcher:
        result = KNOWN[key].work(place, _say)
    return {"watch": watcher.result.as_json(), "result": result}


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _path(out: Path, key: str) -> Path:
    return out / "parts" / f"{key}.json"


def stored(out: Path, key: str) -> PartRecord | None:
    """The record of a part that was done before, or None.

    Raises:
        MachineError: if it cannot be read.
    """
    path = _path(out, key)
    if not path.exists():
        return None
    try:
        return PartRecord(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise MachineError(f"{path} is damaged ({error}); remove it, and the same command redoes the part") from error


def left_out(place: Place, part: Part) -> PartRecord:
    """The record of a part without stored results."""
    return PartRecord(part.key, part.title, "left out", "the time did not reach", 0.0, "", conditions_of(place), {}, {})


def put_together(out: Path) -> Path:
    """Pack all records of Table 1, without weights, into one file beside the parts, and return its path."""

    def light(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(member.name).parts
        member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
        return None if set(parts[1:]) & set(LEFT_BEHIND) else member

    path, unfinished = out / RECORDS, out / f".{RECORDS}"
    with tarfile.open(unfinished, "w:gz") as archive:
        archive.add(out / RESULTS, arcname=RESULTS, filter=light)
    unfinished.replace(path)
    write_atomically(out / ".gitignore", f"{RESULTS}/\nthin_backbone/\n")
    return path
