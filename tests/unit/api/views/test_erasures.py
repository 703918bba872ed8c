"""Erasures of persons' records, through the API."""

from uuid import uuid4

import pytest
from chalice.test import Client

from chalicelib.core.access import Scope
from chalicelib.core.api_keys import NewApiKey
from chalicelib.core.tenants import Tenant
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW

WANTED = {"field": "email", "value": "ada@example.org"}
ACME, BOND = Tenant(2, "acme", NOW), Tenant(3, "bond", NOW)


def test_an_erasure_is_begun_and_shown_without_its_value(client: Client, services: MemoryServices) -> None:
    services.erasures.datasets.add("people")
    begun = post(client, "/datasets/people/erase", WANTED)
    assert begun.status_code == 202
    location = begun.headers["Location"]
    assert location == f"/datasets/people/erasures/{begun.json_body['id']}"
    shown = client.http.get(location)
    assert (shown.status_code, shown.json_body) == (200, begun.json_body)
    assert shown.headers["Retry-After"]
    assert (shown.json_body["field"], shown.json_body["completed_at"]) == ("email", None)
    assert "ada" not in str(shown.json_body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"field": "email"},
        {"value": "x"},
        {"field": "", "value": "x"},
        {"field": "email", "value": ""},
        {"field": "email", "value": " \t"},
        {"field": "email", "value": 5},
        {"field": "email", "value": "x" * 1001},
        {"field": "email", "value": "a\0b"},
        {"field": "email", "value": "ada@example.org", "values": []},
    ],
)
def test_a_wrong_request_is_refused_and_not_repeated(
    client: Client, services: MemoryServices, body: object
) -> None:
    services.erasures.datasets.add("people")
    answer = post(client, "/datasets/people/erase", body)
    assert_problem(answer, 400)
    assert "ada@" not in str(answer.json_body)
    assert services.erasures.erasures == {}


def test_a_dataset_that_the_tenant_has_not_is_unknown(client: Client, services: MemoryServices) -> None:
    assert_problem(post(client, "/datasets/people/erase", WANTED), 404)
    assert_problem(post(client, "/datasets/No!/erase", WANTED), 400)
    for erasure_id in (uuid4(), "x"):
        assert_problem(client.http.get(f"/datasets/people/erasures/{erasure_id}"), 404)
    assert services.erasures.erasures == {}


def test_an_erasure_is_its_tenants_and_its_datasets(client: Client, services: MemoryServices) -> None:
    services.tenants.tenants |= {"acme": ACME, "bond": BOND}
    services.access = services.new_access()
    services.erasures.datasets |= {"people", "others"}

    def get(path: str, tenant: Tenant, datasets: frozenset[str] | None = None) -> int:
        new = NewApiKey(str(uuid4()), frozenset(Scope) - {Scope.TENANTS_ADMIN}, tenant, datasets)
        credential = services.api_keys.create(new)[1]
        return client.http.get(path, headers={"Authorization": f"Bearer {credential}"}).status_code

    key = services.api_keys.create(NewApiKey("k", frozenset(Scope), ACME))[1]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = b'{"field": "email", "value": "ada@example.org"}'
    path = client.http.post("/datasets/people/erase", headers=headers, body=body).headers["Location"]
    assert get(path, ACME) == 200
    assert get(path, BOND) == 404
    assert get(path.replace("people", "others"), ACME) == 404
    assert get(path, ACME, frozenset({"others"})) in (403, 404)
