"""A faulty stretch of network before LocalStack: passes everything on, unless its plan says otherwise."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

# of the answers to reads of objects
OK, ERROR, BUSY, SHORT, RESET, STALL = "ok", "500", "503", "short", "reset", "stall"
STALL_SECONDS = 20.0
_DROPPED = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Proxy(ThreadingHTTPServer):
    """``faulty``: which requests the plan is for. ``closed``: no request is answered."""

    daemon_threads = True
    block_on_close = False  # some of its threads wait for a stall to end

    def __init__(self, upstream: str, faulty: Callable[[str, str], bool]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.faulty = faulty
        self.closed = threading.Event()
        self.done: Counter[str] = Counter()
        self._plan: Iterator[str] = iter(())
        self._lock = threading.Lock()

    def follow(self, plan: Iterator[str]) -> None:
        """From now on each faulty request takes the next of the plan; when it ends, all is well."""
        with self._lock:
            self._plan = plan

    def next_fault(self, method: str, path: str) -> str:
        if not self.faulty(method, path):
            return OK
        with self._lock:
            fault = next(self._plan, OK)
            self.done[fault] += 1
            return fault

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: clients and LocalStack are killed in the middle of requests."""


def plan(draw: random.Random, count: int, stalls: int) -> Iterator[str]:
    """So many faults, more than half of the time; between them all goes well."""
    faults = [STALL] * stalls + draw.choices([ERROR, BUSY, SHORT, RESET], k=count - stalls)
    draw.shuffle(faults)
    for fault in faults:
        while draw.random() < 0.4:
            yield OK
        yield fault


@contextmanager
def running(upstream: str, faulty: Callable[[str, str], bool]) -> Iterator[Proxy]:
    with Proxy(upstream, faulty) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy
    codes: ClassVar[dict[str, tuple[int, str]]] = {
        ERROR: (500, "InternalError"),
        BUSY: (503, "SlowDown"),
    }

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.closed.is_set():
            self._hang_up()
            return
        fault = self.server.next_fault(self.command, self.path)
        if fault == RESET:
            self._hang_up()
        elif fault in self.codes:
            self._refuse(*self.codes[fault])
        else:
            if fault == STALL:
                time.sleep(STALL_SECONDS)
            self._pass_on(body, short=fault == SHORT)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>by plan</Message></Error>".encode()
        self._answer(status, [("Content-Type", "application/xml")], text, len(text))

    def _pass_on(self, body: bytes, *, short: bool) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            upstream.request(self.command, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            content = answer.read()
            given = [(name, value) for name, value in answer.getheaders() if name.lower() not in _DROPPED]
            length = (
                int(answer.headers.get("Content-Length") or 0) if self.command == "HEAD" else len(content)
            )
            self._answer(answer.status, given, content[: len(content) // 2] if short else content, length)
            if short:
                self._hang_up()
        except (OSError, http.client.HTTPException):
            self._hang_up()  # LocalStack is not there
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
