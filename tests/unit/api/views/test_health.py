"""`GET /healthz`."""

from typing import Any

import pytest
from chalice.test import Client

from chalicelib.core.workers import STUCK_SECONDS, Worker
from tests.support.api_client import assert_problem
from tests.support.fakes import MemoryServices
from tests.support.worker_states import work, worker


def test_health_is_ok_when_every_dependency_answers(client: Client) -> None:
    response = client.http.get("/healthz")
    assert (response.status_code, response.json_body["status"]) == (200, "ok")


def test_health_names_the_dependencies_that_are_down(client: Client, services: MemoryServices) -> None:
    services.jobs.down = services.storage_down = True
    response = client.http.get("/healthz")
    assert_problem(response, 503, checks={"database": "unavailable", "queue": "ok", "storage": "unavailable"})
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("seen", "state", "shown"),
    [
        ([], "ok", {"alive": 0, "stuck": [], "silent": []}),
        ([worker(), worker(jobs=[work()])], "ok", {"alive": 2, "stuck": [], "silent": []}),
        ([worker(name="dead", unseen=99)], "degraded", {"alive": 0, "stuck": [], "silent": ["dead"]}),
        ([worker(name="old", unseen=3601)], "ok", {"alive": 0, "stuck": [], "silent": []}),
        (
            [worker(name="hangs", jobs=[work(idle=STUCK_SECONDS + 1)]), worker()],
            "degraded",
            {"alive": 2, "stuck": ["hangs"], "silent": []},
        ),
    ],
)
def test_deep_health_names_workers_that_are_silent_or_stuck(
    client: Client, services: MemoryServices, seen: list[Worker], state: str, shown: dict[str, Any]
) -> None:
    services.workers.workers = seen
    response = client.http.get("/healthz?deep=1")
    body = response.json_body
    assert response.status_code == 200
    assert (body["status"], body["checks"]["workers"], body["workers"]) == (state, state, shown)
    assert "workers" not in client.http.get("/healthz").json_body


@pytest.mark.parametrize("seen", [[], [worker(name="dead", unseen=99)]])
def test_deep_health_fails_if_jobs_wait_and_no_worker_is_alive(
    client: Client, services: MemoryServices, seen: list[Worker]
) -> None:
    services.workers.workers = seen
    services.workers.unattended = True
    response = client.http.get("/healthz?deep=1")
    checks = {"database": "ok", "queue": "ok", "storage": "ok", "workers": "unavailable"}
    assert_problem(response, 503, checks=checks)
    assert client.http.get("/healthz").status_code == 200
    services.workers.workers = [*seen, worker(name="fresh")]
    assert client.http.get("/healthz?deep=1").status_code == 200


def test_deep_health_without_the_database_knows_no_workers(client: Client, services: MemoryServices) -> None:
    services.jobs.down = services.workers.down = True
    response = client.http.get("/healthz?deep=1")
    checks = {"database": "unavailable", "queue": "ok", "storage": "ok", "workers": "unavailable"}
    assert_problem(response, 503, checks=checks, workers=None)


def test_deep_is_0_or_1(client: Client) -> None:
    assert client.http.get("/healthz?deep=0").status_code == 200
    assert_problem(client.http.get("/healthz?deep=yes"), 400, field="deep")
