"""`GET /datasets/{name}/errors`: the rejects of all jobs in a dataset."""

import json
from typing import Any

import pyarrow as pa
import pytest
from chalice.test import Client, HTTPResponse

from chalicelib.core.access import Scope
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.jobs import Job
from chalicelib.core.model import Reject
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.rows.identify import SCHEMA
from tests.support.api_client import assert_problem
from tests.support.fakes import MemoryServices
from tests.support.jobs import new_job
from tests.support.tenants import ACME, BOND, add_tenants, new_key

PATH = "/datasets/people/errors"


def add(
    services: MemoryServices, *rejects: Reject, tenant: Tenant = DEFAULT_TENANT, creator: str | None = None
) -> Job:
    """Add a job to the dataset `people`, with some rejects."""
    number = len(services.jobs.jobs) + 1
    job = services.jobs.put(new_job(tenant=tenant, number=number, dataset="people", filename=f"{number}.csv"))
    services.jobs.creators[job.id] = creator
    services.jobs.blocks[job.id] = {
        0: PreparedBlock(0, 0, 900, len(rejects), 0, pa.RecordBatch.from_pylist([], SCHEMA), rejects)
    }
    return job


def reject(ordinal: int, code: str = "missing-cell", field: str | None = None, raw: str = "raw") -> Reject:
    return Reject(code, "Too few cells.", ordinal, ordinal * 10, raw, field)


def pages(client: Client, query: str = "") -> list[list[dict[str, Any]]]:
    """Return the rejects on each page."""
    found: list[list[dict[str, Any]]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.http.get(f"{PATH}?{query}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status_code == 200, answer.json_body
        assert len(json.dumps(answer.body.decode())) < 6_000_000
        found.append(answer.json_body["errors"])
        cursor = answer.json_body["next_cursor"]
    return found


def test_rejects_come_from_the_newest_job_on_in_pages(client: Client, services: MemoryServices) -> None:
    old = add(services, reject(0), reject(1, field="city"))
    add(services)
    new = add(services, reject(0))

    assert [[(it["job_id"], it["record_number"]) for it in page] for page in pages(client, "limit=2")] == [
        [(str(new.id), 1), (str(old.id), 1)],
        [(str(old.id), 2)],
    ]
    assert pages(client)[0][-1] == {
        "job_id": str(old.id),
        "filename": "1.csv",
        "record_number": 2,
        "line": None,
        "row": None,
        "byte_offset": 10,
        "field": "city",
        "code": "missing-cell",
        "message": "Too few cells.",
        "raw": "raw",
        "count": 1,
    }


def test_an_empty_page_is_not_the_last_one(client: Client, services: MemoryServices) -> None:
    """With a filter, a page ends after a number of rejects that do not match."""
    add(services, *map(reject, range(5)), reject(5, "extra-cell", "city"))
    services.jobs.most_rejects_looked_at = 2
    for query in ("code=extra-cell", "field=city", "code=extra-cell&field=city"):
        assert [len(page) for page in pages(client, query)] == [0, 0, 1]


def test_a_page_is_cut_before_lambda_refuses_it(client: Client, services: MemoryServices) -> None:
    add(services, *(reject(n, raw="\\" * 4000) for n in range(300)))
    found = pages(client, "limit=1000")
    assert [it["record_number"] for page in found for it in page] == list(range(1, 301))
    assert len(found) > 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("code=missing-cel", "code"),
        ("field=", "field"),
        ("field=%00", "field"),
        ("since=yesterday", "since"),
        ("until=2026-01-31T12:00:00", "until"),
        ("limit=0", "limit"),
        ("cursor=1.2", "cursor"),
        ("job=x", "job"),
    ],
)
def test_a_wrong_parameter_is_an_error(
    client: Client, services: MemoryServices, query: str, field: str
) -> None:
    add(services, reject(0))
    assert_problem(client.http.get(f"{PATH}?{query}"), 400, field=field)


def test_a_dataset_that_does_not_exist_has_no_list(client: Client) -> None:
    assert_problem(client.http.get(PATH), 404, code="unknown-dataset")
    assert_problem(client.http.get("/datasets/No/errors"), 400, field="name")


def ask(client: Client, credential: str, path: str = PATH) -> HTTPResponse:
    return client.http.get(path, headers={"Authorization": f"Bearer {credential}"})


def seen(answer: HTTPResponse) -> list[str]:
    assert answer.status_code == 200, answer.json_body
    return [it["filename"] for it in answer.json_body["errors"]]


def test_a_tenant_sees_its_own_rejects_only(client: Client, services: MemoryServices) -> None:
    add_tenants(services)
    add(services, reject(0), tenant=ACME)
    add(services, reject(0), tenant=BOND)

    assert seen(ask(client, new_key(services, Scope.REJECTS_READ, tenant=ACME))) == ["1.csv"]
    assert seen(ask(client, new_key(services, Scope.REJECTS_READ, tenant=BOND))) == ["2.csv"]
    assert_problem(ask(client, new_key(services, Scope.REJECTS_READ)), 404, code="unknown-dataset")


def test_a_key_for_other_datasets_is_refused(client: Client, services: MemoryServices) -> None:
    add(services, reject(0))
    key = new_key(services, Scope.REJECTS_READ, tenant=DEFAULT_TENANT, datasets=frozenset({"orders"}))
    assert_problem(ask(client, key), 403, code="access_denied")


def test_an_upload_token_sees_the_rejects_of_its_own_jobs_only(
    client: Client, services: MemoryServices
) -> None:
    maker = new_key(services, tenant=DEFAULT_TENANT)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {maker}"}
    made = client.http.post("/upload-tokens", headers=headers, body=b'{"dataset": "people"}').json_body
    add(services, reject(0))
    add(services, reject(0), creator=f"token:{made['id']}")
    add(services, reject(0), creator="token:another")

    assert seen(ask(client, made["token"])) == ["2.csv"]
    assert_problem(ask(client, made["token"], "/datasets/orders/errors"), 403, code="access_denied")
