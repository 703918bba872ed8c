"""`GET /workers`."""

from uuid import uuid4

import pytest
from chalice.test import Client

from chalicelib.core.workers import STUCK_SECONDS
from tests.support.api_client import assert_problem
from tests.support.fakes import MemoryServices
from tests.support.worker_states import wait, work, worker


def test_workers_are_listed_with_what_they_work_at(client: Client, services: MemoryServices) -> None:
    job_id = uuid4()
    jobs = [work(job_id=job_id, wait=wait(-20)), work(idle=STUCK_SECONDS + 1)]
    services.workers.workers = [worker(jobs=jobs, slots=4)]
    body = client.http.get("/workers").json_body
    assert body["next_cursor"] is None
    (shown,) = body["workers"]
    assert (shown["name"], shown["state"], shown["slots"]) == ("worker-1", "stuck", 4)
    assert [job["stuck"] for job in shown["jobs"]] == [False, True]
    assert shown["jobs"][0]["job_id"] == str(job_id)
    assert shown["jobs"][0]["waiting_for"] == {
        "what": "database",
        "since": "2026-01-02T03:03:45Z",
        "message": "The database has no room left on its disk.",
    }


def test_workers_come_in_pages_newest_first(client: Client, services: MemoryServices) -> None:
    services.workers.workers = [worker(number=number, name=f"w{number}") for number in range(1, 6)]
    names: list[list[str]] = []
    query = "limit=2"
    while query:
        body = client.http.get(f"/workers?{query}").json_body
        names.append([it["name"] for it in body["workers"]])
        query = f"limit=2&cursor={body['next_cursor']}" if body["next_cursor"] else ""
    assert names == [["w5", "w4"], ["w3", "w2"], ["w1"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x"])
def test_a_wrong_page_is_refused(client: Client, query: str) -> None:
    assert_problem(client.http.get(f"/workers?{query}"), 400, field=query.partition("=")[0])


def test_workers_cannot_be_listed_without_the_database(client: Client, services: MemoryServices) -> None:
    services.workers.down = True
    assert_problem(client.http.get("/workers"), 503)
