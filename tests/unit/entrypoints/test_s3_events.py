"""The function that S3's events invoke, over ports in memory."""

from uuid import uuid4

import pytest
from chalice.test import Client

from chalicelib.core.errors import RetryLater
from chalicelib.core.model import Source, Status
from chalicelib.service.object_keys import is_dropped, new_rejects_key, uploaded_job_id
from tests.support.fakes import MemoryServices
from tests.support.jobs import new_job
from tests.support.metrics import written_metrics
from tests.support.s3_events import s3_event


def test_the_job_of_every_uploaded_object_is_enqueued(client: Client, services: MemoryServices) -> None:
    ids = [uuid4() for _ in range(2)]
    jobs = [
        services.jobs.put(new_job(id=job_id, number=n, key=f"uploads/default/{job_id}/a fileü.csv"))
        for n, job_id in enumerate(ids)
    ]
    keys = [f"uploads/default/{job.id}/a+file%C3%BC.csv" for job in jobs]
    result = client.lambda_.invoke("on_upload", s3_event(keys[0], "uploads/stray", keys[1]))
    assert result.payload == {"enqueued": 2}
    assert [message.job_id for message in services.sender.waiting] == [job.id for job in jobs]
    source = services.jobs.jobs[jobs[0].id].source
    assert source == Source("bucket", f"uploads/default/{jobs[0].id}/a fileü.csv", "e", 5)


def test_rejects_files_become_no_jobs(client: Client, services: MemoryServices) -> None:
    job = services.jobs.put(new_job(status=Status.COMPLETED))
    keys = [new_rejects_key("default", job.id, 1, name) for name in ("rejects.csv", "rejects.ndjson")]
    assert client.lambda_.invoke("on_upload", s3_event(*keys)).payload == {"enqueued": 0}
    assert not services.sender.waiting
    assert list(services.jobs.jobs) == [job.id]
    assert all(not is_dropped(key) and uploaded_job_id(key) is None for key in keys)


def test_an_arrival_after_the_start_does_not_unpin_the_source(
    client: Client, services: MemoryServices
) -> None:
    pinned = Source("bucket", "k", "old", 1)
    job = services.jobs.put(new_job(status=Status.PROCESSING, source=pinned))
    client.lambda_.invoke("on_upload", s3_event(f"uploads/default/{job.id}/a.csv"))
    assert services.jobs.jobs[job.id] == job


def test_an_outage_of_the_queue_makes_lambda_retry_the_event(
    client: Client, services: MemoryServices
) -> None:
    job = services.jobs.put(new_job())
    services.sender.down = True
    with pytest.raises(RetryLater):
        client.lambda_.invoke("on_upload", s3_event(f"uploads/default/{job.id}/a.csv"))


def test_objects_are_counted_as_they_arrive_and_as_their_jobs_are_enqueued(
    client: Client, services: MemoryServices, capsys: pytest.CaptureFixture[str]
) -> None:
    job = services.jobs.put(new_job(key=f"uploads/default/{(job_id := uuid4())}/a.csv", id=job_id))
    event = s3_event(job.upload.key, "uploads/stray")
    client.lambda_.invoke("on_upload", event)
    assert written_metrics(capsys) == [({"ObjectsArrived": 2}, None), ({"JobsEnqueued": 1}, None)]
    services.sender.down = True
    with pytest.raises(RetryLater):
        client.lambda_.invoke("on_upload", event)
    assert written_metrics(capsys) == [({"ObjectsArrived": 2}, None)]
