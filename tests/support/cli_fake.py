"""A fake of the API and of S3 for the command line client: a small HTTP server in a thread."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from click.testing import CliRunner, Result

from sluice_cli.main import main

if TYPE_CHECKING:
    from tests.support.cli_fake_parts import FakeParts

JOB_ID = "3f2c9a4e-7d15-4b8a-9a61-0c5d2e8f7b34"
CSV = b"name,age\nAda,36\n"
PREFIX = "/_aws/execute-api/abc/api"
KEY = "/bucket/default/a%20b%2Bc~%C3%A9/people.csv?X-Amz-Credential=k%2F20251123%2Fs3&X-Amz-Signature=ab12"


@dataclass(frozen=True)
class Answer:
    """A response of the server."""

    status: int
    body: object = None  # bytes are sent as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def problem(status: int, title: str, detail: str, **members: object) -> Answer:
    """Return a refusal of the API."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": "req-1"}
    return Answer(
        status, body | members, {"Content-Type": "application/problem+json", "X-Request-Id": "req-1"}
    )


def s3_error(status: int, code: str, message: str) -> Answer:
    """Return a refusal of S3."""
    xml = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, xml.encode(), {"Content-Type": "application/xml"})


def job(status: str = "COMPLETED", **members: object) -> dict[str, Any]:
    """Return a job document. ``members`` replace its own."""
    document: dict[str, Any] = {
        "id": JOB_ID,
        "status": status,
        "phase": "loading" if status == "PROCESSING" else None,
        "dataset": "default",
        "filename": "people.csv",
        "created_at": "2025-11-23T14:06:10Z",
        "started_at": "2025-11-23T14:06:11Z" if status != "PENDING" else None,
        "updated_at": "2025-11-23T14:06:12Z",
        "completed_at": "2025-11-23T14:06:15.200000Z" if status in ("COMPLETED", "FAILED") else None,
        "source": {"bucket": "bucket", "key": "k", "etag": '"e"', "size": 21_500_000},
        "detected": {"format": "csv"},
        "progress": {
            "bytes_processed": 9_200_000,
            "bytes_total": 21_500_000,
            "percent": 42.8,
            "rows_per_second": 4000.4,
            "eta_seconds": 3.1,
        },
        "counts": {"read": 4021, "inserted": 3902, "duplicates": 101, "rejected": 18},
        "attempts": 1,
        "duplicate_of": None,
        "undone_rows": None,
        "error": None,
        "links": {"self": f"/jobs/{JOB_ID}", "errors": f"/jobs/{JOB_ID}/errors"},
    }
    return document | members


def reject(number: int, **members: object) -> dict[str, Any]:
    """Return one element of a job's ``errors``. ``members`` replace its own."""
    document: dict[str, Any] = {
        "record_number": number,
        "byte_offset": number * 100,
        "field": "age",
        "code": "type-error",
        "message": "is not a number",
        "raw": f"row {number}",
    }
    return document | members


def waiting(what: str = "database", **members: object) -> dict[str, Any]:
    """Return the member ``waiting_for`` of a job document. ``members`` replace its own."""
    document: dict[str, Any] = {
        "what": what,
        "since": "2025-11-23T14:07:12Z",
        "until": None,
        "message": "The database has no room left on its disk.",
    }
    return document | members


@dataclass
class Request:
    """A request that the server received."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Return its body, parsed."""
        body: dict[str, Any] = json.loads(self.body)
        return body


class RecordingWatcher:
    """An UploadWatcher that remembers its calls, and calls ``on_update`` with each count."""

    def __init__(self, on_update: Callable[[int], None] = lambda _: None) -> None:
        self.counts: list[int] = []
        self.notes: list[str] = []
        self._on_update = on_update

    def update(self, count: int) -> None:
        self.counts.append(count)
        self._on_update(count)

    def note(self, text: str) -> None:
        self.notes.append(text)


class FakeSluice:
    """A service that loads any file at once, unless a script says otherwise.

    ``puts``, ``polls``, ``rejects_files`` and ``downloads`` are scripts: each entry answers one request, the
    last one all further requests. None instead of an answer closes the connection.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.objects: dict[str, bytes] = {}
        self.puts: list[Answer | None] = [Answer(200)]
        self.polls: list[Answer | None] = [Answer(200, job())]
        self.rejects_files: list[Answer | None] = [problem(404, "Not Found", "It has none.")]
        self.downloads: list[Answer | None] = [Answer(200, b"")]
        self.create: Answer | None = None
        self.parts: FakeParts | None = None  # if set, every upload is a multipart upload
        self.actions = {
            "cancel": Answer(202, job("CANCELED")),
            "load": Answer(202, job("PENDING")),
            "retry": Answer(202, job("PENDING")),
            "undo": Answer(202, job("UNDOING", phase="undoing")),
        }
        self.defaults: dict[str, dict[str, Any]] = {}
        self.jobs: list[dict[str, Any]] = [job()]
        self.workers: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.tenants: list[dict[str, Any]] = []
        self.erasures: list[Answer | None] = []
        self.rejects: list[dict[str, Any]] = []
        self.most_rejects = 1000  # on a page, however many are asked for
        self.empty_pages = 0  # before the first reject of a dataset
        self.expires_at = datetime.now(UTC) + timedelta(hours=1)
        self.on_poll: Callable[[], None] = lambda: None
        self.on_put: Callable[[], None] = lambda: None
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = self.origin + PREFIX

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def requests_of(self, method: str, contains: str = "") -> list[Request]:
        """Return the requests so far with this method whose target contains a text."""
        return [r for r in self.requests if r.method == method and contains in r.target]

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a request, None to close the connection."""
        target = urlsplit(request.target)
        if request.method == "PUT" and not target.path.startswith(f"{PREFIX}/datasets/"):
            return self._store(request)
        path = target.path.removeprefix(PREFIX)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        if target.path.startswith("/bucket/"):
            return _next(self.downloads)
        if not target.path.startswith(PREFIX):
            return Answer(404, b"not here")
        if self.parts and path.startswith(f"/uploads/{JOB_ID}/"):
            return self.parts.answer(request, path.removeprefix(f"/uploads/{JOB_ID}"), query, self.origin)
        if path.startswith("/datasets/"):
            return self._dataset(request, path, query)
        return self._get(path, query) if request.method == "GET" else self._post(request, path)

    def _dataset(self, request: Request, path: str, query: Mapping[str, str]) -> Answer | None:
        if path.endswith("/errors"):
            return self._dataset_rejects(query)
        return _next(self.erasures) if "/eras" in path else self._options(request, path.split("/")[2])

    def _dataset_rejects(self, query: Mapping[str, str]) -> Answer:
        looked_at = int(query.get("cursor", "0"))
        if looked_at < self.empty_pages:
            return Answer(200, {"errors": [], "next_cursor": str(looked_at + 1)})
        place = {**query, "cursor": str(looked_at - self.empty_pages)}
        return _page("errors", self.rejects, place, self.most_rejects)

    def _options(self, request: Request, dataset: str) -> Answer:
        if request.method == "PUT":
            self.defaults[dataset] = request.json
        if dataset not in self.defaults:
            return problem(404, "Not Found", "There is no such dataset.")
        return Answer(200, {"dataset": dataset, "options": self.defaults[dataset]})

    def _post(self, request: Request, path: str) -> Answer:
        if request.method == "DELETE":
            return Answer(202, self.tenants[0])
        if path == "/uploads":
            return self.create or (self.parts.begin(request.json) if self.parts else self._single_put())
        if path == "/upload-tokens":
            made = {
                "max_size": 100,
                "max_files": 1,
                "expires_at": self.expires_at.isoformat(),
                "token": "e.y.J",
            }
            return Answer(201, made | request.json)
        action = path.removeprefix(f"/jobs/{JOB_ID}/")
        return self.actions.get(action, problem(404, "Not Found", "There is no such job."))

    def _get(self, path: str, query: Mapping[str, str]) -> Answer | None:
        lists = {
            "/jobs": ("jobs", self.jobs),
            "/workers": ("workers", self.workers),
            "/audit-events": ("events", self.events),
            "/tenants": ("tenants", self.tenants),
            f"/jobs/{JOB_ID}/errors": ("errors", self.rejects),
        }
        if path in lists:
            return _page(*lists[path], query, self.most_rejects)
        if path.startswith(f"/jobs/{JOB_ID}/rejects."):
            return _next(self.rejects_files)
        if path == f"/jobs/{JOB_ID}":
            self.on_poll()
            return _next(self.polls)
        return problem(404, "Not Found", "There is no such job.")

    def _store(self, request: Request) -> Answer | None:
        self.on_put()
        number = parse_qs(urlsplit(request.target).query).get("partNumber")
        if self.parts and number:
            return self.parts.put(int(number[0]), request)
        answer = _next(self.puts)
        if answer and answer.status == 200 and len(request.body) == int(request.headers["Content-Length"]):
            self.objects[request.target] = request.body
        return answer

    def _single_put(self) -> Answer:
        headers = {"Content-Type": "text/csv", "x-amz-meta-job": JOB_ID}
        body = {
            "job_id": JOB_ID,
            "status": "PENDING",
            "upload": {
                "method": "PUT",
                "url": self.origin + KEY,
                "headers": headers,
                "expires_at": self.expires_at.isoformat(),
            },
            "links": {"job": f"/jobs/{JOB_ID}", "errors": f"/jobs/{JOB_ID}/errors"},
        }
        return Answer(202, body, {"Location": f"/jobs/{JOB_ID}", "X-Request-Id": "req-0"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the client may hang up
            super().handle_error(request, client_address)


def _next(script: list[Answer | None]) -> Answer | None:
    return script.pop(0) if len(script) > 1 else script[0]


def _page(member: str, items: list[dict[str, Any]], query: Mapping[str, str], most: int) -> Answer:
    start = int(query.get("cursor", "0"))
    end = start + min(int(query["limit"]), most)
    return Answer(200, {member: items[start:end], "next_cursor": str(end) if end < len(items) else None})


def _handler(fake: FakeSluice) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            fake.requests.append(request)
            answer = fake.answer(request)
            if answer is None:
                self.close_connection = True
                return
            raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Retry-After": "0", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler


def run(server: FakeSluice, *arguments: str) -> Result:
    """Run the command line in this process against the server."""
    return CliRunner().invoke(main, arguments, env={"SLUICE_URL": server.url})
