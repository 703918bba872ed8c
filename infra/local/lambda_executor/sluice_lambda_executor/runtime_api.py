"""The server side of AWS's Runtime API, for one function process.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import queue
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

HOST = "127.0.0.1"
SHUTDOWN_POLL_SECONDS = 0.05


class Invocation(NamedTuple):
    """The next invocation of the function."""

    headers: Mapping[str, str]
    payload: bytes


class Event(NamedTuple):
    """An event of the function process: `next`, `response`, `error`, `init_error`, or `exit`."""

    kind: str
    body: bytes


class RuntimeApi(ThreadingHTTPServer):
    """A server on a free port that hands out invocations and collects events."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.invocations: queue.Queue[Invocation | None] = queue.Queue()
        self.events: queue.Queue[Event] = queue.Queue()
        run = threading.Thread(target=self.serve_forever, args=(SHUTDOWN_POLL_SECONDS,), daemon=True)
        run.start()

    def address(self) -> str:
        """Return host and port in the form that `awslambdaric` takes."""
        return f"{HOST}:{self.server_port}"

    def close(self) -> None:
        """Release the waiting function and stop listening."""
        self.invocations.put(None)
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Handle `/runtime/invocation/next`: wait for an invocation and return it."""
        self.server.events.put(Event("next", b""))
        invocation = self.server.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        headers = {"Content-Type": "application/json", **invocation.headers}
        self._reply(200, invocation.payload, headers)

    def do_POST(self) -> None:
        """Handle `/runtime/invocation/ID/response` or `.../error`, and `/runtime/init/error`."""
        body = self._body()
        kind = "init_error" if "/init/" in self.path else self.path.rsplit("/", 1)[1]
        self._reply(202, b'{"status":"OK"}', {})
        self.server.events.put(Event(kind, body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Log nothing: one line per request would only be noise."""
