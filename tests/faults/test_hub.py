"""A hub that answers with an error page, nonsense or nothing: a sentence that names what is needed, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = b"<!DOCTYPE html><html><body><h1>Sign in to continue</h1></body></html>"


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server on this machine that gives every question the same page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(PAGE)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


CASES = {
    "backbone": (["--backbone", "acme/encoder"], "backbone 'acme/encoder' needs acme/encoder from the hub"),
    "data": (["--tasks", "sst2"], "task 'sst2' needs the data set nyu-mll/glue@"),
}


@pytest.mark.integration
@pytest.mark.parametrize(("what", "status"), [("backbone", 200), ("data", 404)])
def test_an_error_page_is_a_sentence(tmp_path, what: str, status: int) -> None:
    arguments, sentence = CASES[what]
    with answering(status) as address:
        surroundings = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        surroundings |= {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        found = subprocess.run(
            [
                sys.executable,
                "-m",
                "earlyrobust",
                "plan",
                "table1",
                "--preset",
                "demo",
                *arguments,
                "--out",
                tmp_path / "o",
            ],
            cwd=ROOT,
            env=surroundings,
            capture_output=True,
            text=True,
            timeout=200,
        )
    errors = found.stderr.strip().splitlines()
    assert found.returncode == 2, found.stderr
    assert errors[-1].startswith(f"earlyrobust: {sentence}"), found.stderr
    assert "Traceback" not in found.stderr and "Sign in" not in found.stderr
