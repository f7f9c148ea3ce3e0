"""A file server on this machine that continues, refuses, breaks off and changes its mind as it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class FileServer:
    """What is served, and how.

    Attributes:
        files: path to content.
        answers_ranges: whether a Range is heeded.
        tag: the version's strong ETag, or None.
        break_after: bytes after which each answer in turn breaks off; None for whole answers.
        statuses: answers of an error code, in turn, before any file is served.
        asked: path and Range of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    answers_ranges: bool = True
    tag: str | None = '"one"'
    break_after: list[int | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One GET."""
        wanted = handler.headers.get("Range")
        self.asked.append((handler.path, wanted))
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        if handler.path not in self.files:
            handler.send_error(404)
            return
        content = self.files[handler.path]
        start = 0
        condition = handler.headers.get("If-Range")
        if wanted and self.answers_ranges and condition in (None, self.tag):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        if self.tag is not None:
            handler.send_header("ETag", self.tag)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        stop = self.break_after.pop(0) if self.break_after else None
        handler.wfile.write(content[start:] if stop is None else content[start : start + stop])


@contextmanager
def serving() -> Iterator[FileServer]:
    """A running server."""
    served = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
