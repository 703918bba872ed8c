"""`POST /jobs/{job_id}/cancel`, `/load`, `/retry` and `/undo`."""

import json
from collections import deque
from typing import Any
from uuid import UUID

import pytest
from chalice.test import Client

from chalicelib.core.jobs import Instructions
from chalicelib.core.lifecycle import TRANSITIONS, Action, possible
from chalicelib.core.model import Dialect, Format, Options, Source, Status
from chalicelib.core.preview import Preview
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job

UNFINISHED = (Status.PENDING, Status.PROCESSING, Status.PREVIEWED)
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("action", [Action.CANCEL, Action.LOAD, Action.RETRY, Action.UNDO])
@pytest.mark.parametrize("status", list(Status))
def test_a_job_moves_as_the_table_of_transitions_says_or_not_at_all(
    client: Client, services: MemoryServices, action: Action, status: Status
) -> None:
    ended = None if status in UNFINISHED else NOW
    job = services.jobs.put(new_job(status=status, completed_at=ended, arrived_at=NOW))
    response = client.http.post(f"/jobs/{job.id}/{action}")
    transition = TRANSITIONS[action]
    if status in transition.before:
        assert response.status_code == 202
        assert response.json_body["status"] == transition.after
        enqueued = [] if transition.after.is_terminal else [job.id]
        assert [message.job_id for message in services.sender.waiting] == enqueued
    else:
        assert response.status_code == 409
        assert response.headers["Content-Type"] == "application/problem+json"
        assert status in response.json_body["detail"]
        assert services.jobs.jobs[job.id] == job


def test_a_move_whose_message_cannot_be_sent_is_left_to_a_sweep(
    client: Client, services: MemoryServices
) -> None:
    job = services.jobs.put(new_job(status=Status.FAILED, completed_at=NOW, arrived_at=NOW))
    services.sender.down = True
    assert client.http.post(f"/jobs/{job.id}/retry").status_code == 202
    assert services.jobs.jobs[job.id].status is Status.PENDING


@pytest.mark.parametrize("missing", [True, False])
def test_a_retried_job_finds_a_file_that_has_arrived_meanwhile(
    client: Client, services: MemoryServices, missing: bool
) -> None:
    job = services.jobs.put(new_job(status=Status.CANCELED, completed_at=NOW))
    services.objects.missing = missing
    assert client.http.post(f"/jobs/{job.id}/retry").json_body["status"] == "PENDING"
    assert [message.job_id for message in services.sender.waiting] == ([] if missing else [job.id])


@pytest.mark.parametrize("action", [Action.CANCEL, Action.LOAD, Action.RETRY, Action.UNDO])
@pytest.mark.parametrize("job_id", [str(UUID(int=4)), "nonsense"])
def test_a_job_that_does_not_exist_cannot_be_moved(client: Client, action: Action, job_id: str) -> None:
    assert client.http.post(f"/jobs/{job_id}/{action}").status_code == 404


@pytest.mark.parametrize("status", list(Status))
def test_a_job_is_read_again_where_it_may_be_and_nowhere_else(
    client: Client, services: MemoryServices, status: Status
) -> None:
    ended = None if status in UNFINISHED else NOW
    instructions = Instructions(options=Options(delimiter="|", comment="#"))
    job = services.jobs.put(
        new_job(status=status, completed_at=ended, arrived_at=NOW, instructions=instructions)
    )
    body = {"options": {"delimiter": ";", "comment": None}, "format": "csv"}
    response = post(client, f"/jobs/{job.id}/retry", body)
    changed = services.jobs.jobs[job.id]
    if possible(status).isdisjoint({Action.RETRY, Action.REREAD}):
        assert_problem(response, 409)
        assert changed == job
        return
    assert response.status_code == 202
    assert response.headers["Retry-After"] == "1"
    assert response.json_body["status"] == ("UNDOING" if status is Status.COMPLETED else "PENDING")
    assert (changed.instructions.format, changed.instructions.options) == (
        Format.CSV,
        Options(delimiter=";"),
    )
    assert [message.job_id for message in services.sender.waiting] == [job.id]


@pytest.mark.parametrize("body", [None, {}, {"options": None}, {"options": {"comment": None}}])
def test_a_previewed_job_is_loaded_with_the_same_reading_or_another(
    client: Client, services: MemoryServices, body: Any
) -> None:
    dialect, source = Dialect(Format.CSV, 4), Source("bucket", "key", "e1", 9)
    instructions = Instructions(options=Options(comment="#"), preview=True)
    job = services.jobs.put(
        new_job(
            status=Status.PREVIEWED,
            arrived_at=NOW,
            instructions=instructions,
            source=source,
            dialect=dialect,
        )
    )
    path = f"/jobs/{job.id}/load"
    response = client.http.post(path) if body is None else post(client, path, body)
    assert (response.status_code, response.json_body["status"]) == (202, "PENDING")
    assert response.headers["Retry-After"] == "1"
    loading = services.jobs.jobs[job.id]
    changes = bool(body and body["options"])
    assert (loading.reading, loading.rereads) == ((None, True) if changes else (job.reading, False))
    assert loading.source == source
    assert loading.instructions == Instructions(options=Options(comment=None if changes else "#"))
    assert [message.job_id for message in services.sender.waiting] == [job.id]


def test_a_load_with_a_wrong_body_changes_nothing(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job(status=Status.PREVIEWED, arrived_at=NOW))
    assert_problem(post(client, f"/jobs/{job.id}/load", {"options": {"x": 1}}), 400, field="options.x")
    assert services.jobs.jobs[job.id] == job
    assert services.sender.waiting == deque()


def test_a_preview_is_shown_without_rounding_a_number(client: Client, services: MemoryServices) -> None:
    record = '{"big":12345678901234567890123.5,"huge":1e+400,"text":"Zoë"}'
    shown = Preview((record,), (), (), 1, 0, 9, is_whole=True, sure={})
    job = services.jobs.put(new_job(status=Status.PREVIEWED, arrived_at=NOW, preview=shown))
    response = client.http.get(f"/jobs/{job.id}")
    assert f'"records":[{record}]' in response.body.decode()
    assert (response.json_body["phase"], response.headers["Content-Type"]) == (
        "previewed",
        JSON["Content-Type"],
    )
    assert "Retry-After" not in response.headers
    (listed,) = client.http.get("/jobs").json_body["jobs"]
    assert (listed["status"], "preview" in listed) == ("PREVIEWED", False)


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"", {}), *((body, JSON) for body in (b"", b"{}", b'{"options": null}'))],
)
def test_a_retry_without_options_is_one_for_a_job_that_failed(
    client: Client, services: MemoryServices, body: bytes, headers: dict[str, str]
) -> None:
    options = Options(delimiter="|")
    jobs = [
        services.jobs.put(
            new_job(status=it, completed_at=NOW, arrived_at=NOW, instructions=Instructions(options=options))
        )
        for it in (Status.FAILED, Status.COMPLETED)
    ]
    answers = [client.http.post(f"/jobs/{job.id}/retry", headers=headers, body=body) for job in jobs]
    assert [it.status_code for it in answers] == [202, 409]
    assert "without options" in answers[1].json_body["detail"]
    assert services.jobs.jobs[jobs[0].id].instructions.options == options


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"options": {"delimitr": ";"}}, "options.delimitr"),
        ({"options": {"delimiter": "|"}}, "options"),  # as the job's comment
        ([], None),
    ],
)
def test_a_body_that_is_wrong_changes_nothing(
    client: Client, services: MemoryServices, body: Any, field: str | None
) -> None:
    instructions = Instructions(options=Options(delimiter=";", comment="|"))
    job = services.jobs.put(new_job(status=Status.FAILED, completed_at=NOW, instructions=instructions))
    assert_problem(post(client, f"/jobs/{job.id}/retry", body), 400, field=field)
    assert services.jobs.jobs[job.id] == job


def test_a_body_that_is_not_declared_as_json_is_not_passed_over(
    client: Client, services: MemoryServices
) -> None:
    job = services.jobs.put(new_job(status=Status.FAILED, completed_at=NOW))
    body = json.dumps({"options": {"delimiter": ";"}}).encode()
    for headers, status in (({}, 400), ({"Content-Type": "text/plain"}, 415)):
        response = client.http.post(f"/jobs/{job.id}/retry", headers=headers, body=body)
        assert_problem(response, status)
    assert_problem(client.http.post(f"/jobs/{job.id}/retry", headers=JSON, body=b"{"), 400)
    assert services.jobs.jobs[job.id] == job


@pytest.mark.parametrize("job_id", [str(UUID(int=4)), "nonsense"])
def test_a_job_that_does_not_exist_cannot_be_read_again(client: Client, job_id: str) -> None:
    assert_problem(post(client, f"/jobs/{job_id}/retry", {"options": {}}), 404)
