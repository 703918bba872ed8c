"""`GET /healthz`."""

from chalice.test import Client

from tests.support.api_client import assert_problem
from tests.support.fakes import MemoryServices


def test_health_is_ok_when_every_dependency_answers(client: Client) -> None:
    response = client.http.get("/healthz")
    assert (response.status_code, response.json_body["status"]) == (200, "ok")


def test_health_names_the_dependencies_that_are_down(client: Client, services: MemoryServices) -> None:
    services.jobs.down = services.storage_down = True
    response = client.http.get("/healthz")
    assert_problem(response, 503, checks={"database": "unavailable", "queue": "ok", "storage": "unavailable"})
    assert response.headers["Retry-After"] == "5"
