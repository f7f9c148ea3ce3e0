"""The suite's one command: a verb to a function.

Exit codes: 0 done, 1 failed (of compare: a difference), 2 usage, 3 incomplete (a run diverged or failed, or an attack
broke), 75 interrupted and resumable.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import tyro

from baselines.refusal import printable
from benchmarks.jobs.interruption import raise_interrupt
from earlyrobust.cli.answers import FAILED, INTERRUPTED, USAGE
from earlyrobust.cli.defenses import check, new_defense, regress
from earlyrobust.cli.experiments import plan, reproduce, run
from earlyrobust.cli.listings import diff_recipes, ls, paper_index, show
from earlyrobust.cli.machine import bench, doctor, evidence, prepare, scale
from earlyrobust.cli.results import compare, report, verify
from earlyrobust.cli.victims import attack, evaluate, export

VERBS = {
    "reproduce": reproduce,
    "run": run,
    "attack": attack,
    "evaluate": evaluate,
    "bench": bench,
    "regress": regress,
    "report": report,
    "compare": compare,
    "plan": plan,
    "doctor": doctor,
    "prepare": prepare,
    "evidence": evidence,
    "verify": verify,
    "export": export,
    "scale": scale,
    "new-defense": new_defense,
    "check": check,
    "ls": ls,
    "show": show,
    "diff-recipes": diff_recipes,
    "paper-index": paper_index,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command's entry: runs a verb and ends the process with its exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            VERBS, args=arguments, prog="earlyrobust", description=__doc__, config=(tyro.conf.HelptextFromCommentsOff,)
        )
    except ValueError as mistake:
        _say_error(mistake)
        code = USAGE
    except RuntimeError as failure:
        _say_error(failure)
        code = FAILED
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except KeyboardInterrupt:
        print("earlyrobust: interrupted; the same command continues where it stopped", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _say_error(error: Exception) -> None:
    print(f"earlyrobust: {printable(' '.join(str(error).split()))}", file=sys.stderr)
