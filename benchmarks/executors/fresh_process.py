"""Run work in a process of its own, so that every timed run starts from the same state."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any, Literal

from baselines.validation import EXPECTED, MachineError
from benchmarks.data.code_files import error_of_user_code
from benchmarks.jobs.interruption import end_with_parent

Message = tuple[Literal["progress", "result", "refusal", "bug"], Any]

# A killed server refuses connections for a moment before the system reports its end.
RESTART_SECONDS = 1.0
SOCKET_PATH = 104  # the shortest limit of today's systems, minus the terminating byte

# Modules that the server of processes imports once; a new process is then ready at once and has computed nothing yet.
PRELOADED = ["benchmarks.jobs.train"]


def process_context() -> BaseContext:
    """The way to start processes: by a server that has imported the suite, if the system supports it."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    _have_short_folder()
    with _as_the_server_needs_it():
        forkserver.ensure_running()
    return context


def start_process(target: Callable[..., Any], arguments: tuple[Any, ...]) -> BaseProcess:
    """Start a new process; if the server of processes was killed, start it again, once.

    Raises:
        MachineError: if the server is killed again, or no process can be started.
    """
    try:
        return _started(target, arguments)
    except (EOFError, OSError):  # the server was killed; start it again
        time.sleep(RESTART_SECONDS)
    try:
        return _started(target, arguments)
    except (EOFError, OSError) as error:
        why = f"{type(error).__name__} {error}".strip()
        raise MachineError(
            f"no process can be started ({why}); the server that starts them was probably killed for lack of memory: "
            f"close other programs, or use fewer --workers"
        ) from error


def _started(target: Callable[..., Any], arguments: tuple[Any, ...]) -> BaseProcess:
    process = process_context().Process(target=target, args=arguments)  # type: ignore[attr-defined]
    process.start()
    return process


def _have_short_folder() -> None:
    """Make sure that the path of the server's socket has at most `SOCKET_PATH` bytes.

    Raises:
        MachineError: if the path of the system's folder for temporary files is too long, and there is no other.
    """
    long = tempfile.gettempdir()
    if len(os.fsencode(long)) <= SOCKET_PATH - len("/pymp-12345678/listener-12345678"):
        return
    tempfile.tempdir = "/tmp"
    try:
        get_temp_dir()  # made once for this process
    except OSError as error:
        raise MachineError(
            f"the folder for temporary files {long} has too long a name for a socket, and /tmp cannot be written; set "
            f"TMPDIR to a shorter one"
        ) from error
    finally:
        tempfile.tempdir = long


@contextmanager
def _as_the_server_needs_it() -> Iterator[None]:
    """Prepare the environment of processes started in the block: they import this suite, not files of the current
    folder; and torch asks the driver's library whether there is a GPU. Without this, torch could not use the GPU in
    processes forked from one that has asked torch, as other packages do during import.
    """
    wanted = {
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")])
        ),
        "PYTHONSAFEPATH": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def call_in_fresh_process(
    function: Callable[..., Any], *arguments: Any, on_progress: Callable[[], None] = lambda: None
) -> Any:
    """Call `function(*arguments, tell)` in a new process and return what it returns.

    Args:
        function: importable by name in the new process; it calls `tell()` to report progress.
        arguments: its arguments; they and its result must be picklable.
        on_progress: called here for each `tell()` there.
    Raises:
        UserError, MachineError, UserCodeError: those of the function.
        RuntimeError: if it raised anything else, or the process ended without an answer.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = start_process(_answer, (sender, function, arguments))
    sender.close()
    name = function.__name__.strip("_")
    try:
        while (message := receiver.recv())[0] == "progress":
            on_progress()
    except EOFError:
        process.join()
        raise ended_without_answer(name, process.exitcode) from None
    except BaseException:
        process.terminate()
        raise
    finally:
        receiver.close()
        process.join()
    return unwrapped(message, name)


def answered(function: Callable[..., Any], *arguments: Any) -> Message:
    """Call a function and turn its result or exception into a message; an interrupt is passed on."""
    try:
        return ("result", function(*arguments))
    except EXPECTED as refusal:
        return ("refusal", refusal)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        found = error_of_user_code(error)
        return ("bug", traceback.format_exc()) if found is None else ("refusal", found)


def unwrapped(message: Message, name: str) -> Any:
    """The result in a message, or its exception raised.

    Args:
        name: the name of the call in an error.
    Raises:
        UserError, MachineError, UserCodeError: those of the call.
        RuntimeError: if it raised anything else.
    """
    kind, value = message
    if kind == "result":
        return value
    raise value if kind == "refusal" else RuntimeError(f"{name} failed in its process: {value}")


def ended_without_answer(name: str, exit_code: int | None) -> MachineError:
    """The error for a process that ended unexpectedly."""
    return MachineError(
        f"the process of {name} ended without an answer, with exit code {exit_code}; after -9 the machine was "
        f"probably out of memory"
    )


def _answer(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """The main function of the new process: its parent handles interrupts, and it ends when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        sender.send(answered(function, *arguments, lambda: sender.send(("progress", None))))
    except (OSError, KeyboardInterrupt):
        sys.exit(1)  # the parent has ended, or has asked for this
