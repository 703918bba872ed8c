"""Upload tokens, through the API: what they allow, and that they allow nothing else."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from chalice.test import Client, HTTPResponse
from hypothesis import given
from hypothesis import strategies as st

import app as deployed
from chalicelib.core.access import Scope, UploadLimits
from chalicelib.core.api_keys import hash_of
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Instructions, Job, Part
from chalicelib.core.model import Status
from chalicelib.core.uploads import MOST_LABELS, UploadRequest, metadata_size, within_limits
from tests.support.api_client import assert_problem
from tests.support.docpages import section
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job
from tests.support.routes import ROUTES
from tests.support.tenants import ACME, BOND, add_tenants, new_key

MAKES = (Scope.UPLOADS_WRITE, Scope.JOBS_READ, Scope.REJECTS_READ)  # and gives them to its tokens


@pytest.fixture
def services(services: MemoryServices) -> MemoryServices:
    add_tenants(services)
    return services


def key(services: MemoryServices, *scopes: Scope, **grants: Any) -> str:
    return new_key(services, *(scopes or MAKES), **{"tenant": ACME, **grants})


def send(
    client: Client, method: str, path: str, credential: str, body: object = None, **headers: str
) -> HTTPResponse:
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {credential}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return client.http.request(method, path, headers=sent, body=json.dumps(body or {}).encode())


def made(client: Client, credential: str, **members: Any) -> HTTPResponse:
    return send(client, "POST", "/upload-tokens", credential, {"dataset": "crm", **members})


def token(client: Client, services: MemoryServices, **members: Any) -> str:
    answer = made(client, key(services), **members)
    assert answer.status_code == 201, answer.json_body
    return str(answer.json_body["token"])


def register(client: Client, credential: str, **members: Any) -> HTTPResponse:
    return send(client, "POST", "/uploads", credential, {"filename": "a.csv", "size": 10, **members})


def job_of(services: MemoryServices, answer: HTTPResponse) -> Job:
    assert answer.status_code == 202, answer.json_body
    return services.jobs.jobs[UUID(answer.json_body["job_id"])]


# What it allows


def test_a_token_is_for_one_tenant_and_dataset(client: Client, services: MemoryServices) -> None:
    job = job_of(services, register(client, token(client, services)))

    assert (job.tenant, job.dataset) == (ACME, "crm")
    assert job.upload.key == f"uploads/acme/crm/{job.id}/a.csv"


def test_the_documented_routes_are_those_for_tokens() -> None:
    documented = re.findall(
        r"`((?:GET|POST|DELETE) [^`]+)`", section("http-api.md", "Upload tokens").split("\n### ")[0]
    )
    allowed = {
        f"{method} {path}"
        for path, methods in deployed.app.routes.items()
        for method, route in methods.items()
        if route.view_name in deployed.view.for_tokens
    }
    assert set(documented) - {"POST /upload-tokens"} == allowed


TAKEN = {  # the routes that take a token, and what it gets for a job of its own that waits for its parts
    ("POST", "/uploads"): 202,
    ("DELETE", "/uploads/{job_id}"): 202,
    ("POST", "/uploads/{job_id}/parts"): 200,
    ("GET", "/uploads/{job_id}/parts"): 200,
    ("POST", "/uploads/{job_id}/complete"): 202,
    ("GET", "/jobs/{job_id}"): 200,
    ("GET", "/jobs/{job_id}/errors"): 200,
    ("GET", "/jobs/{job_id}/rejects.csv"): 409,  # it has not ended
    ("GET", "/jobs/{job_id}/rejects.ndjson"): 409,
}
BODIES = {
    ("POST", "/uploads"): {"filename": "a.csv", "size": 10},
    ("POST", "/uploads/{job_id}/parts"): {"parts": [{"number": 1}]},
}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_with_a_token(client: Client, services: MemoryServices, method: str, path: str) -> None:
    own = token(client, services, max_files=9)
    other = token(client, services, max_files=9)
    job = job_of(services, register(client, own, size=2000))  # in parts
    parts = {it.number: it for it in (Part(number, 400) for number in range(1, 6))}
    services.upload_bucket.arrived[job.upload.upload_id or ""].update(parts)
    before = dict(services.jobs.jobs), dict(services.tenants.tenants), dict(services.key_register.keys)

    def asked(job_id: object, credential: str) -> HTTPResponse:
        filled = path.replace("{job_id}", str(job_id)).replace("{name}", "crm")
        filled = re.sub(r"\{\w+\}", str(uuid4()), filled) + ("?deep=1" if path == "/healthz" else "")
        return send(client, method, filled, credential, BODIES.get((method, path)))

    if (method, path) not in TAKEN:
        assert_problem(asked(job.id, own), 403, code="access_denied")
        after = dict(services.jobs.jobs), dict(services.tenants.tenants), dict(services.key_register.keys)
        assert after == before
        return
    if "{job_id}" in path:  # of another token, of a key of its tenant, of another tenant, of none
        others = [new_job(tenant=ACME, dataset="crm"), new_job(tenant=BOND), new_job()]
        for hidden in (*map(services.jobs.put, others), job_of(services, register(client, key(services)))):
            assert_problem(asked(hidden.id, own), 404)
        assert_problem(asked(job.id, other), 404)
    assert asked(job.id, own).status_code == TAKEN[method, path]


def test_a_token_gives_no_right_that_its_maker_has_not(client: Client, services: MemoryServices) -> None:
    writes = made(client, key(services, Scope.UPLOADS_WRITE)).json_body
    assert writes["scopes"] == ["uploads:write"]
    job = job_of(services, register(client, writes["token"]))
    assert_problem(send(client, "GET", f"/jobs/{job.id}", writes["token"]), 403, scope="jobs:read")
    assert_problem(send(client, "GET", f"/jobs/{job.id}/errors", writes["token"]), 403, scope="rejects:read")

    everything = made(client, key(services, *Scope)).json_body
    assert everything["scopes"] == ["jobs:read", "rejects:read", "uploads:write"]
    assert_problem(made(client, key(services, *set(Scope) - {Scope.UPLOADS_WRITE})), 403)
    assert_problem(made(client, key(services, datasets=frozenset({"erp"}))), 403)


def test_a_key_of_all_tenants_makes_a_token_of_the_tenant_that_it_names(
    client: Client, services: MemoryServices
) -> None:
    operator = key(services, tenant=None)
    for header, tenant in (({}, "default"), ({"Sluice_Tenant": "bond"}, "bond")):
        answer = send(client, "POST", "/upload-tokens", operator, {"dataset": "crm"}, **header)
        assert answer.json_body["tenant"] == tenant
        job = job_of(services, register(client, answer.json_body["token"]))
        assert job.tenant.name == tenant
    assert_problem(register(client, answer.json_body["token"], dataset="erp"), 403)


# Its limits


def test_a_file_has_a_size_and_it_is_within_the_limit(client: Client, services: MemoryServices) -> None:
    own = token(client, services, max_size=100, max_files=2)

    assert_problem(register(client, own, size=101), 413, field="size")
    assert_problem(register(client, own, size=None), 400, field="size")
    assert job_of(services, register(client, own, size=100)).upload.size == 100
    assert job_of(services, register(client, own, size=0)).upload.size == 0  # those refused did not count


def test_files_are_counted(client: Client, services: MemoryServices) -> None:
    own = token(client, services)
    job = job_of(services, register(client, own, size=2000))
    assert send(client, "DELETE", f"/uploads/{job.id}", own).status_code == 202

    for size in (10, 2000):  # in one piece, in parts
        assert_problem(register(client, own, size=size), 403, code="access_denied")

    assert len(services.jobs.jobs) == 1
    assert services.upload_bucket.arrived == {}  # what was begun for a refused one is gone
    assert send(client, "GET", f"/jobs/{job.id}", own).json_body["status"] == "CANCELED"


def test_labels_of_a_token_are_those_of_its_uploads(client: Client, services: MemoryServices) -> None:
    own = token(client, services, max_files=9, metadata={"form": "a", "paid": True, "version": 1})

    merged = job_of(services, register(client, own, metadata={"mine": "x", "form": "a"}))
    assert merged.instructions.metadata == {"mine": "x", "form": "a", "paid": True, "version": 1}
    assert job_of(services, register(client, own)).instructions.metadata == {
        "form": "a",
        "paid": True,
        "version": 1,
    }
    for name, value in {"form": "b", "paid": 1, "version": 1.0}.items():
        refused = register(client, own, metadata={name: value})
        assert_problem(refused, 400, field=f"metadata.{name}")
    many = {f"label {number}": "" for number in range(MOST_LABELS - 2)}
    assert_problem(register(client, own, metadata=many), 400, field="metadata")
    long = {f"{number:09}": "é" * 112 for number in range(17)}
    assert_problem(register(client, own, metadata=long), 400, field="metadata")


LABELS = st.dictionaries(
    st.sampled_from("abcdef"), st.integers(0, 1) | st.booleans() | st.text(max_size=9), max_size=6
)


@given(LABELS, LABELS)
def test_no_upload_changes_a_label_of_its_token(fixed: dict[str, Any], own: dict[str, Any]) -> None:
    limits = UploadLimits(uuid4(), 10, 1, NOW, fixed)
    request = UploadRequest("a.csv", size=1, instructions=Instructions(metadata=own or None))
    try:
        merged = within_limits(request, limits).instructions.metadata or {}
    except InvalidRequest as error:
        assert error.field is not None
        name = error.field.removeprefix("metadata.")
        assert repr(own[name]) != repr(fixed[name])
        return
    assert {name: repr(merged[name]) for name in fixed} == {name: repr(fixed[name]) for name in fixed}
    assert merged.keys() == own.keys() | fixed.keys()
    assert {name: repr(merged[name]) for name in own} == {name: repr(own[name]) for name in own}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"dataset": None}, "dataset"),
        ({"dataset": "A"}, "dataset"),
        ({"max_size": 0}, "max_size"),
        ({"max_size": 1 << 60}, "max_size"),
        ({"max_size": "1"}, "max_size"),
        ({"max_files": 0}, "max_files"),
        ({"max_files": 10_001}, "max_files"),
        ({"expires_in": 59}, "expires_in"),
        ({"expires_in": 86_401}, "expires_in"),
        ({"metadata": {"a": None}}, "metadata"),
        ({"metadata": {str(number): "x" * 200 for number in range(6)}}, "metadata"),
        ({"scopes": ["jobs:act"]}, "scopes"),
        ({"tenant": "bond"}, "tenant"),
    ],
)
def test_a_wrong_request_is_refused_with_the_member(
    client: Client, services: MemoryServices, members: dict[str, Any], field: str
) -> None:
    assert_problem(made(client, key(services), **members), 400, field=field)


def test_the_longest_token_fits_into_a_header(client: Client, services: MemoryServices) -> None:
    labels = {str(number): "\x01" * 30 for number in range(5)}  # each is 6 bytes as JSON
    while metadata_size(labels) + 200 < 1024:
        labels[f"é{len(labels)}"] = "é" * 90
    answer = made(client, key(services), dataset="d" * 63, max_files=10_000, metadata=labels)
    assert len(answer.json_body["token"]) < 6000
    assert register(client, answer.json_body["token"]).status_code == 202


# Its end


def claims_of(text: str) -> dict[str, Any]:
    payload = text.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


@pytest.mark.parametrize(("asked", "seconds"), [(None, 3600), (60, 60), (86_400, 86_400)])
def test_a_token_works_for_a_day_at_most(
    client: Client, services: MemoryServices, asked: int | None, seconds: int
) -> None:
    answer = made(client, key(services), expires_in=asked)
    claims = claims_of(answer.json_body["token"])
    assert claims["exp"] - claims["nbf"] == seconds
    times = [datetime.fromisoformat(answer.json_body[name]) for name in ("created_at", "expires_at")]
    assert times[1] - times[0] == timedelta(seconds=seconds)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_token_ends_with_the_key_that_made_it(client: Client, services: MemoryServices) -> None:
    text = key(services)
    own = made(client, text).json_body["token"]
    made_by = services.key_register.keys[hash_of(text)]
    services.key_register.revoke(made_by.id, tenant=None)
    services.access = services.new_access()  # as if 10 s had passed
    assert_problem(register(client, own), 401)

    past = replace(made_by, new=replace(made_by.new, expires_at=datetime.now(UTC)))
    services.key_register.keys[hash_of(text)] = past
    services.access = services.new_access()
    assert_problem(register(client, own), 401)

    services.key_register.keys[hash_of(text)] = made_by
    services.access = services.new_access()
    assert register(client, own).status_code == 202


def test_a_token_ends_with_its_tenant(client: Client, services: MemoryServices) -> None:
    own = token(client, services)
    services.tenants.tenants["acme"] = replace(ACME, suspended_at=NOW)
    services.access = services.new_access()
    assert_problem(register(client, own), 403, code="access_denied")

    services.tenants.tenants["acme"] = replace(ACME, id=9)  # another one that has its name now
    services.access = services.new_access()
    assert_problem(register(client, own), 401)

    del services.tenants.tenants["acme"]
    services.access = services.new_access()
    assert_problem(register(client, own), 401)


def test_a_token_ends_with_its_secret(client: Client, services: MemoryServices) -> None:
    own = token(client, services, max_files=9)
    services.token_secrets.insert(0, b"a newer secret, also of 32 bytes")
    assert register(client, own).status_code == 202
    services.token_secrets.pop()
    services.access = services.new_access()
    assert_problem(register(client, own), 401)


def test_without_a_secret_there_are_no_tokens(client: Client, services: MemoryServices) -> None:
    services.token_secrets.clear()
    assert_problem(made(client, key(services)), 409)


def test_a_suspended_tenant_gets_no_token(client: Client, services: MemoryServices) -> None:
    services.tenants.tenants["bond"] = replace(BOND, suspended_at=NOW)
    operator = key(services, tenant=None)
    answer = send(client, "POST", "/upload-tokens", operator, {"dataset": "crm"}, Sluice_Tenant="bond")
    assert_problem(answer, 409)


def test_a_token_is_looked_up_once_in_a_while(client: Client, services: MemoryServices) -> None:
    own = token(client, services, max_files=9)
    job = job_of(services, register(client, own))
    before = services.key_register.looked_up
    for _ in range(5):
        assert send(client, "GET", f"/jobs/{job.id}", own).status_code == 200
    assert services.key_register.looked_up == before


# Stolen


def test_a_stolen_token_does_nothing_but_what_it_was_made_for(
    client: Client, services: MemoryServices
) -> None:
    own = token(client, services, max_size=100, max_files=2, metadata={"form": "a"})
    job = job_of(services, register(client, own))
    theirs = services.jobs.put(new_job(tenant=ACME, dataset="crm", status=Status.COMPLETED))
    foreign = services.jobs.put(new_job(tenant=BOND, status=Status.COMPLETED))
    before = dict(services.jobs.jobs)
    head, payload, signature = own.split(".")

    def forged(**claims: Any) -> str:
        text = json.dumps({**claims_of(own), **claims}).encode()
        return f"{head}.{base64.urlsafe_b64encode(text).rstrip(b'=').decode()}.{signature}"

    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"sluice-upload+jwt"}').rstrip(b"=").decode()
    tried: dict[str, tuple[HTTPResponse, int]] = {
        "another dataset": (register(client, own, dataset="erp"), 403),
        "another tenant": (send(client, "POST", "/uploads", own, {}, Sluice_Tenant="bond"), 403),
        "the default tenant": (send(client, "POST", "/uploads", own, {}, Sluice_Tenant="default"), 403),
        "a larger file": (register(client, own, size=101), 413),
        "a file of no size": (register(client, own, size=None), 400),
        "another label": (register(client, own, metadata={"form": "b"}), 400),
        "the rejects of another job": (register(client, own, parent_job=str(theirs.id)), 400),
        "the rejects of another tenant's": (register(client, own, parent_job=str(foreign.id)), 400),
        "a longer life": (register(client, forged(exp=claims_of(own)["exp"] + 9999)), 401),
        "more files": (register(client, forged(max_files=9999)), 401),
        "other claims": (register(client, forged(tenant="bond", tenant_id=3)), 401),
        "more rights": (register(client, forged(scope="tenants:admin")), 401),
        "no signature": (register(client, f"{unsigned}.{payload}."), 401),
        "another token": (made(client, own), 403),
        "a key": (send(client, "POST", "/keys", own, {"name": "a", "scopes": ["uploads:write"]}), 403),
        "the keys": (send(client, "GET", "/keys", own), 403),
        "the list of jobs": (send(client, "GET", "/jobs", own), 403),
        "its own job's end": (send(client, "POST", f"/jobs/{job.id}/cancel", own), 403),
        "its own job's undo": (send(client, "POST", f"/jobs/{job.id}/undo", own), 403),
        "its own job again": (send(client, "POST", f"/jobs/{job.id}/retry", own), 403),
        "its own job's load": (send(client, "POST", f"/jobs/{job.id}/load", own), 403),
        "another job's undo": (send(client, "POST", f"/jobs/{theirs.id}/undo", own), 403),
        "another job": (send(client, "GET", f"/jobs/{theirs.id}", own), 404),
        "another job's rejects": (send(client, "GET", f"/jobs/{theirs.id}/errors", own), 404),
        "another job's rejects file": (send(client, "GET", f"/jobs/{theirs.id}/rejects.csv", own), 404),
        "another job's parts": (send(client, "GET", f"/uploads/{theirs.id}/parts", own), 404),
        "another job's upload": (send(client, "DELETE", f"/uploads/{theirs.id}", own), 404),
        "another tenant's job": (send(client, "GET", f"/jobs/{foreign.id}", own), 404),
        "options of its dataset": (send(client, "GET", "/datasets/crm/options", own), 403),
        "to change them": (send(client, "PUT", "/datasets/crm/options", own), 403),
        "the tenants": (send(client, "GET", "/tenants", own), 403),
        "the workers": (send(client, "GET", "/workers", own), 403),
        "the deep health check": (send(client, "GET", "/healthz?deep=1", own), 403),
    }

    assert {what: answer.status_code for what, (answer, _) in tried.items()} == {
        what: status for what, (_, status) in tried.items()
    }
    assert services.jobs.jobs == before


# The audit log


def test_what_a_token_does_and_is_refused_is_in_the_log(client: Client, services: MemoryServices) -> None:
    credential = token(client, services)
    (created,) = services.audit.events
    assert created.actor.kind == "key"
    answer = register(client, credential)
    assert_problem(send(client, "POST", "/upload-tokens", credential, {"dataset": "crm"}), 403)

    _, done, refused = services.audit.events

    for event in (done, refused):
        actor = event.actor
        assert (actor.kind, actor.name, event.tenant) == ("token", "crm", str(ACME.id))
        assert f"upload-tokens/{actor.id}" == created.subject
        assert actor.credential == f"token:{actor.id}"
    assert done.job_id == job_of(services, answer).id
    assert (done.refused, refused.refused) == (None, 403)
