"""The parts of a device study: what each measures, and how long it takes on an H100."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.training import Precision
from benchmarks.device.works import Work, attacks, clock, gpu_tests, loops, minilm_steps, profiles, steps, table1_run


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        key: its name in files and in `--only`.
        title: what it measures.
        minutes: estimated duration on an H100.
        work: the function that runs it.
        needs_cuda: whether it is meaningless on a CPU.
        spreads: whether it starts its own processes. It then runs without another process around it, since that would
            hold GPU memory and make the times invalid.
        like: another part of the same duration; if that was done, its time is the estimate for this one.
    """

    key: str
    title: str
    minutes: float
    work: Work
    needs_cuda: bool = False
    spreads: bool = False
    like: str | None = None


def _steps_part(batch: str, precision: Precision, minutes: float, captured: bool = False) -> Part:
    ending = ", captured" if captured else ""
    title = f"Updates of every method, BERT-base shape, {batch} batch, {precision}{ending}"
    key = f"steps_{batch.replace(' ', '')}_{precision}{'_captured' if captured else ''}"
    return Part(key, title, minutes, steps(batch, precision, captured), captured or precision != "fp32")


# In order of importance: if the time is too short, the last are left out.
PARTS = (
    Part("clock", "The clock tested on itself, and its noise floor", 1.0, clock),
    _steps_part("filling", "fp32", 3.0),
    Part("minilm", "Updates on short texts, MiniLM's shape", 0.5, minilm_steps(False)),
    Part("minilm_captured", "Updates on short texts, MiniLM's shape, captured", 0.5, minilm_steps(True), True),
    Part("loops", "Updates beside the plain ones of the releases", 1.0, loops),
    Part("table1_run1", "Table 1, run 1", 4.0, table1_run(0), spreads=True),
    Part("attacks", "Throughput of the attack engine", 0.7, attacks),
    Part("profiles", "Profiles of updates", 0.7, profiles),
    Part("table1_run2", "Table 1, run 2", 4.0, table1_run(1), spreads=True, like="table1_run1"),
    Part("table1_run3", "Table 1, run 3", 4.0, table1_run(2), needs_cuda=True, spreads=True, like="table1_run1"),
    Part("gpu_tests", "Tests that need a GPU", 1.0, gpu_tests, needs_cuda=True, spreads=True),
    _steps_part("filling", "tf32", 1.0),
    _steps_part("filling", "bf16", 1.0),
    _steps_part("sequence 128", "fp32", 1.0),
    _steps_part("sequence 128", "fp32", 1.0, captured=True),
    _steps_part("sequence 128", "bf16", 0.5),
    _steps_part("sequence 128", "bf16", 0.5, captured=True),
    _steps_part("filling", "bf16", 1.0, captured=True),
    _steps_part("sequence 256", "fp32", 0.8),
    _steps_part("sequence 256", "bf16", 0.5),
    _steps_part("sequence 256", "bf16", 0.5, captured=True),
    _steps_part("sequence 128", "tf32", 0.5),
    _steps_part("sequence 128", "tf32", 0.5, captured=True),
    _steps_part("sequence 256", "tf32", 0.5),
    _steps_part("sequence 256", "tf32", 0.5, captured=True),
    _steps_part("sequence 256", "fp32", 0.8, captured=True),
    _steps_part("filling", "tf32", 1.0, captured=True),
    _steps_part("filling", "fp32", 2.0, captured=True),
    Part("table1_run4", "Table 1, run 4", 4.0, table1_run(3), needs_cuda=True, spreads=True, like="table1_run1"),
    Part("table1_run5", "Table 1, run 5", 4.0, table1_run(4), needs_cuda=True, spreads=True, like="table1_run1"),
)
KNOWN = {part.key: part for part in PARTS}
