"""Count the requests to LocalStack: a proxy before it, for runs whose time does not matter."""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_DROPPED = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class CountingProxy(ThreadingHTTPServer):
    """Pass requests on and count them: `s3` and `sqs`."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.counts: Counter[str] = Counter()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: a worker is killed while it waits for a message."""

    def through(self, url: str) -> str:
        """Return the URL with this proxy in place of LocalStack."""
        return url.replace(f"http://{self.upstream}", self.url)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingProxy

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_queue = self.headers.get("X-Amz-Target", "").startswith("AmazonSQS")
        self.server.counts["sqs" if is_queue else "s3"] += 1
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body=body, headers=dict(self.headers.items()))
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _DROPPED:
                self.send_header(name, value)
        if answer.status != http.client.NOT_MODIFIED:
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


@contextmanager
def counting(upstream: str) -> Iterator[CountingProxy]:
    """Yield a running proxy before LocalStack's address."""
    with CountingProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
