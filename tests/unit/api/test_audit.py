"""What the audit log tells of requests."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from chalice.test import Client, HTTPResponse

import app as deployed
from chalicelib.core.access import Scope
from chalicelib.core.api_keys import NewApiKey
from chalicelib.core.audit import Actor, AuditAction, AuditEvent, AuditFilters, Target
from chalicelib.core.errors import RetryLater
from chalicelib.core.jobs import RejectsFile, RejectsSource, Upload
from chalicelib.core.model import Dialect, Format, Source, Status, Tally
from chalicelib.core.tenants import Tenant
from tests.support.api_client import assert_problem
from tests.support.docpages import quoted, section, table
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job
from tests.support.routes import ROUTES
from tests.support.tenants import ACME, BOND, add_tenants, new_key

SECRET = "slu_" + "S" * 36

# They send the file of an upload whose registration is in the log, and grant nothing more.
SENDING = {("POST", "/uploads/{job_id}/parts"), ("POST", "/uploads/{job_id}/complete")}
CHANGING = [it for it in ROUTES if it[0] != "GET" and it not in SENDING]


def audited(method: str, path: str) -> AuditAction | None:
    return deployed.view.audited.get(deployed.app.routes[path][method].view_name)


AUDITED = [it for it in ROUTES if audited(*it) is not None]


@pytest.fixture
def services(services: MemoryServices) -> MemoryServices:
    add_tenants(services)
    return services


def send(  # noqa: PLR0913, PLR0917 - what makes a request
    client: Client, method: str, path: str, credential: str, body: Any = None, tenant: str | None = None
) -> HTTPResponse:
    headers = {
        "Authorization": f"Bearer {credential}",
        "Content-Type": "application/json",
        # what a client may claim and the log must not believe
        "X-Forwarded-For": "6.6.6.6",
        "X-Real-Ip": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }
    if tenant is not None:
        headers["Sluice-Tenant"] = tenant
    raw = b"" if body is None else json.dumps(body).encode()
    return client.http.request(method, path, headers=headers, body=raw)


@dataclass(frozen=True)
class Case:
    """A request that succeeds. ``prepare`` returns the value of the parameter in the path."""

    body: Any = None
    prepare: Callable[[MemoryServices], object] = lambda _services: ""


def job(status: Status, **changes: Any) -> Callable[[MemoryServices], UUID]:
    return lambda services: services.jobs.put(new_job(status=status, tenant=ACME, **changes)).id


def open_upload(services: MemoryServices) -> UUID:
    upload_id = services.upload_bucket.begin("key", checksums=False)
    upload = Upload("bucket", "key", size=2000, upload_id=upload_id, part_size=400)
    return services.jobs.put(new_job(tenant=ACME, upload=upload)).id


def rejects(file_format: Format) -> Callable[[MemoryServices], UUID]:
    def prepare(services: MemoryServices) -> UUID:
        source = Source("bucket", "key", "e1", 1)
        dialect = Dialect(file_format, 0)
        tally = Tally(1, 0, 0, 1)
        ended = new_job(status=Status.COMPLETED, tenant=ACME, source=source, dialect=dialect, tally=tally)
        services.jobs.put(ended)
        services.jobs.files[ended.id] = RejectsFile(key="k", rejects=1, source=RejectsSource.OBJECT)
        return ended.id

    return prepare


def dataset_in(services: MemoryServices) -> str:
    services.erasures.datasets.add("crm")
    return "crm"


CASES: dict[tuple[str, str], Case] = {
    ("POST", "/uploads"): Case({"filename": "a.csv", "metadata": {"label": SECRET}}),
    ("DELETE", "/uploads/{job_id}"): Case(prepare=open_upload),
    ("POST", "/jobs/{job_id}/cancel"): Case(prepare=job(Status.PENDING)),
    ("POST", "/jobs/{job_id}/retry"): Case(prepare=job(Status.FAILED)),
    ("POST", "/jobs/{job_id}/load"): Case(prepare=job(Status.PREVIEWED)),
    ("POST", "/jobs/{job_id}/undo"): Case(prepare=job(Status.COMPLETED)),
    ("GET", "/jobs/{job_id}/rejects.csv"): Case(prepare=rejects(Format.CSV)),
    ("GET", "/jobs/{job_id}/rejects.ndjson"): Case(prepare=rejects(Format.NDJSON)),
    ("PUT", "/datasets/{name}/options"): Case({"decimal": ","}, lambda _services: "crm"),
    ("POST", "/datasets/{name}/erase"): Case({"field": "email", "value": SECRET}, dataset_in),
    ("POST", "/tenants"): Case({"name": "new"}),
    ("POST", "/tenants/{name}/suspend"): Case(prepare=lambda _services: "bond"),
    ("POST", "/tenants/{name}/resume"): Case(prepare=lambda _services: "bond"),
    ("DELETE", "/tenants/{name}"): Case(prepare=lambda _services: "bond"),
    ("POST", "/keys"): Case({"name": "n", "scopes": ["jobs:read"]}),
    ("DELETE", "/keys/{key_id}"): Case(
        prepare=lambda services: services.key_register.create(NewApiKey("n", frozenset(), ACME), b"h" * 32).id
    ),
    ("POST", "/upload-tokens"): Case({"dataset": "crm", "metadata": {"label": SECRET}}),
}


def done(client: Client, services: MemoryServices, method: str, path: str) -> tuple[HTTPResponse, object]:
    """Send the request of the route's case on behalf of acme; return the answer and what is in its path."""
    case, operator = CASES[method, path], new_key(services)
    of_path = case.prepare(services)
    filled = re.sub(r"\{\w+\}", str(of_path), path)
    tenant = None if path.startswith("/tenants") else "acme"
    return send(client, method, filled, operator, case.body, tenant), of_path


def test_a_route_that_changes_something_is_audited() -> None:
    assert [it for it in CHANGING if audited(*it) is None] == []
    assert {audited(*it) for it in AUDITED} == set(AuditAction)
    assert CASES.keys() == set(AUDITED)


@pytest.mark.parametrize(("method", "path"), AUDITED)
def test_what_is_done_is_in_the_log_once(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    answer, of_path = done(client, services, method, path)
    assert answer.status_code < 400, answer.json_body

    (event,) = services.audit.events
    (operator,) = (it for it in services.key_register.keys.values() if it.new.scopes == frozenset(Scope))
    assert event.actor == Actor(
        audited(method, path) or AuditAction.JOB_LOAD,
        "key",
        str(operator.id),
        operator.new.name,
        f"key:{operator.id}",
        answer.headers["X-Request-Id"],
        "127.0.0.1",
    )
    assert event.refused is None
    name = "new" if path == "/tenants" else "bond" if "tenants" in path else "acme"
    is_for_all = path == "/datasets/{name}/options"
    assert event.tenant == (None if is_for_all else str(services.tenants.tenants[name].id))
    if "{job_id}" in path:
        assert (event.job_id, event.subject) == (of_path, f"jobs/{of_path}")
    elif path.endswith("/erase"):
        assert event.subject == f"datasets/crm/erasures/{answer.json_body['id']}"
    elif "{" in path:
        assert event.subject == f"{path.split('/')[1]}/{of_path}"
    elif path == "/uploads":
        assert event.subject == f"jobs/{answer.json_body['job_id']}"
    else:
        assert event.subject == f"{path[1:]}/{answer.json_body['name' if path == '/tenants' else 'id']}"
    assert "slu_" not in str(services.audit.events)
    assert SECRET not in str(services.audit.events)
    assert answer.json_body is None or answer.json_body.get("token", SECRET) not in str(services.audit.events)


@pytest.mark.parametrize(("method", "path"), AUDITED)
def test_what_fails_for_503_is_not_in_the_log(
    client: Client, services: MemoryServices, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(services.audit, "note", _unavailable)
    assert_problem(done(client, services, method, path)[0], 503)
    assert services.audit.events == []


def _unavailable(actor: Actor | None, *_arguments: object) -> None:
    if actor is not None:
        raise RetryLater("the database is down")


@pytest.mark.parametrize(("method", "path"), AUDITED)
def test_what_is_forbidden_is_in_the_log(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    job_id = uuid4()
    filled = path.replace("{job_id}", str(job_id)).replace("{key_id}", str(job_id)).replace("{name}", "bond")

    assert_problem(send(client, method, filled, new_key(services, Scope.JOBS_READ, tenant=ACME)), 403)

    (event,) = services.audit.events
    assert (event.actor.action, event.refused, event.tenant) == (audited(method, path), 403, str(ACME.id))
    assert event.job_id == (job_id if "{job_id}" in path else None)
    subject = re.sub("/(options|erase|suspend|resume|cancel|retry|load|undo|rejects.*)$", "", filled)[1:]
    assert event.subject == (subject.replace("uploads/", "jobs/") if "{" in path else None)


def test_what_is_unknown_or_not_possible_is_in_the_log(client: Client, services: MemoryServices) -> None:
    others, ended = job(Status.PENDING)(services), job(Status.COMPLETED)(services)

    assert_problem(send(client, "POST", f"/jobs/{others}/cancel", new_key(services, tenant=BOND)), 404)
    assert_problem(send(client, "POST", f"/jobs/{ended}/cancel", new_key(services), tenant="acme"), 409)
    assert_problem(send(client, "POST", "/tenants/nothere/suspend", new_key(services)), 404)
    assert_problem(send(client, "POST", "/uploads", new_key(services, tenant=BOND), {}, "acme"), 403)
    assert_problem(send(client, "POST", "/uploads", new_key(services), {}, "nothere"), 404)

    seen = [(it.refused, it.tenant, it.subject) for it in services.audit.events]
    assert seen == [
        (404, "3", f"jobs/{others}"),
        (409, "2", f"jobs/{ended}"),
        (404, None, "tenants/nothere"),
        (403, "3", None),
        (404, None, None),
    ]


def test_what_a_client_takes_for_an_id_stays_out_of_the_log(client: Client, services: MemoryServices) -> None:
    """A key in the place of its id, for example."""
    operator = new_key(services)
    assert_problem(send(client, "DELETE", f"/keys/{SECRET}", operator), 404)
    assert_problem(send(client, "POST", f"/tenants/{SECRET}/suspend", operator), 404)
    assert_problem(send(client, "POST", f"/jobs/{SECRET}/cancel", operator), 404)
    assert [it.subject for it in services.audit.events] == [None] * 3


def test_strangers_and_wrong_bodies_are_not_in_the_log(client: Client, services: MemoryServices) -> None:
    assert_problem(send(client, "POST", "/uploads", "nonsense", {}), 401)
    assert_problem(send(client, "POST", "/uploads", new_key(services), {"filename": 1}), 400)
    assert_problem(send(client, "PUT", "/datasets/crm/options", new_key(services), {"decimal": "x"}), 400)
    assert services.audit.events == []


def test_reading_is_not_in_the_log(client: Client, services: MemoryServices) -> None:
    job_id, operator = job(Status.COMPLETED)(services), new_key(services)
    for path in ("/jobs", f"/jobs/{job_id}", f"/jobs/{job_id}/errors", "/keys", "/tenants", "/audit-events"):
        assert send(client, "GET", path, operator, tenant="acme").status_code == 200
    assert services.audit.events == []


def test_a_tenant_that_exists_is_not_created(client: Client, services: MemoryServices) -> None:
    assert send(client, "POST", "/tenants", new_key(services), {"name": "bond"}).status_code == 200
    assert services.audit.events == []


# GET /audit-events


def noted(services: MemoryServices, *, refused: int | None = None) -> AuditEvent:
    actor = Actor(AuditAction.JOB_CANCEL, "key", "1", "crm", "key:1", "request", "10.0.0.1")
    services.audit.note(actor, Target(ACME.id, UUID(int=7)), refused)
    return services.audit.events[-1]


def test_events_are_cloud_events(client: Client, services: MemoryServices) -> None:
    noted(services)
    noted(services, refused=409)
    services.audit.events = [replace(it, tenant="acme") for it in services.audit.events]

    refused, first = send(client, "GET", "/audit-events", new_key(services)).json_body["events"]

    job_id = str(UUID(int=7))
    assert first == {
        "specversion": "1.0",
        "id": "1",
        "source": "sluice",
        "type": "sluice.job.cancel",
        "time": NOW.isoformat().replace("+00:00", "Z"),
        "subject": f"jobs/{job_id}",
        "datacontenttype": "application/json",
        "data": {
            "tenant": "acme",
            "actor": {"kind": "key", "id": "1", "name": "crm"},
            "credential": "key:1",
            "job_id": job_id,
            "request_id": "request",
            "address": "10.0.0.1",
            "outcome": "done",
            "status": None,
        },
    }
    assert (refused["data"]["outcome"], refused["data"]["status"]) == ("refused", 409)


def test_events_come_in_pages(client: Client, services: MemoryServices) -> None:
    for _ in range(5):
        noted(services)
    operator, seen, path = new_key(services), [], "/audit-events?limit=2"
    while True:
        page = send(client, "GET", path, operator).json_body
        seen.append([event["id"] for event in page["events"]])
        if page["next_cursor"] is None:
            break
        path = f"/audit-events?limit=2&cursor={page['next_cursor']}"
    assert seen == [["5", "4"], ["3", "2"], ["1"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tenant=A", "tenant"),
        ("action=all", "action"),
        ("job=1", "job"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_a_wrong_query_is_refused(client: Client, services: MemoryServices, query: str, field: str) -> None:
    assert_problem(send(client, "GET", f"/audit-events?{query}", new_key(services)), 400, field=field)


def test_filters_reach_the_log(
    client: Client, services: MemoryServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    readers: list[Tenant | None] = []

    def listed(filters: AuditFilters, *, reader: Tenant | None, **_page: object) -> list[AuditEvent]:
        asked.append(filters)
        readers.append(reader)
        return []

    monkeypatch.setattr(services.audit, "list", listed)
    query = f"tenant=acme&action=job.undo&job={UUID(int=7)}&since=2026-01-01T00:00:00Z"
    send(client, "GET", f"/audit-events?{query}", new_key(services))
    send(client, "GET", "/audit-events", new_key(services))
    send(client, "GET", "/audit-events", new_key(services, tenant=BOND))
    send(client, "GET", "/audit-events?tenant=bond", new_key(services, tenant=BOND))

    assert (asked[0].tenant, asked[0].action, asked[0].job_id) == ("acme", AuditAction.JOB_UNDO, UUID(int=7))
    assert asked[0].since.isoformat() == "2026-01-01T00:00:00+00:00"
    assert [it.tenant for it in asked[1:]] == [None, "bond", "bond"]
    assert readers == [None, None, BOND, BOND]


def test_the_log_of_others_is_not_shown(client: Client, services: MemoryServices) -> None:
    path = "/audit-events?tenant=acme"
    assert_problem(send(client, "GET", path, new_key(services, tenant=BOND)), 403, code="access_denied")
    own = new_key(services, tenant=BOND, datasets=frozenset({"crm"}))
    assert_problem(send(client, "GET", "/audit-events", own), 403, code="access_denied")


def test_the_actions_are_as_documented() -> None:
    rows = table(section("http-api.md", "`GET /audit-events`"), "action", "route")
    documented = {quoted(row[0]): re.findall(r"`((?:GET|POST|PUT|DELETE) [^`]+)`", row[1]) for row in rows}
    routes: dict[str, list[str]] = {}
    for method, path in AUDITED:
        routes.setdefault(audited(method, path) or "", []).append(f"{method} {path}")
    assert documented == routes
