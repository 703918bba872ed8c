"""`/jobs`: how far jobs are, lists of them, and their rejects."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from chalice.test import Client

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.jobs import JobError
from chalicelib.core.model import Reject, Source, Status, Tally
from chalicelib.core.warnings import KINDS, FileWarning
from chalicelib.rows.identify import SCHEMA
from tests.support.api_client import assert_problem
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job
from tests.support.worker_states import hold, holders, wait, work, worker


def test_a_job_shows_how_far_it_is(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(
        new_job(
            status=Status.PROCESSING,
            source=Source("bucket", "key", "etag", 1000),
            arrived_at=NOW,
            started_at=NOW,
            bytes_processed=250,
            tally=Tally(10, 6, 3, 1),
        )
    )
    response = client.http.get(f"/jobs/{job.id}")
    assert response.status_code == 200
    assert response.headers["Retry-After"] == "1"
    body = response.json_body
    assert body["counts"] == {"read": 10, "inserted": 6, "duplicates": 3, "rejected": 1}
    assert body["progress"]["percent"] == 25.0
    assert body["progress"]["eta_seconds"] > 0
    assert body["error"] is None


def test_a_job_that_waits_says_for_what_and_has_no_time_left(
    client: Client, services: MemoryServices
) -> None:
    job = services.jobs.put(
        new_job(
            status=Status.PROCESSING,
            source=Source("bucket", "key", "etag", 1000),
            arrived_at=NOW,
            started_at=NOW,
            bytes_processed=250,
            holders=holders(hold(worker(seen=60, jobs=[work(seen=60, wait=wait(20))]))),
        )
    )
    body = client.http.get(f"/jobs/{job.id}").json_body
    assert body["waiting_for"] == {
        "what": "database",
        "since": "2026-01-02T03:04:25Z",
        "until": None,
        "message": "The database has no room left on its disk.",
    }
    assert body["progress"]["eta_seconds"] is None
    (listed,) = client.http.get("/jobs").json_body["jobs"]
    assert listed["waiting_for"] == body["waiting_for"]


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({}, "awaiting-upload"),
        ({"arrived_at": NOW}, "queued"),
        ({"status": Status.PROCESSING}, "detecting"),
        ({"status": Status.COMPLETED, "completed_at": NOW}, "done"),
    ],
)
def test_the_phase_says_what_a_job_does_or_waits_for(
    client: Client, services: MemoryServices, changes: dict[str, Any], phase: str
) -> None:
    job = services.jobs.put(new_job(**changes))
    response = client.http.get(f"/jobs/{job.id}")
    assert response.json_body["phase"] == phase
    assert ("Retry-After" in response.headers) == (phase != "done")


def test_a_failed_job_says_why(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(
        new_job(status=Status.FAILED, error=JobError("empty-file", "It is empty."), completed_at=NOW)
    )
    body = client.http.get(f"/jobs/{job.id}").json_body
    assert body["error"] == {"code": "empty-file", "message": "It is empty."}


def test_a_job_and_a_list_show_the_warnings(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job())
    services.jobs.head_warnings[job.id] = [FileWarning("separator-line", 1, 0, "sep=;", line=0)]
    shown = client.http.get(f"/jobs/{job.id}").json_body["warnings"]
    assert shown == [
        {
            "code": "separator-line",
            "message": KINDS["separator-line"].message,
            "count": 1,
            "first": {"record": None, "line": 1, "offset": 0},
            "example": "sep=;",
            "option": "delimiter",
        }
    ]
    assert client.http.get("/jobs").json_body["jobs"][0]["warnings"] == shown


def test_a_warning_of_a_newer_version_is_shown_by_its_code(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job())
    services.jobs.head_warnings[job.id] = [FileWarning("phase-of-the-moon", 2, 5, "full")]
    (shown,) = client.http.get(f"/jobs/{job.id}").json_body["warnings"]
    assert (shown["code"], shown["message"], shown["option"]) == (
        "phase-of-the-moon",
        "phase-of-the-moon",
        None,
    )
    assert (shown["count"], shown["first"]["offset"], shown["example"]) == (2, 5, "full")


def test_a_job_without_warnings_has_an_empty_list(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job())
    assert client.http.get(f"/jobs/{job.id}").json_body["warnings"] == []


def test_jobs_come_newest_first_in_pages(client: Client, services: MemoryServices) -> None:
    for number in range(1, 6):
        services.jobs.put(new_job(number=number, status=Status.COMPLETED if number % 2 else Status.PENDING))
    seen: list[str] = []
    query = "limit=2"
    while True:
        body = client.http.get(f"/jobs?{query}").json_body
        seen += [job["id"] for job in body["jobs"]]
        if body["next_cursor"] is None:
            break
        query = f"limit=2&cursor={body['next_cursor']}"
    newest = sorted(services.jobs.jobs.values(), key=lambda job: -job.number)
    assert seen == [str(job.id) for job in newest]


def test_jobs_can_be_filtered_by_status_and_dataset(client: Client, services: MemoryServices) -> None:
    for number in range(1, 6):
        services.jobs.put(new_job(number=number, status=Status.COMPLETED if number % 2 else Status.PENDING))
    completed = client.http.get("/jobs?status=COMPLETED").json_body["jobs"]
    assert {job["status"] for job in completed} == {"COMPLETED"}
    assert len(completed) == 3
    assert client.http.get("/jobs?dataset=none").json_body == {"jobs": [], "next_cursor": None}


def test_jobs_can_be_filtered_by_the_time_at_which_they_were_registered(
    client: Client, services: MemoryServices
) -> None:
    for number in range(3):
        services.jobs.put(new_job(number=number, created_at=NOW + timedelta(hours=number)))

    def found(**times: datetime) -> list[str]:
        query = "&".join(f"{name}={quote(time.isoformat())}" for name, time in times.items())
        return [job["created_at"][11:13] for job in client.http.get(f"/jobs?{query}").json_body["jobs"]]

    hours = [f"{(NOW + timedelta(hours=number)).hour:02}" for number in range(3)]
    middle = NOW + timedelta(hours=1)
    assert found(since=middle) == [hours[2], hours[1]]
    assert found(until=middle) == [hours[0]]
    assert found(since=middle, until=middle) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=x", "status"),
        ("dataset=A", "dataset"),
        ("since=yesterday", "since"),
        ("until=2026-01-31T12:00:00", "until"),
        ("before=3", "before"),
    ],
)
def test_a_filter_that_matches_no_job_ever_is_an_error(client: Client, query: str, field: str) -> None:
    assert_problem(client.http.get(f"/jobs?{query}"), 400, field=field)


def test_a_page_of_rejects_is_cut_before_lambda_refuses_it(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job())
    rejects = tuple(Reject("missing-cell", "\x01" * 3000, n, n, "\\" * 500) for n in range(900))
    services.jobs.blocks[job.id] = {
        0: PreparedBlock(0, 0, 900, 900, 0, pa.RecordBatch.from_pylist([], SCHEMA), rejects)
    }
    found: list[int] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        query = f"&cursor={cursor}" if cursor else ""
        response = client.http.get(f"/jobs/{job.id}/errors?limit=1000{query}")
        assert len(json.dumps(response.body.decode())) < 6_000_000
        page = response.json_body
        found += [error["record_number"] for error in page["errors"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert found == list(range(1, 901))
    assert pages > 1


def test_rejects_come_in_file_order_in_pages(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job())
    rejects = tuple(Reject("missing-cell", "Too few cells.", n, n * 10, "raw") for n in range(3))
    services.jobs.blocks[job.id] = {
        0: PreparedBlock(0, 0, 50, 3, 0, pa.RecordBatch.from_pylist([], SCHEMA), rejects)
    }
    first = client.http.get(f"/jobs/{job.id}/errors?limit=2").json_body
    second = client.http.get(f"/jobs/{job.id}/errors?limit=2&cursor={first['next_cursor']}").json_body
    assert [error["record_number"] for error in first["errors"] + second["errors"]] == [1, 2, 3]
    assert second["next_cursor"] is None
    assert first["errors"][0] == {
        "record_number": 1,
        "line": None,
        "row": None,
        "byte_offset": 0,
        "field": None,
        "code": "missing-cell",
        "message": "Too few cells.",
        "raw": "raw",
        "count": 1,
    }
