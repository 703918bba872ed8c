"""Who may do what, through the API: every route, every kind of credential."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from chalice.test import Client, HTTPResponse

import app as deployed
from chalicelib.core.access import Scope
from chalicelib.core.api_keys import hash_of
from chalicelib.core.jobs import Job
from chalicelib.core.model import Status
from tests.support.api_client import assert_problem
from tests.support.docpages import quoted, section, table
from tests.support.fakes import MemoryServices
from tests.support.jobs import new_job
from tests.support.routes import ROUTES
from tests.support.tenants import ACME, BOND, add_tenants, new_key


def scope_of(method: str, path: str) -> Scope:
    return deployed.view.scopes[deployed.app.routes[path][method].view_name]


@pytest.fixture
def services(services: MemoryServices) -> MemoryServices:
    add_tenants(services)
    return services


def send(
    client: Client, method: str, path: str, credential: str | None = None, **headers: str
) -> HTTPResponse:
    """Send a request to a route, with any values for the parameters in its path."""
    if credential is not None:
        headers["Authorization"] = credential if " " in credential else f"Bearer {credential}"
    filled = re.sub(r"\{\w+\}", str(uuid4()), path)
    headers = {
        "Content-Type": "application/json",
        **{name.replace("_", "-"): it for name, it in headers.items()},
    }
    return client.http.request(method, filled, headers=headers, body=b"{}")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_lets_a_stranger_in(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    assert services
    query = "?deep=1" if path == "/healthz" else ""
    for credential, error in ((None, ""), ("nonsense", "invalid_token"), ("Basic YTpi", "invalid_token")):
        answer = send(client, method, path + query, credential)
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="sluice"')
        assert error in answer.headers["WWW-Authenticate"]
        assert not answer.json_body.keys() - {"type", "title", "status", "detail", "code", "request_id"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_parameter_that_a_route_does_not_have_is_an_error(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    answer = send(client, method, f"{path}?colour=red", new_key(services))
    assert_problem(answer, 400)
    assert answer.json_body["field"] == "colour"


def test_the_shallow_health_check_is_open_to_all(client: Client, services: MemoryServices) -> None:
    assert services
    assert client.http.get("/healthz").status_code == 200
    assert client.http.get("/healthz?deep=0").status_code == 200
    assert_problem(client.http.get("/healthz?deep=2"), 400)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_needs_its_scope_and_no_other(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    scope, query = scope_of(method, path), "?deep=1" if path == "/healthz" else ""
    others = send(client, method, path + query, new_key(services, *set(Scope) - {scope}))
    assert_problem(others, 403, code="insufficient_scope", scope=scope.value)
    assert f'error="insufficient_scope", scope="{scope}"' in others.headers["WWW-Authenticate"]
    assert send(client, method, path + query, new_key(services, scope)).status_code not in (401, 403)


def test_the_scopes_of_routes_are_as_documented() -> None:
    rows = table(section("http-api.md", "Scopes"), "scope", "routes")
    documented = {
        route: quoted(scope)
        for scope, routes in rows
        for route in re.findall(r"`((?:GET|POST|PUT|DELETE) [^`]+)`", routes)
    }
    assert documented == {f"{method} {path}": scope_of(method, path).value for method, path in ROUTES}


def register(client: Client, credential: str, dataset: str = "crm", **headers: str) -> HTTPResponse:
    sent = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    body = f'{{"filename": "a.csv", "dataset": "{dataset}"}}'.encode()
    return client.http.post("/uploads", headers=sent, body=body)


def job_of(services: MemoryServices, answer: HTTPResponse) -> Job:
    return next(job for job in services.jobs.jobs.values() if str(job.id) == answer.json_body["job_id"])


JOB_ROUTES = [(method, path) for method, path in ROUTES if "{job_id}" in path]


@pytest.mark.parametrize(("method", "path"), JOB_ROUTES)
def test_a_job_of_another_tenant_does_not_exist(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    job = services.jobs.put(new_job(status=Status.COMPLETED, tenant=ACME))
    before = services.jobs.jobs[job.id]
    strangers = new_key(services, tenant=BOND)

    other = send(client, method, path.replace("{job_id}", str(job.id)), strangers)
    none = send(client, method, path, strangers)

    assert other.status_code == none.status_code
    if path != "/uploads/{job_id}/parts" or method != "POST":  # its body is looked at first
        assert_problem(other, 404)
        assert other.json_body["detail"] == f"There is no job '{job.id}'."
    assert services.jobs.jobs[job.id] == before


def test_a_tenants_list_has_its_own_jobs_only(client: Client, services: MemoryServices) -> None:
    own = [services.jobs.put(new_job(number=n, tenant=ACME)) for n in (1, 2)]
    services.jobs.put(new_job(number=3, tenant=BOND))
    services.jobs.put(new_job(number=4))

    answer = send(client, "GET", "/jobs", new_key(services, tenant=ACME))

    listed = [job["id"] for job in answer.json_body["jobs"]]
    assert listed == [str(job.id) for job in reversed(own)]
    assert {job["tenant"] for job in answer.json_body["jobs"]} == {"acme"}


def test_a_key_of_all_tenants_acts_for_the_tenant_that_a_request_names(
    client: Client, services: MemoryServices
) -> None:
    operator = new_key(services)
    unnamed = job_of(services, register(client, operator))
    named = job_of(services, register(client, operator, Sluice_Tenant="acme"))

    assert (unnamed.tenant.name, named.tenant.name) == ("default", "acme")
    assert named.upload.key == f"uploads/acme/crm/{named.id}/a.csv"
    assert_problem(register(client, operator, Sluice_Tenant="nothere"), 404)
    assert_problem(register(client, operator, Sluice_Tenant="not a name\x00"), 404)
    path = f"/jobs/{named.id}"
    assert send(client, "GET", path, operator).status_code == 404
    assert send(client, "GET", path, operator, Sluice_Tenant="acme").json_body["tenant"] == "acme"


def test_a_tenants_key_names_no_other_tenant(client: Client, services: MemoryServices) -> None:
    own = new_key(services, tenant=ACME)
    assert job_of(services, register(client, own, Sluice_Tenant="acme")).tenant == ACME
    for other in ("bond", "default", "nothere"):
        assert_problem(register(client, own, Sluice_Tenant=other), 403, code="access_denied")


def test_a_suspended_tenant_can_do_nothing(client: Client, services: MemoryServices) -> None:
    own, operator = new_key(services, tenant=ACME), new_key(services)
    job = services.jobs.put(new_job(tenant=ACME))
    assert send(client, "POST", "/tenants/acme/suspend", operator).status_code == 200
    services.access = services.new_access()  # as if 10 s had passed
    services.key_register.keys[hash_of(own)] = replace(
        services.key_register.keys[hash_of(own)],
        new=replace(services.key_register.keys[hash_of(own)].new, tenant=services.tenants.tenants["acme"]),
    )

    assert_problem(send(client, "GET", f"/jobs/{job.id}", own), 403, code="access_denied")
    assert_problem(register(client, operator, Sluice_Tenant="acme"), 409)
    assert send(client, "GET", f"/jobs/{job.id}", operator, Sluice_Tenant="acme").status_code == 200
    assert_problem(send(client, "POST", "/tenants/default/suspend", operator), 403)
    assert_problem(send(client, "POST", "/tenants/nothere/suspend", operator), 404)


def test_a_key_for_datasets_sees_no_other(client: Client, services: MemoryServices) -> None:
    own = new_key(services, tenant=ACME, datasets=frozenset({"crm"}))
    hidden = services.jobs.put(new_job(tenant=ACME, dataset="erp"))
    seen = job_of(services, register(client, own))

    assert_problem(register(client, own, dataset="erp"), 403, code="access_denied")
    assert_problem(send(client, "GET", f"/jobs/{hidden.id}", own), 404)
    assert send(client, "GET", f"/jobs/{seen.id}", own).status_code == 200
    listed = send(client, "GET", "/jobs", own).json_body["jobs"]
    assert [job["id"] for job in listed] == [str(seen.id)]
    for method in ("GET", "PUT"):
        assert_problem(send(client, method, "/datasets/erp/options", own), 403, code="access_denied")


def test_a_job_says_by_which_credential_it_was_registered(client: Client, services: MemoryServices) -> None:
    job = job_of(services, register(client, new_key(services)))
    (stored,) = services.key_register.keys.values()
    assert services.jobs.creators[job.id] == f"key:{stored.id}"


# Keys


def create(client: Client, credential: str, **members: Any) -> HTTPResponse:
    body = {"name": "crm", "scopes": ["uploads:write"], **members}
    headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
    return client.http.post("/keys", headers=headers, body=json.dumps(body).encode())


def test_a_created_key_works_until_it_is_revoked(client: Client, services: MemoryServices) -> None:
    operator = new_key(services)
    made = create(client, operator)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    text, key_id = made.json_body["key"], made.json_body["id"]
    assert register(client, text).status_code == 202

    revoked = send(client, "DELETE", f"/keys/{key_id}", operator)
    assert revoked.json_body["revoked_at"] is not None
    assert "key" not in revoked.json_body
    services.access = services.new_access()  # another process
    assert_problem(register(client, text), 401)
    assert send(client, "DELETE", f"/keys/{key_id}", operator).json_body == revoked.json_body
    assert text not in str(send(client, "GET", "/keys", operator).json_body)
    assert_problem(send(client, "DELETE", "/keys/{key_id}", operator), 404)
    assert_problem(send(client, "DELETE", "/keys/x", operator), 404)


def test_a_key_is_looked_up_once_in_a_while(client: Client, services: MemoryServices) -> None:
    operator = new_key(services)
    for _ in range(5):
        send(client, "GET", "/jobs", operator)
    assert services.key_register.looked_up == 1


def test_an_expired_key_is_refused(client: Client, services: MemoryServices) -> None:
    past = new_key(services, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    future = new_key(services, expires_at=datetime.now(UTC) + timedelta(days=1))
    assert_problem(send(client, "GET", "/jobs", past), 401)
    assert send(client, "GET", "/jobs", future).status_code == 200


def test_two_keys_of_a_name_work_at_a_time(client: Client, services: MemoryServices) -> None:
    operator = new_key(services)
    first, second = create(client, operator), create(client, operator)
    assert second.status_code == 201
    assert_problem(create(client, operator), 409)
    send(client, "DELETE", f"/keys/{first.json_body['id']}", operator)
    assert create(client, operator).status_code == 201


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": 1}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes[0]"),
        ({"datasets": []}, "datasets"),
        ({"datasets": ["A"]}, "datasets[0]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"all_tenants": "yes"}, "all_tenants"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_key_is_refused_with_the_member(
    client: Client, services: MemoryServices, members: dict[str, Any], field: str
) -> None:
    assert_problem(create(client, new_key(services), **members), 400, field=field)
    assert len(services.key_register.keys) == 1


def test_a_key_gives_away_no_right_that_it_has_not(client: Client, services: MemoryServices) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    admin = new_key(services, Scope.TENANTS_ADMIN, Scope.JOBS_READ, tenant=ACME, expires_at=soon)
    ends = {"scopes": ["jobs:read"], "expires_at": soon.isoformat()}

    assert_problem(create(client, admin, expires_at=soon.isoformat()), 403, scope="uploads:write")
    assert_problem(create(client, admin, **{**ends, "expires_at": None}), 403, code="access_denied")
    later = (soon + timedelta(seconds=1)).isoformat()
    assert_problem(create(client, admin, **{**ends, "expires_at": later}), 403, code="access_denied")
    assert_problem(create(client, admin, **ends, all_tenants=True), 403)
    assert create(client, admin, **ends).json_body["tenant"] == "acme"


def test_what_concerns_all_datasets_is_given_for_all(client: Client, services: MemoryServices) -> None:
    both = {"scopes": ["tenants:admin"], "datasets": ["crm"]}
    assert_problem(create(client, new_key(services), **both), 400, field="datasets")
    made = create(client, new_key(services), scopes=["jobs:read"], datasets=["crm"])
    assert made.json_body["datasets"] == ["crm"]


def test_a_tenants_admin_manages_its_own_keys_only(client: Client, services: MemoryServices) -> None:
    admin = new_key(services, tenant=ACME)
    others = create(client, new_key(services), name="others").json_body
    listed = send(client, "GET", "/keys", admin).json_body["keys"]
    assert {it["tenant"] for it in listed} == {"acme"}
    assert_problem(send(client, "DELETE", f"/keys/{others['id']}", admin), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tenants"),
        ("POST", "/tenants"),
        ("POST", "/tenants/bond/suspend"),
        ("POST", "/tenants/acme/resume"),
        ("GET", "/unmatched-objects"),
        ("PUT", "/datasets/crm/options"),
        ("GET", "/workers"),
        ("GET", "/healthz?deep=1"),
    ],
)
def test_what_concerns_all_tenants_is_the_operators(
    client: Client, services: MemoryServices, method: str, path: str
) -> None:
    assert_problem(send(client, method, path, new_key(services, tenant=ACME)), 403, code="access_denied")
    assert services.tenants.tenants["bond"].suspended_at is None
