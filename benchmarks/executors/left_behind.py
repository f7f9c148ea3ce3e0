"""End processes after the process that started them was killed; run as a script."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import psutil

PATIENCE_SECONDS = 10.0


class Guard:
    """A small process that waits until this one ends, and then ends the named processes that still run.

    It has a session of its own, so that a signal to this process's group does not reach it.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, start_new_session=True, text=True
        )

    def name(self, processes: Sequence[psutil.Process]) -> None:
        """Add processes to end."""
        assert self._process.stdin is not None
        named = [(each.pid, each.create_time()) for each in processes if each.is_running()]
        self._process.stdin.write(json.dumps(named) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Let it end the named processes now, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Read which processes to end, then wait until the writer of the input ends."""
    found = []
    for pid, created in [each for line in sys.stdin for each in json.loads(line)]:
        try:
            process = psutil.Process(pid)
            if process.create_time() == created:  # otherwise another process has its number now
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(found, timeout=PATIENCE_SECONDS)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


if __name__ == "__main__":
    main()
