"""The command `earlyrobust`: a verb to a function."""

from __future__ import annotations

import difflib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from importlib.metadata import version

from baselines.validation import UserError
from benchmarks.jobs.interruption import raise_interrupt
from earlyrobust.cli.answers import FAILED, INTERRUPTED
from earlyrobust.cli.defenses import check, new_defense, regress
from earlyrobust.cli.ending import answer_to, returned
from earlyrobust.cli.experiments import plan, reproduce, run
from earlyrobust.cli.judge import judge
from earlyrobust.cli.listings import diff_recipes, ls, paper_index, show
from earlyrobust.cli.machine import bench, doctor, evidence, prepare, scale
from earlyrobust.cli.parser import bind
from earlyrobust.cli.results import compare, publish, report, verify
from earlyrobust.cli.synonyms import build_synonyms, synonym_quality
from earlyrobust.cli.victims import attack, evaluate, export, suspect
from reports.output_files import require_output

Verb = Callable[..., int]

GROUPS: dict[str, tuple[Verb, ...]] = {
    "run": (reproduce, run, attack, evaluate, suspect),
    "look": (plan, ls, show, diff_recipes, report, compare, verify, publish, export, judge),
    "extend": (new_defense, check, regress, paper_index, build_synonyms, synonym_quality),
    "machine": (doctor, prepare, bench, scale, evidence),
}
VERBS: dict[str, Verb] = {verb.__name__.replace("_", "-"): verb for verbs in GROUPS.values() for verb in verbs}

ENDING = """\
'earlyrobust VERB --help' lists a verb's options.

Exit codes: 0 done, 1 failed (of compare: a difference; of suspect: a flag), 2 usage, 3 incomplete (a run diverged or
failed, an attack broke, or your code raised an exception), 75 interrupted; the same command continues."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command: run a verb and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a screen that lacks a letter loses no result
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["MPLBACKEND"] = "agg"  # figures are files: a window's library is not needed, whether there is one or not
    signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has enough of it
        code = FAILED
    except KeyboardInterrupt:
        print("earlyrobust: interrupted; the same command continues where it stopped", file=sys.stderr)
        code = INTERRUPTED
    except SystemExit:
        raise
    except BaseException as error:  # a user's file may raise a class of its own
        code = answer_to(error)
    _drop_what_cannot_be_written()
    sys.exit(code)


def _drop_what_cannot_be_written() -> None:
    """Flush the streams; what a closed pipe or a full device does not take must not change the exit code at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if not stream.closed:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: Sequence[str]) -> int:
    """Find the verb and call it.

    Raises:
        UserError: for an unknown verb, or none.
    """
    verb, *rest = arguments or [""]
    if verb in ("-h", "--help"):
        print(overview())
        return 0
    if verb == "--version":
        print(version("earlyrobust"))
        return 0
    if verb not in VERBS:
        close = difflib.get_close_matches(verb[:80].replace("_", "-"), VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "see 'earlyrobust --help'"
        raise UserError(f"unknown verb {verb[:80]!r}; {hint}" if verb else f"no verb was given; {hint}")
    called = bind(VERBS[verb], rest, f"earlyrobust {verb}")
    for each in (called.keywords, *(vars(value) for value in called.keywords.values() if is_dataclass(value))):
        if (json := each.get("json")) is not None:
            require_output(json, "--json")
    return returned(called)


def overview() -> str:
    """The verbs in their groups, a line each."""
    lines = ["usage: earlyrobust VERB [OPTIONS]", ""]
    for group, verbs in GROUPS.items():
        lines.append(f"{group}:")
        for verb in verbs:
            first = (verb.__doc__ or "").partition("\n")[0]
            lines.append(f"  {verb.__name__.replace('_', '-'):<17}{first}")
        lines.append("")
    return "\n".join([*lines, ENDING])
