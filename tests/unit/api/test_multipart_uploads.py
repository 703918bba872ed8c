"""Uploads in parts through the HTTP API, in-process, over ports in memory."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from chalice.test import Client, HTTPResponse
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.jobs import Job, Part, Upload
from chalicelib.core.model import Status
from chalicelib.service import multipart as parts
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, changed, new_job

SIZE = 1001  # MemoryServices cuts at 400
SHA = "ab" * 32


@pytest.fixture
def services(services: MemoryServices) -> MemoryServices:
    services.objects.missing = True
    return services


def post(client: Client, path: str, body: Any) -> HTTPResponse:
    headers = {"Content-Type": "application/json"}
    return client.http.post(path, headers=headers, body=json.dumps(body).encode())


def begun(client: Client, services: MemoryServices, **more: Any) -> Job:
    answer = post(client, "/uploads", {"filename": "a.csv", "size": SIZE, **more})
    assert answer.status_code == 202
    return next(job for job in services.jobs.jobs.values() if str(job.id) == answer.json_body["job_id"])


def arrive(services: MemoryServices, job: Job, *numbers: int, size: int | None = None) -> None:
    for part in parts.every(job.upload):
        if part.number in numbers:
            arrived = replace(part, size=size or part.size, sha256=SHA, etag=f"e{part.number}")
            services.uploads.arrived[str(job.upload.upload_id)][part.number] = arrived


def test_a_large_file_gets_a_plan_of_its_parts(client: Client) -> None:
    answer = post(client, "/uploads", {"filename": "a.csv", "size": SIZE}).json_body
    upload = answer["upload"]
    assert (upload["size"], upload["part_size"], upload["part_count"]) == (SIZE, 400, 3)
    assert [(it["number"], it["size"]) for it in upload["parts"]] == [(1, 400), (2, 400), (3, 201)]
    assert all(f"number={it['number']}" in it["url"] for it in upload["parts"])
    assert answer["links"]["parts"] == f"/uploads/{answer['job_id']}/parts"
    assert answer["links"]["complete"] == f"/uploads/{answer['job_id']}/complete"


@pytest.mark.parametrize("size", [None, 0, 1000])
def test_a_small_file_gets_one_url(client: Client, size: int | None) -> None:
    answer = post(client, "/uploads", {"filename": "a.csv", "size": size, "sha256": SHA.upper()}).json_body
    assert f"sha256={SHA}" in answer["upload"]["url"]
    assert "parts" not in answer["links"]


def test_a_multipart_upload_refuses_a_checksum_of_the_whole_file(client: Client) -> None:
    answer = post(client, "/uploads", {"filename": "a.csv", "size": SIZE, "sha256": SHA})
    assert (answer.status_code, answer.json_body["field"]) == (400, "sha256")


@pytest.mark.parametrize(
    ("member", "value"), [("sha256", "xyz"), ("sha256", 7), ("force", 1), ("part_checksums", "yes")]
)
def test_a_problem_names_the_wrong_member(client: Client, member: str, value: Any) -> None:
    answer = post(client, "/uploads", {"filename": "a.csv", member: value})
    assert (answer.status_code, answer.json_body["field"]) == (400, member)


def test_a_job_that_cannot_be_stored_aborts_its_multipart_upload(
    client: Client, services: MemoryServices
) -> None:
    services.jobs.down = True
    answer = post(client, "/uploads", {"filename": "a.csv", "size": SIZE})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert not services.uploads.arrived


def test_parts_are_signed_with_their_checksums(client: Client, services: MemoryServices) -> None:
    job = begun(client, services, part_checksums=True)
    answer = post(client, f"/uploads/{job.id}/parts", {"parts": [{"number": 3, "sha256": SHA}]})
    (part,) = answer.json_body["parts"]
    assert (part["number"], part["size"]) == (3, 201)
    assert part["url"].endswith(f"number=3&size=201&sha256={SHA}")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "parts"),
        ({"parts": []}, "parts"),
        ({"parts": [{"number": 1, "sha256": SHA}] * 101}, "parts"),
        ({"parts": [{"number": 1, "sha256": SHA}], "more": 1}, "parts"),
        ({"parts": [1]}, "parts[0]"),
        ({"parts": [{"number": 1, "sha256": SHA}, {"number": 0, "sha256": SHA}]}, "parts[1].number"),
        ({"parts": [{"number": 4, "sha256": SHA}]}, "parts[0].number"),
        ({"parts": [{"number": True, "sha256": SHA}]}, "parts[0].number"),
        ({"parts": [{"number": 1, "sha256": "x"}]}, "parts[0].sha256"),
        ({"parts": [{"number": 1}]}, "parts[0]"),
    ],
)
def test_a_wrong_request_for_parts_gets_a_problem_that_names_the_error(
    client: Client, services: MemoryServices, body: Any, field: str
) -> None:
    job = begun(client, services, part_checksums=True)
    answer = post(client, f"/uploads/{job.id}/parts", body)
    assert (answer.status_code, answer.json_body["field"]) == (400, field)


def test_a_checksum_that_was_not_agreed_on_is_refused(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    answer = post(client, f"/uploads/{job.id}/parts", {"parts": [{"number": 1, "sha256": SHA}]})
    assert (answer.status_code, answer.json_body["field"]) == (400, "parts[0]")


def test_parts_that_arrived_are_listed_in_pages(client: Client, services: MemoryServices) -> None:
    job = begun(client, services, part_checksums=True)
    arrive(services, job, 1, 3)
    answer = client.http.get(f"/uploads/{job.id}/parts").json_body
    assert answer["parts"] == [
        {"number": 1, "size": 400, "sha256": SHA},
        {"number": 3, "size": 201, "sha256": SHA},
    ]
    assert answer["next_cursor"] is None
    assert client.http.get(f"/uploads/{job.id}/parts?cursor=1").json_body["parts"] == answer["parts"][1:]


def test_a_full_page_has_a_next_one(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    many = {number: Part(number, 1) for number in range(1, 1500)}
    services.uploads.arrived[str(job.upload.upload_id)] = many
    answer = client.http.get(f"/uploads/{job.id}/parts").json_body
    rest = client.http.get(f"/uploads/{job.id}/parts?cursor={answer['next_cursor']}").json_body
    assert [it["number"] for it in answer["parts"] + rest["parts"]] == list(many)
    assert rest["next_cursor"] is None


def test_a_cursor_beyond_all_parts_is_refused(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    assert client.http.get(f"/uploads/{job.id}/parts?cursor=10001").status_code == 400


def test_completing_joins_the_parts_into_the_object(client: Client, services: MemoryServices) -> None:
    services.uploads.page = 2
    job = begun(client, services)
    arrive(services, job, 1, 2, 3)
    answer = client.http.post(f"/uploads/{job.id}/complete")
    assert (answer.status_code, answer.json_body["id"]) == (202, str(job.id))
    assert services.uploads.made == [job.upload.upload_id]


def test_completing_names_missing_and_truncated_parts(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    arrive(services, job, 1)
    arrive(services, job, 2, size=399)
    answer = client.http.post(f"/uploads/{job.id}/complete")
    assert (answer.status_code, answer.json_body["missing"]) == (409, [2, 3])
    assert not services.uploads.made


def test_completing_is_idempotent(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    arrive(services, job, 1, 2, 3)
    client.http.post(f"/uploads/{job.id}/complete")
    services.objects.missing = False  # S3 has made it, and its event is on its way
    assert client.http.post(f"/uploads/{job.id}/complete").status_code == 202
    services.jobs.put(changed(job, status=Status.COMPLETED, arrived_at=NOW, completed_at=NOW))
    assert client.http.post(f"/uploads/{job.id}/complete").status_code == 202
    assert len(services.uploads.made) == 1


def test_an_upload_that_s3_no_longer_has_cannot_be_completed(
    client: Client, services: MemoryServices
) -> None:
    job = begun(client, services)
    services.uploads.arrived.clear()
    assert client.http.post(f"/uploads/{job.id}/complete").status_code == 409


@pytest.mark.parametrize("path", ["/uploads/{}", "/jobs/{}/cancel"])
def test_aborting_cancels_the_job_and_removes_the_parts(
    client: Client, services: MemoryServices, path: str
) -> None:
    job = begun(client, services)
    ask = client.http.delete if path == "/uploads/{}" else client.http.post
    answer = ask(path.format(job.id))
    assert (answer.status_code, answer.json_body["status"]) == (202, "CANCELED")
    assert not services.uploads.arrived


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
def test_an_upload_that_is_not_open_is_a_conflict(
    client: Client, services: MemoryServices, changes: dict[str, Any]
) -> None:
    upload = Upload("bucket", "key", SIZE, upload_id="x", part_size=400)
    job = services.jobs.put(new_job(**{"upload": upload, **changes}))
    body = {"parts": [{"number": 1}]}
    answers = [
        post(client, f"/uploads/{job.id}/parts", body),
        client.http.get(f"/uploads/{job.id}/parts"),
        client.http.post(f"/uploads/{job.id}/complete"),
        client.http.delete(f"/uploads/{job.id}"),
    ]
    assert [it.status_code for it in answers] == [409] * 4
    assert all(it.headers["Content-Type"] == "application/problem+json" for it in answers)


def test_an_unknown_upload_is_not_found(client: Client) -> None:
    assert client.http.get(f"/uploads/{uuid4()}/parts").status_code == 404
    assert client.http.delete("/uploads/nonsense").status_code == 404


def test_an_unreachable_s3_is_a_503(client: Client, services: MemoryServices) -> None:
    job = begun(client, services)
    services.uploads.down = True
    for answer in (
        post(client, "/uploads", {"filename": "a.csv", "size": SIZE}),
        client.http.get(f"/uploads/{job.id}/parts"),
        client.http.post(f"/uploads/{job.id}/complete"),
    ):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


@given(st.integers(1, 5 << 40), st.integers(5 << 20, 5 << 30))
def test_the_plan_of_any_file_keeps_to_s3s_limits(size: int, wanted: int) -> None:
    part_size = parts.size_for(size, wanted)
    count = -(-size // part_size)
    assert 1 <= count <= 10_000
    assert 5 << 20 <= part_size <= 5 << 30
    assert part_size == wanted or size / wanted > 10_000


@given(st.integers(1, 10_000), st.integers(1, 500))
def test_the_parts_make_up_the_file(size: int, part_size: int) -> None:
    every = parts.every(Upload("bucket", "key", size, part_size=part_size))
    assert [it.number for it in every] == list(range(1, len(every) + 1))
    assert sum(it.size for it in every) == size
    assert {it.size for it in every[:-1]} <= {part_size}
    assert 1 <= every[-1].size <= part_size
