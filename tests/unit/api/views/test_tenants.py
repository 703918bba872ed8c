"""Tenants and unmatched objects, through the API."""

import pytest
from chalice.test import Client

from chalicelib.core.tenants import UnmatchedObject
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW


def test_tenants_are_created_once_and_listed(client: Client, services: MemoryServices) -> None:
    assert services
    first, again = post(client, "/tenants", {"name": "acme"}), post(client, "/tenants", {"name": "acme"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json_body == again.json_body
    post(client, "/tenants", {"name": "bond"})

    page = client.http.get("/tenants?limit=2").json_body
    assert [it["name"] for it in page["tenants"]] == ["bond", "acme"]
    last = client.http.get(f"/tenants?limit=2&cursor={page['next_cursor']}").json_body
    assert [it["name"] for it in last["tenants"]] == ["default"]
    assert last["next_cursor"] is None


def test_a_tenant_is_suspended_and_resumed(client: Client, services: MemoryServices) -> None:
    assert services
    post(client, "/tenants", {"name": "acme"})
    assert post(client, "/tenants/acme/suspend").json_body["suspended_at"] is not None
    assert post(client, "/tenants/acme/resume").json_body["suspended_at"] is None


@pytest.mark.parametrize("body", [{}, {"name": "A"}, {"name": ""}, {"name": "a" * 64}, {"name": 1}, []])
def test_a_wrong_tenant_is_refused(client: Client, services: MemoryServices, body: object) -> None:
    assert_problem(post(client, "/tenants", body), 400)
    assert list(services.tenants.tenants) == ["default"]


def test_unmatched_objects_are_listed(client: Client, services: MemoryServices) -> None:
    services.tenants.note_unmatched([UnmatchedObject("bucket", "drop/a.csv", 3, "No tenant.", seen_at=NOW)])
    (listed,) = client.http.get("/unmatched-objects").json_body["objects"]
    assert (listed["key"], listed["reason"], listed["size"]) == ("drop/a.csv", "No tenant.", 3)
