"""`/jobs/{id}/rejects.csv` and `rejects.ndjson`: asked for, made, handed out."""

from typing import Any

import pytest
from chalice.test import Client

from chalicelib.core.jobs import Job, RejectsFile, RejectsSource
from chalicelib.core.model import Dialect, Format, Source, Status, Tally
from tests.support.api_client import assert_problem
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job

SOURCE = Source("bucket", "key", "etag", 1000)
MADE = RejectsFile("rejects/1/rejects.csv", 2, RejectsSource.EXCERPTS)


def ended(services: MemoryServices, **changes: Any) -> Job:
    dialect = Dialect(changes.pop("format", Format.CSV), 0)
    job = {
        "status": Status.COMPLETED,
        "completed_at": NOW,
        "source": SOURCE,
        "dialect": dialect,
        "tally": Tally(10, 8, 0, 2),
    }
    return services.jobs.put(new_job(**(job | changes)))


def test_the_first_request_asks_for_the_file_and_the_others_wait(
    client: Client, services: MemoryServices
) -> None:
    job = ended(services)
    for _ in range(3):
        response = client.http.get(f"/jobs/{job.id}/rejects.csv")
        assert response.status_code == 202
        assert response.headers["Retry-After"] == "1"
        assert response.json_body == {"job_id": str(job.id), "status": "requested", "rejects": 2}
    assert [it.job_id for it in services.sender.waiting] == [job.id]


def test_a_file_that_is_made_is_handed_out(client: Client, services: MemoryServices) -> None:
    job = ended(services, filename="Kunden 'jän'.CSV.gz")
    services.jobs.files[job.id] = MADE
    response = client.http.get(f"/jobs/{job.id}/rejects.csv")
    assert response.status_code == 303
    url = "https://bucket.example/rejects/1/rejects.csv?name=Kunden 'jän'-rejects.csv"
    assert response.headers["Location"] == url
    assert response.json_body == {
        "status": "made",
        "rejects": 2,
        "source": "excerpts",
        "filename": "Kunden 'jän'-rejects.csv",
        "url": url,
        "expires_at": "2026-01-02T03:09:05Z",
    }
    assert not services.sender.waiting


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("Application/JSON", 200),
        ("*/*", 303),
        ("text/csv, application/json;q=0.5", 303),
    ],
)
def test_a_page_gets_the_url_without_a_redirect(
    client: Client, services: MemoryServices, accept: str, status: int
) -> None:
    job = ended(services)
    headers = {"Accept": accept}
    assert client.http.get(f"/jobs/{job.id}/rejects.csv", headers=headers).status_code == 202
    services.jobs.files[job.id] = MADE
    response = client.http.get(f"/jobs/{job.id}/rejects.csv", headers=headers)
    assert response.status_code == status
    assert ("Location" in response.headers) == (status == 303)
    assert response.json_body["url"].startswith("https://bucket.example/rejects/1/rejects.csv")


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({}, "rejects.ndjson", (404, "The rejects of a CSV file are at /jobs/{}/rejects.csv.")),
        (
            {"format": Format.NDJSON},
            "rejects.csv",
            (404, "The rejects of a NDJSON file are at /jobs/{}/rejects.ndjson."),
        ),
        (
            {"format": Format.JSON},
            "rejects.csv",
            (404, "The rejects of a JSON file are at /jobs/{}/rejects.ndjson."),
        ),
        ({"tally": Tally(8, 8, 0, 0)}, "rejects.csv", (404, "The job has no rejected records.")),
        (
            {"status": Status.EXPIRED, "tally": Tally()},
            "rejects.csv",
            (404, "The job has no rejected records."),
        ),
        *(
            (
                {"status": status, "completed_at": None},
                "rejects.csv",
                (409, f"The job is {status}. Its rejects file can be made once it has ended."),
            )
            for status in (Status.PENDING, Status.PROCESSING, Status.UNDOING)
        ),
        (
            {"purged_at": NOW},
            "rejects.csv",
            (410, "The job ended so long ago that its rejected records have been removed."),
        ),
    ],
)
def test_a_file_that_cannot_be_had_is_explained(
    client: Client, services: MemoryServices, changes: dict[str, Any], name: str, expected: tuple[int, str]
) -> None:
    job = ended(services, **changes)
    response = client.http.get(f"/jobs/{job.id}/{name}")
    status, sentence = expected
    assert_problem(response, status)
    assert response.json_body["detail"] == sentence.format(job.id)
    assert not services.sender.waiting
    assert not services.jobs.files


def test_an_unknown_job_has_no_file(client: Client) -> None:
    assert client.http.get("/jobs/nothing/rejects.csv").status_code == 404


def test_a_failure_is_told_once_and_the_next_request_tries_again(
    client: Client, services: MemoryServices
) -> None:
    job = ended(services)
    services.jobs.files[job.id] = RejectsFile(error="It could not be made.")
    response = client.http.get(f"/jobs/{job.id}/rejects.csv")
    assert_problem(response, 500)
    assert response.json_body["detail"] == "It could not be made. Request it again to start another attempt."
    assert client.http.get(f"/jobs/{job.id}/rejects.csv").status_code == 202
    assert [it.job_id for it in services.sender.waiting] == [job.id]


def test_an_outage_of_the_queue_leaves_the_wish_to_sweeps(client: Client, services: MemoryServices) -> None:
    job = ended(services)
    services.sender.down = True
    assert client.http.get(f"/jobs/{job.id}/rejects.csv").status_code == 202
    services.sender.down = False
    services.objects.missing = True
    assert services.sweeper.sweep()["requeued"] == 1
    assert [it.job_id for it in services.sender.waiting] == [job.id]


def test_an_undone_job_hands_out_what_was_left(client: Client, services: MemoryServices) -> None:
    job = ended(services, status=Status.UNDONE, tally=Tally())
    assert client.http.get(f"/jobs/{job.id}/rejects.csv").status_code == 404
    services.jobs.files[job.id] = RejectsFile(error="No.")
    assert client.http.get(f"/jobs/{job.id}/rejects.csv").status_code == 410
    services.jobs.files[job.id] = MADE
    assert client.http.get(f"/jobs/{job.id}/rejects.csv").status_code == 303
    assert client.http.get(f"/jobs/{job.id}").json_body["links"]["rejects"] == f"/jobs/{job.id}/rejects.csv"


def test_a_duplicate_hands_out_the_file_of_its_loader(client: Client, services: MemoryServices) -> None:
    loader = ended(services)
    duplicate = ended(services, number=2, duplicate_of=loader.id, filename="copy.csv")
    assert client.http.get(f"/jobs/{duplicate.id}/rejects.csv").status_code == 202
    assert [it.job_id for it in services.sender.waiting] == [loader.id]
    services.jobs.files[loader.id] = MADE
    response = client.http.get(f"/jobs/{duplicate.id}/rejects.csv")
    assert response.json_body["filename"] == "copy-rejects.csv"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, "rejects.csv"),
        ({"format": Format.JSON}, "rejects.ndjson"),
        ({"tally": Tally(8, 8, 0, 0)}, None),
        ({"purged_at": NOW}, None),
    ],
)
def test_a_job_links_to_its_rejects(
    client: Client, services: MemoryServices, changes: dict[str, Any], path: str | None
) -> None:
    job = ended(services, **changes)
    links = client.http.get(f"/jobs/{job.id}").json_body["links"]
    assert links.get("rejects") == (f"/jobs/{job.id}/{path}" if path else None)
