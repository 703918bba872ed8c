"""`POST /uploads`: a job is registered, and the client learns where to send its file."""

from uuid import UUID

import pytest
from chalice.test import Client

from chalicelib.core.model import Format, Options
from chalicelib.service.object_keys import uploaded_job_id
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices
from tests.support.jobs import new_job
from tests.support.metrics import written_metrics

SHA = "ab" * 32
SIZE = 1001  # over the limit of MemoryServices, whose parts have 400 bytes


def test_an_upload_is_registered_and_signed(client: Client, services: MemoryServices) -> None:
    request = {"filename": "people.csv", "dataset": "crm", "size": 12, "metadata": {"from": "x"}}
    response = post(client, "/uploads", request)
    assert response.status_code == 202
    body = response.json_body
    (job,) = services.jobs.jobs.values()
    assert response.headers["Location"] == f"/jobs/{body['job_id']}"
    assert response.headers["Retry-After"] == "1"
    assert body["status"] == "PENDING"
    assert body["upload"]["method"] == "PUT"
    assert body["upload"]["url"].endswith("?size=12")
    assert body["upload"]["expires_at"] == "2026-01-02T04:04:05Z"
    assert body["links"] == {"job": f"/jobs/{job.id}", "errors": f"/jobs/{job.id}/errors"}
    assert (job.dataset, job.upload.size, job.instructions.metadata) == ("crm", 12, {"from": "x"})
    assert uploaded_job_id(job.upload.key) == job.id


@pytest.mark.parametrize("size", [None, 0, 1000])
def test_a_small_file_is_sent_in_one_piece_with_its_checksum(client: Client, size: int | None) -> None:
    request = {"filename": "a.csv", "size": size, "sha256": SHA.upper()}
    body = post(client, "/uploads", request).json_body
    assert f"sha256={SHA}" in body["upload"]["url"]
    assert "parts" not in body["links"]


def test_a_large_file_is_sent_in_parts(client: Client) -> None:
    body = post(client, "/uploads", {"filename": "a.csv", "size": SIZE}).json_body
    upload = body["upload"]
    assert (upload["size"], upload["part_size"], upload["part_count"]) == (SIZE, 400, 3)
    assert [(part["number"], part["size"]) for part in upload["parts"]] == [(1, 400), (2, 400), (3, 201)]
    assert all(f"number={part['number']}" in part["url"] for part in upload["parts"])
    assert body["links"]["parts"] == f"/uploads/{body['job_id']}/parts"
    assert body["links"]["complete"] == f"/uploads/{body['job_id']}/complete"


def test_the_checksum_of_a_whole_file_is_refused_for_a_file_in_parts(client: Client) -> None:
    response = post(client, "/uploads", {"filename": "a.csv", "size": SIZE, "sha256": SHA})
    assert_problem(response, 400, field="sha256")


def test_a_file_over_the_limit_is_refused_before_it_is_sent(client: Client) -> None:
    assert_problem(post(client, "/uploads", {"filename": "a", "size": 101 << 30}), 413, field="size")


def test_a_job_that_cannot_be_stored_leaves_no_multipart_upload(
    client: Client, services: MemoryServices
) -> None:
    services.jobs.down = True
    response = post(client, "/uploads", {"filename": "a.csv", "size": SIZE})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert not services.upload_bucket.arrived


def test_an_outage_of_s3_is_a_503(client: Client, services: MemoryServices) -> None:
    services.upload_bucket.down = True
    response = post(client, "/uploads", {"filename": "a.csv", "size": SIZE})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_accepted_requests_are_counted(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = post(client, "/uploads", {"filename": "people.csv"}).json_body["job_id"]
    post(client, "/uploads", {"filename": ""})  # is refused
    assert written_metrics(capsys) == [({"UploadsRequested": 1}, job_id)]


def test_the_rejects_of_a_job_go_where_its_rows_are(client: Client, services: MemoryServices) -> None:
    options = Options(delimiter="|", encoding="cp1252", decimal=",", missing_values=("-",))
    parent = services.jobs.put(new_job(dataset="crm", options=options, format=Format.CSV))
    services.jobs.set_dataset_options("crm", Options(comment="#", date_order="DMY"))

    body = {"filename": "r.csv", "parent_job": str(parent.id), "options": {"missing_values": []}}
    job_id = UUID(post(client, "/uploads", body).json_body["job_id"])

    job = services.jobs.jobs[job_id]
    assert (job.dataset, job.parent_job) == ("crm", parent.id)
    assert job.upload.key.startswith("uploads/default/crm/")
    assert job.instructions.format is Format.CSV
    assert job.instructions.options == Options(decimal=",", missing_values=())
    assert client.http.get(f"/jobs/{job_id}").json_body["parent_job"] == str(parent.id)


@pytest.mark.parametrize("dataset", ["default", "another"])
def test_a_parent_job_of_another_dataset_is_refused(
    client: Client, services: MemoryServices, dataset: str
) -> None:
    parent = services.jobs.put(new_job(dataset="crm"))

    response = post(client, "/uploads", {"filename": "r", "dataset": dataset, "parent_job": str(parent.id)})

    assert_problem(response, 400, field="parent_job")
    assert "in dataset 'crm'" in response.json_body["detail"]
    assert len(services.jobs.jobs) == 1


@pytest.mark.parametrize(
    "parent", ["x", 1, "73a3eb48477f4fcbbd181865d0026c05", "73a3eb48-477f-4fcb-bd18-1865d0026c05"]
)
def test_a_parent_job_that_does_not_exist_is_refused(client: Client, parent: object) -> None:
    response = post(client, "/uploads", {"filename": "r", "parent_job": parent})

    assert_problem(response, 400, field="parent_job")
