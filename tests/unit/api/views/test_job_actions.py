"""`POST /jobs/{job_id}/cancel`, `/retry` and `/undo`."""

from uuid import UUID

import pytest
from chalice.test import Client

from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.model import Status
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job


@pytest.mark.parametrize("action", [Action.CANCEL, Action.RETRY, Action.UNDO])
@pytest.mark.parametrize("status", list(Status))
def test_a_job_moves_as_the_table_of_transitions_says_or_not_at_all(
    client: Client, services: MemoryServices, action: Action, status: Status
) -> None:
    ended = None if status in (Status.PENDING, Status.PROCESSING) else NOW
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


@pytest.mark.parametrize("action", [Action.CANCEL, Action.RETRY, Action.UNDO])
@pytest.mark.parametrize("job_id", [str(UUID(int=4)), "nonsense"])
def test_a_job_that_does_not_exist_cannot_be_moved(client: Client, action: Action, job_id: str) -> None:
    assert client.http.post(f"/jobs/{job_id}/{action}").status_code == 404
