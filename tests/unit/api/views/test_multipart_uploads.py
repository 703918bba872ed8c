"""`/uploads/{job_id}`: parts are signed, listed, and made into a file; or the upload is given up."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from chalice.test import Client

from chalicelib.core.jobs import Job, Part, Upload
from chalicelib.core.model import Status
from chalicelib.service.multipart import all_parts
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, changed, new_job

SIZE = 1001  # over the limit of MemoryServices, whose parts have 400 bytes
SHA = "ab" * 32


@pytest.fixture
def services(services: MemoryServices) -> MemoryServices:
    services.objects.missing = True
    return services


def begun(client: Client, services: MemoryServices, **more: Any) -> Job:
    response = post(client, "/uploads", {"filename": "a.csv", "size": SIZE, **more})
    assert response.status_code == 202
    return next(job for job in services.jobs.jobs.values() if str(job.id) == response.json_body["job_id"])


def arrive(services: MemoryServices, job: Job, *numbers: int, size: int | None = None) -> None:
    for part in all_parts(job.upload):
        if part.number in numbers:
            arrived = replace(part, size=size or part.size, sha256=SHA, etag=f"e{part.number}")
            services.upload_bucket.arrived[str(job.upload.upload_id)][part.number] = arrived


def test_parts_are_signed_with_their_checksums(client: Client, services: MemoryServices) -> None:
    job = begun(client, services, part_checksums=True)
    response = post(client, f"/uploads/{job.id}/parts", {"parts": [{"number": 3, "sha256": SHA}]})
    (part,) = response.json_body["parts"]
    assert (part["number"], part["size"]) == (3, 201)
    assert part["url"].endswith(f"number=3&size=201&sha256={SHA}")


def test_an_invalid_part_is_named(client: Client, services: MemoryServices) -> None:
    job = begun(client, services, part_checksums=True)
    body = {"parts": [{"number": 1, "sha256": SHA}, {"number": 4, "sha256": SHA}]}
    assert_problem(post(client, f"/uploads/{job.id}/parts", body), 400, field="parts[1].number")


def test_parts_that_have_arrived_are_listed(client: Client, services: MemoryServices) -> None:
    job = begun(client, services, part_checksums=True)
    arrive(services, job, 1, 3)
    body = client.http.get(f"/uploads/{job.id}/parts").json_body
    assert body["parts"] == [
        {"number": 1, "size": 400, "sha256": SHA},
        {"number": 3, "size": 201, "sha256": SHA},
    ]
    assert body["next_cursor"] is None
    assert client.http.get(f"/uploads/{job.id}/parts?cursor=1").json_body["parts"] == body["parts"][1:]


def test_a_full_page_of_parts_has_a_next_page(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    many = {number: Part(number, 1) for number in range(1, 1500)}
    services.upload_bucket.arrived[str(job.upload.upload_id)] = many
    body = client.http.get(f"/uploads/{job.id}/parts").json_body
    rest = client.http.get(f"/uploads/{job.id}/parts?cursor={body['next_cursor']}").json_body
    assert [part["number"] for part in body["parts"] + rest["parts"]] == list(many)
    assert rest["next_cursor"] is None


def test_a_cursor_beyond_the_last_possible_part_is_refused(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    assert_problem(client.http.get(f"/uploads/{job.id}/parts?cursor=10001"), 400, field="cursor")


def test_the_file_is_made_when_all_parts_have_arrived(client: Client, services: MemoryServices) -> None:
    services.upload_bucket.page = 2
    job = begun(client, services)
    arrive(services, job, 1, 2, 3)
    response = client.http.post(f"/uploads/{job.id}/complete")
    assert (response.status_code, response.json_body["id"]) == (202, str(job.id))
    assert services.upload_bucket.made == [job.upload.upload_id]


def test_missing_and_short_parts_are_named(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    arrive(services, job, 1)
    arrive(services, job, 2, size=399)
    assert_problem(client.http.post(f"/uploads/{job.id}/complete"), 409, missing=[2, 3])
    assert not services.upload_bucket.made


def test_completing_is_idempotent(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    arrive(services, job, 1, 2, 3)
    client.http.post(f"/uploads/{job.id}/complete")
    services.objects.missing = False  # S3 has made it, and its event is on its way
    assert client.http.post(f"/uploads/{job.id}/complete").status_code == 202
    services.jobs.put(changed(job, status=Status.COMPLETED, arrived_at=NOW, completed_at=NOW))
    assert client.http.post(f"/uploads/{job.id}/complete").status_code == 202
    assert len(services.upload_bucket.made) == 1


def test_an_upload_that_s3_no_longer_knows_cannot_be_completed(
    client: Client, services: MemoryServices
) -> None:
    job = begun(client, services)
    services.upload_bucket.arrived.clear()
    assert_problem(client.http.post(f"/uploads/{job.id}/complete"), 409)


@pytest.mark.parametrize("path", ["/uploads/{}", "/jobs/{}/cancel"])
def test_giving_up_cancels_the_job_and_removes_its_parts(
    client: Client, services: MemoryServices, path: str
) -> None:
    job = begun(client, services)
    send = client.http.delete if path == "/uploads/{}" else client.http.post
    response = send(path.format(job.id))
    assert (response.status_code, response.json_body["status"]) == (202, "CANCELED")
    assert not services.upload_bucket.arrived


@pytest.mark.parametrize(
    "changes",
    [
        {"upload": Upload("bucket", "key", SIZE)},
        {"status": Status.CANCELED, "completed_at": NOW},
        {"status": Status.EXPIRED, "completed_at": NOW},
        {"upload": Upload("bucket", "key", SIZE, expires_at=NOW, upload_id="x", part_size=400)},
    ],
    ids=["in one piece", "canceled", "expired", "overdue"],
)
def test_an_upload_that_takes_no_parts_is_a_conflict(
    client: Client, services: MemoryServices, changes: dict[str, Any]
) -> None:
    upload = Upload("bucket", "key", SIZE, upload_id="x", part_size=400)
    job = services.jobs.put(new_job(**{"upload": upload, **changes}))
    for response in (
        post(client, f"/uploads/{job.id}/parts", {"parts": [{"number": 1}]}),
        post(client, f"/uploads/{job.id}/parts", "invalid"),
        client.http.get(f"/uploads/{job.id}/parts"),
        client.http.post(f"/uploads/{job.id}/complete"),
        client.http.delete(f"/uploads/{job.id}"),
    ):
        assert_problem(response, 409)


def test_an_upload_that_does_not_exist_is_not_found(client: Client) -> None:
    job_id = uuid4()
    for response in (
        post(client, f"/uploads/{job_id}/parts", {"parts": [{"number": 1}]}),
        client.http.get(f"/uploads/{job_id}/parts"),
        client.http.post(f"/uploads/{job_id}/complete"),
        client.http.delete("/uploads/nonsense"),
    ):
        assert_problem(response, 404)


def test_an_outage_of_s3_is_a_503(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    services.upload_bucket.down = True
    for response in (
        client.http.get(f"/uploads/{job.id}/parts"),
        client.http.post(f"/uploads/{job.id}/complete"),
    ):
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("body", ["not json", "[" * 100_000])
@pytest.mark.parametrize("job_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_a_body_that_cannot_be_parsed_is_reported_before_anything_else(
    client: Client, services: MemoryServices, body: str, job_id: str
) -> None:
    services.jobs.down = True
    headers = {"Content-Type": "application/json"}
    answer = client.http.post(f"/uploads/{job_id}/parts", headers=headers, body=body)
    assert answer.status_code == 400
