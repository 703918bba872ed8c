"""The HTTP API in-process: Chalice's own test client, ports in memory."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from chalice.test import Client, HTTPResponse
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import requests
from chalicelib.core.blocks import LoadedBlock
from chalicelib.core.errors import BadRequest, RetryLater
from chalicelib.core.jobs import JobError
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.model import Reject, Source, Status, Tally
from chalicelib.rows.identify import SCHEMA
from chalicelib.service.object_keys import upload_key, uploaded_job_id
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job
from tests.support.s3_events import s3_event


def post(client: Client, body: Any) -> HTTPResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.http.post("/uploads", headers={"Content-Type": "application/json"}, body=raw)


def assert_problem(response: HTTPResponse, status: int, **members: Any) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json_body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"] != ""
    assert {name: body.get(name) for name in members} == members


def test_an_upload_request_gets_a_job_and_a_url(client: Client, services: MemoryServices) -> None:
    response = post(
        client, {"filename": "people.csv", "dataset": "crm", "size": 12, "metadata": {"from": "x"}}
    )
    assert response.status_code == 202
    body = response.json_body
    job = services.jobs.jobs[next(iter(services.jobs.jobs))]
    assert response.headers["Location"] == f"/jobs/{body['job_id']}"
    assert body["status"] == "PENDING"
    assert body["upload"]["method"] == "PUT"
    assert body["upload"]["url"].endswith("?size=12")
    assert body["upload"]["expires_at"] == "2026-01-02T04:04:05Z"
    assert body["links"] == {"job": f"/jobs/{job.id}", "errors": f"/jobs/{job.id}/errors"}
    assert (job.dataset, job.upload.size, job.instructions.metadata) == ("crm", 12, {"from": "x"})
    assert uploaded_job_id(job.upload.key) == job.id


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ({}, "filename"),
        ({"filename": ""}, "filename"),
        ({"filename": "x" * 1025}, "filename"),
        ({"filename": "a\0b"}, "filename"),
        ({"filename": "a", "dataset": "No Good"}, "dataset"),
        ({"filename": "a", "dataset": "../x"}, "dataset"),
        ({"filename": "a", "format": "xlsx"}, "format"),
        ({"filename": "a", "size": -1}, "size"),
        ({"filename": "a", "size": "1"}, "size"),
        ({"filename": "a", "size": True}, "size"),
        ({"filename": "a", "metadata": [1]}, "metadata"),
        ({"filename": "a", "metadata": {"a": {"b": 1}}}, "metadata"),
        ({"filename": "a", "metadata": {"a": "x" * 201}}, "metadata"),
        ({"filename": "a", "filenme": "b"}, "filenme"),
        ({"filename": "a", "options": []}, "options"),
        ({"filename": "a", "options": {"delimitr": ";"}}, "options.delimitr"),
        ({"filename": "a", "options": {"delimiter": ";;"}}, "options.delimiter"),
        ({"filename": "a", "options": {"delimiter": "\n"}}, "options.delimiter"),
        ({"filename": "a", "options": {"delimiter": '"'}}, "options"),
        ({"filename": "a", "options": {"escape": "#", "comment": "#"}}, "options"),
        ({"filename": "a", "options": {"encoding": "klingon"}}, "options.encoding"),
        ({"filename": "a", "options": {"encoding": "base64"}}, "options.encoding"),
        ({"filename": "a", "options": {"header": 1}}, "options.header"),
        ({"filename": "a", "options": {"skip_lines": -1}}, "options.skip_lines"),
        ({"filename": "a", "options": {"date_order": "YDM"}}, "options.date_order"),
        ({"filename": "a", "options": {"missing_values": "n/a"}}, "options.missing_values"),
    ],
)
def test_a_wrong_request_gets_a_problem_that_names_the_error(
    client: Client, body: Any, field: str | None
) -> None:
    assert_problem(post(client, body), 400, field=field)


def test_a_file_over_the_limit_is_refused_before_it_is_sent(client: Client) -> None:
    assert_problem(post(client, {"filename": "a", "size": 101 << 30}), 413, field="size")


def test_a_body_that_is_not_json_is_a_400(client: Client) -> None:
    assert_problem(post(client, b"{"), 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["filename", "size", "x"]) | st.text(), inner)
    ),
    max_leaves=6,
)


@given(JSON)
def test_any_body_is_accepted_or_refused_with_a_problem(body: Any) -> None:
    try:
        request = requests.parse_request(body, max_size=100)
    except BadRequest as refusal:
        assert refusal.message
    else:
        assert request.filename.strip()


@given(st.text(max_size=300), st.uuids())
def test_any_file_name_makes_a_safe_key_that_leads_to_its_job(filename: str, job_id: Any) -> None:
    key = upload_key("crm", job_id, filename)
    assert uploaded_job_id(key) == job_id
    assert len(key) < 250
    assert key.isascii()
    assert key.count("/") == 3
    assert not key.rpartition("/")[2].startswith(".")


@pytest.mark.parametrize(
    "key", ["", "x", "uploads/a/b/c", "uploads/a", f"other/a/{UUID(int=1)}/f", f"uploads/{UUID(int=1)}"]
)
def test_keys_outside_uploads_lead_to_no_job(key: str) -> None:
    assert uploaded_job_id(key) is None


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


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({}, "awaiting-upload"),
        ({"arrived_at": NOW}, "queued"),
        ({"status": Status.PROCESSING}, "detecting"),
        ({"status": Status.COMPLETED, "completed_at": NOW}, "done"),
    ],
)
def test_the_phase_says_what_a_job_waits_for(
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


@pytest.mark.parametrize("job_id", ["nonsense", str(UUID(int=1)), "..", "%00"])
def test_an_unknown_job_is_a_404(client: Client, job_id: str) -> None:
    assert_problem(client.http.get(f"/jobs/{job_id}"), 404)
    assert_problem(client.http.get(f"/jobs/{job_id}/errors"), 404)


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
    done = client.http.get("/jobs?status=COMPLETED").json_body["jobs"]
    assert {job["status"] for job in done} == {"COMPLETED"}
    assert len(done) == 3
    assert client.http.get("/jobs?dataset=none").json_body == {"jobs": [], "next_cursor": None}


def test_rejects_come_in_pages(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job())
    rejects = tuple(Reject("missing-cell", "Too few cells.", n, n * 10, "raw") for n in range(3))
    services.jobs.blocks[job.id] = {
        0: LoadedBlock(0, 0, 50, 3, 0, pa.RecordBatch.from_pylist([], SCHEMA), rejects)
    }
    first = client.http.get(f"/jobs/{job.id}/errors?limit=2").json_body
    second = client.http.get(f"/jobs/{job.id}/errors?limit=2&cursor={first['next_cursor']}").json_body
    assert [it["record_number"] for it in first["errors"] + second["errors"]] == [1, 2, 3]
    assert second["next_cursor"] is None
    assert first["errors"][0] == {
        "record_number": 1,
        "byte_offset": 0,
        "field": None,
        "code": "missing-cell",
        "message": "Too few cells.",
        "raw": "raw",
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("limit=000001999999", "limit"),
        ("limit=999999999", "limit"),
        ("cursor=x", "cursor"),
        ("status=x", "status"),
    ],
)
def test_a_wrong_query_is_a_400(client: Client, query: str, field: str) -> None:
    assert_problem(client.http.get(f"/jobs?{query}"), 400, field=field)


def test_health_names_what_is_down(client: Client, services: MemoryServices) -> None:
    assert client.http.get("/healthz").json_body["status"] == "ok"
    services.jobs.down = services.storage_down = True
    response = client.http.get("/healthz")
    assert_problem(response, 503, checks={"database": "unavailable", "queue": "ok", "storage": "unavailable"})
    assert response.headers["Retry-After"] == "5"


def test_a_database_that_is_down_is_a_503(client: Client, services: MemoryServices) -> None:
    services.jobs.down = True
    response = post(client, {"filename": "a"})
    assert_problem(response, 503)
    assert response.headers["Retry-After"] == "5"


def test_an_unexpected_error_shows_no_internals(client: Client, services: MemoryServices) -> None:
    services.uploading = replace(services.uploading, signer=None)  # type: ignore[arg-type]
    response = post(client, {"filename": "a"})
    assert_problem(response, 500)
    assert "NoneType" not in json.dumps(response.json_body)


@pytest.mark.parametrize("action", [Action.CANCEL, Action.RETRY, Action.UNDO])
@pytest.mark.parametrize("status", list(Status))
def test_an_action_changes_a_job_as_the_transition_table_says_or_not_at_all(
    client: Client, services: MemoryServices, action: Action, status: Status
) -> None:
    ended = None if status in (Status.PENDING, Status.PROCESSING) else NOW
    job = services.jobs.put(new_job(status=status, completed_at=ended, arrived_at=NOW))
    answer = client.http.post(f"/jobs/{job.id}/{action}")
    transition = TRANSITIONS[action]
    if status in transition.before:
        assert answer.status_code == 202
        assert answer.json_body["status"] == transition.after
        announced = [] if transition.after.is_terminal else [job.id]
        assert [it.job_id for it in services.sender.waiting] == announced
    else:
        assert answer.status_code == 409
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert status in answer.json_body["detail"]
        assert services.jobs.jobs[job.id] == job


def test_an_action_whose_message_cannot_be_sent_is_left_to_a_sweep(
    client: Client, services: MemoryServices
) -> None:
    job = services.jobs.put(new_job(status=Status.FAILED, completed_at=NOW, arrived_at=NOW))
    services.sender.down = True
    assert client.http.post(f"/jobs/{job.id}/retry").status_code == 202
    assert services.jobs.jobs[job.id].status is Status.PENDING


@pytest.mark.parametrize("missing", [True, False])
def test_a_retried_job_finds_a_file_that_arrived_meanwhile(
    client: Client, services: MemoryServices, missing: bool
) -> None:
    job = services.jobs.put(new_job(status=Status.CANCELED, completed_at=NOW))
    services.objects.missing = missing
    assert client.http.post(f"/jobs/{job.id}/retry").json_body["status"] == "PENDING"
    assert [it.job_id for it in services.sender.waiting] == ([] if missing else [job.id])


def test_actions_on_an_unknown_job_are_a_404(client: Client) -> None:
    assert client.http.post(f"/jobs/{uuid4()}/cancel").status_code == 404


def test_every_upload_of_an_event_is_enqueued(client: Client, services: MemoryServices) -> None:
    ids = [uuid4() for _ in range(2)]
    jobs = [
        services.jobs.put(new_job(id=it, number=n, key=f"uploads/default/{it}/a fileü.csv"))
        for n, it in enumerate(ids)
    ]
    keys = [f"uploads/default/{job.id}/a+file%C3%BC.csv" for job in jobs]
    result = client.lambda_.invoke("on_upload", s3_event(keys[0], "uploads/stray", keys[1]))
    assert result.payload == {"announced": 2}
    assert [it.job_id for it in services.sender.waiting] == [job.id for job in jobs]
    source = services.jobs.jobs[jobs[0].id].source
    assert source == Source("bucket", f"uploads/default/{jobs[0].id}/a fileü.csv", "e", 5)


def test_an_arrival_after_the_start_does_not_unpin_the_source(
    client: Client, services: MemoryServices
) -> None:
    pinned = Source("bucket", "k", "old", 1)
    job = services.jobs.put(new_job(status=Status.PROCESSING, source=pinned))
    client.lambda_.invoke("on_upload", s3_event(f"uploads/default/{job.id}/a.csv"))
    assert services.jobs.jobs[job.id] == replace(job)


def test_a_queue_that_is_down_makes_lambda_try_the_event_again(
    client: Client, services: MemoryServices
) -> None:
    job = services.jobs.put(new_job())
    services.sender.down = True
    with pytest.raises(RetryLater):
        client.lambda_.invoke("on_upload", s3_event(f"uploads/default/{job.id}/a.csv"))


def measured(capsys: pytest.CaptureFixture[str]) -> list[tuple[dict[str, float], str | None]]:
    """The metrics that were written, and the jobs they are of."""
    found = []
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        if "_aws" in document:
            names = [it["Name"] for it in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
            found.append(({name: sum(document[name]) for name in names}, document.get("job_id")))
    return found


def test_uploads_are_counted_as_they_are_asked_for(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = post(client, {"filename": "people.csv"}).json_body["job_id"]
    post(client, {"filename": ""})  # is refused
    assert measured(capsys) == [({"UploadsRequested": 1}, job_id)]


def test_objects_are_counted_as_they_arrive_and_as_they_are_enqueued(
    client: Client, services: MemoryServices, capsys: pytest.CaptureFixture[str]
) -> None:
    job = services.jobs.put(new_job(key=f"uploads/default/{(job_id := uuid4())}/a.csv", id=job_id))
    event = s3_event(job.upload.key, "uploads/stray")
    client.lambda_.invoke("on_upload", event)
    assert measured(capsys) == [({"ObjectsArrived": 2}, None), ({"ObjectsAnnounced": 1}, None)]
    services.sender.down = True
    with pytest.raises(RetryLater):
        client.lambda_.invoke("on_upload", event)
    assert measured(capsys) == [({"ObjectsArrived": 2}, None)]
