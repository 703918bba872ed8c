"""What else may become of a job of the deployed service: drops, lost events, cancel, retry, undo."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from localstack_client.session import Session

from chalicelib.core.model import RULES
from tests.support.deployed_service import change, finished, http, query, rows, upload
from tests.support.waiting import wait_for

FILE = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n % 7) for n in range(1000)) + b"short\n"
COUNTS = {"read": 1001, "inserted": 1000, "duplicates": 0, "rejected": 1}
AGAIN = {"read": 1001, "inserted": 0, "duplicates": 1000, "rejected": 1}


def act(url: str, job_id: str, action: str) -> httpx.Response:
    return http.post(f"{url}/jobs/{job_id}/{action}")


def jobs_of(url: str, dataset: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"{url}/jobs", params={"dataset": dataset}).json()["jobs"]
    return found


def only_job(url: str, dataset: str) -> str:
    """Wait for the dataset's only job and return its id."""
    (job,) = wait_for(lambda: jobs_of(url, dataset))
    return str(job["id"])


def test_a_checksum_binds_the_file(stack: Mapping[str, str], dataset: str) -> None:
    url, sha256 = stack["SLUICE_URL"], hashlib.sha256(FILE).hexdigest()
    first = finished(url, upload(url, FILE, dataset=dataset, sha256=sha256))
    assert (first["counts"], first["duplicate_of"]) == (COUNTS, None)
    second = finished(url, upload(url, FILE, dataset=dataset, sha256=sha256))
    assert (second["counts"], second["duplicate_of"]) == (AGAIN, first["id"])
    assert second["attempts"] == 1
    errors = [http.get(f"{url}/jobs/{it['id']}/errors").json()["errors"] for it in (first, second)]
    assert errors[0] == errors[1] != []
    forced = finished(url, upload(url, FILE, dataset=dataset, sha256=sha256, force=True))
    assert (forced["counts"], forced["duplicate_of"]) == (AGAIN, None)
    body = http.post(f"{url}/uploads", json={"filename": "f", "sha256": sha256}).json()["upload"]
    refused = http.put(body["url"], headers=body["headers"], content=FILE[:-1])
    assert refused.status_code == 400


def test_rows_removed_by_hand_are_loaded_again(stack: Mapping[str, str], dataset: str) -> None:
    url, sha256 = stack["SLUICE_URL"], hashlib.sha256(FILE).hexdigest()
    finished(url, upload(url, FILE, dataset=dataset, sha256=sha256))
    change(
        stack,
        "DELETE FROM ingested_data USING datasets WHERE id = dataset_id AND name = %s"
        " AND record->>'id' = '7'",
        dataset,
    )
    again = finished(url, upload(url, FILE, dataset=dataset, sha256=sha256))
    assert (again["duplicate_of"], again["counts"]["inserted"]) == (None, 1)


def test_undo_removes_rows_that_only_this_job_brought(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    first = finished(url, upload(url, FILE, dataset=dataset))
    more = FILE + b"".join(b"%d,more\n" % n for n in range(5000, 5010))
    second = finished(url, upload(url, more, dataset=dataset))
    assert rows(stack, dataset) == 1010
    asked = act(url, second["id"], "undo")
    assert (asked.status_code, asked.json()["status"]) == (202, "UNDOING")
    undone = finished(url, second["id"])
    assert (undone["status"], undone["undone_rows"]) == ("UNDONE", 10)
    assert undone["counts"] == dict.fromkeys(COUNTS, 0)
    assert rows(stack, dataset) == 1000
    assert act(url, second["id"], "undo").status_code == 409
    assert finished(url, first["id"])["counts"] == COUNTS


def test_a_canceled_job_loads_nothing_until_it_is_retried(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    promised = http.post(f"{url}/uploads", json={"filename": "a.csv", "dataset": dataset}).json()
    job_id = promised["job_id"]
    assert act(url, job_id, "retry").status_code == 409
    canceled = act(url, job_id, "cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (202, "CANCELED")
    assert http.put(promised["upload"]["url"], content=FILE).status_code == 200
    assert finished(url, job_id)["status"] == "CANCELED"
    assert act(url, job_id, "cancel").status_code == 409
    retried = act(url, job_id, "retry")
    assert (retried.status_code, retried.json()["status"]) == (202, "PENDING")
    assert finished(url, job_id)["counts"] == COUNTS


def test_a_file_is_read_again_in_another_way(stack: Mapping[str, str], dataset: str) -> None:
    url, lines = stack["SLUICE_URL"], [b"id|name;city", *(b"%d|Ada;York" % n for n in range(100))]
    job_id = upload(url, b"\n".join(lines), dataset=dataset, options={"delimiter": ";"})
    first = finished(url, job_id)
    assert (first["status"], first["detected"]["columns"]) == ("COMPLETED", ["id|name", "city"])
    assert act(url, job_id, "retry").status_code == 409
    options = http.post(f"{url}/jobs/{job_id}/retry", json={"options": {"delimiter": "|"}})
    assert (options.status_code, options.json()["status"]) == (202, "UNDOING")
    second = finished(url, job_id)
    assert (second["status"], second["detected"]["columns"]) == ("COMPLETED", ["id", "name;city"])
    assert second["counts"] == {"read": 100, "inserted": 100, "duplicates": 0, "rejected": 0}
    assert (second["undone_rows"], second["detected"]["rules"]) == (None, RULES)
    assert rows(stack, dataset) == 100
    stored = query(
        stack,
        "SELECT DISTINCT jsonb_object_keys(record) FROM ingested_data"
        " JOIN datasets ON id = dataset_id WHERE name = %s ORDER BY 1",
        dataset,
    )
    assert stored == [("id",), ("name;city",)]
    assert act(url, job_id, "undo").status_code == 202
    assert finished(url, job_id)["status"] == "UNDONE"
    assert act(url, job_id, "retry").status_code == 202
    assert finished(url, job_id)["counts"] == second["counts"]


def test_a_file_is_previewed_and_then_loaded(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    job_id = upload(url, FILE, dataset=dataset, preview=True)
    job = finished(url, job_id)
    assert (job["status"], job["phase"], job["counts"]["read"]) == ("PREVIEWED", "previewed", 0)
    preview = job["preview"]
    assert preview["records"] == [{"id": str(n), "name": f"name {n % 7}"} for n in range(20)]
    assert (preview["counts"], preview["whole_file"]) == ({"read": 1001, "rejected": 1}, True)
    assert (preview["sure"]["delimiter"], preview["rejects"][0]["line"]) == ("clear", 1002)
    assert rows(stack, dataset) == 0
    changed = http.post(f"{url}/jobs/{job_id}/retry", json={"options": {"missing_values": ["name 0"]}})
    assert (changed.status_code, changed.json()["status"]) == (202, "PENDING")
    again = finished(url, job_id)
    assert (again["status"], again["preview"]["records"][0]) == ("PREVIEWED", {"id": "0"})
    assert act(url, job_id, "load").json()["status"] == "PENDING"
    loaded = finished(url, job_id)
    assert (loaded["status"], loaded["counts"]) == ("COMPLETED", COUNTS)
    assert (loaded["detected"], loaded["preview"]) == (again["detected"], again["preview"])
    assert rows(stack, dataset) == 1000
    assert act(url, job_id, "load").status_code == 409
    (listed,) = jobs_of(url, dataset)
    assert "preview" not in listed


def test_dropped_files_have_the_options_of_their_dataset(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    path = f"{url}/datasets/{dataset}/options"
    assert http.get(path).status_code == 404
    assert http.put(path, json={"delimiter": "|", "header": False}).status_code == 200
    s3 = Session().client("s3", endpoint_url=stack["AWS_ENDPOINT_URL"])
    s3.put_object(Bucket=stack["SLUICE_BUCKET"], Key=f"drop/{dataset}/a.csv", Body=b"1|a;b\n2|c;d\n")
    job = finished(url, only_job(url, dataset))
    assert (job["detected"]["columns"], job["counts"]["inserted"]) == (["column_1", "column_2"], 2)


def sweep(stack: Mapping[str, str], *silent: str) -> dict[str, int]:
    """Make the jobs look as if they had waited for long, and invoke the deployed sweep."""
    change(
        stack,
        "UPDATE ingestion_jobs SET created_at = created_at - interval '1 hour', looked_at = NULL,"
        " updated_at = updated_at - interval '1 hour', announced_at = NULL WHERE id = ANY(%s)",
        [UUID(it) for it in silent],
    )
    aws = Session(localstack_host=stack["AWS_ENDPOINT_URL"].split("//")[1].split(":")[0])
    functions = aws.client("lambda", endpoint_url=stack["AWS_ENDPOINT_URL"])
    answer = functions.invoke(FunctionName="sluice-local-on_schedule", Payload=json.dumps(SCHEDULED))
    payload = json.load(answer["Payload"])
    assert "FunctionError" not in answer, payload
    return dict(payload)


SCHEDULED = {
    "version": "0",
    "account": "000000000000",
    "region": "us-east-1",
    "detail": {},
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "2026-01-02T03:04:05Z",
    "id": "1",
    "resources": [],
}


@pytest.fixture
def no_events(stack: Mapping[str, str]) -> Iterator[None]:
    """Keep S3 from sending events of new objects for a while."""
    s3 = Session().client("s3", endpoint_url=stack["AWS_ENDPOINT_URL"])
    bucket = stack["SLUICE_BUCKET"]
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    del told["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)


@pytest.mark.usefixtures("no_events")
def test_lost_events_are_reconciled(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    job_id = upload(url, FILE, dataset=dataset)
    never = http.post(f"{url}/uploads", json={"filename": "a.csv", "dataset": dataset}).json()["job_id"]
    assert http.get(f"{url}/jobs/{job_id}").json()["phase"] == "awaiting-upload"
    change(stack, "UPDATE ingestion_jobs SET upload_expires_at = now() WHERE id = %s", never)
    sweep(stack, job_id, never)
    assert finished(url, job_id)["counts"] == COUNTS
    assert finished(url, never)["status"] == "EXPIRED"


def test_a_dropped_file_is_loaded(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    s3 = Session().client("s3", endpoint_url=stack["AWS_ENDPOINT_URL"])
    s3.put_object(Bucket=stack["SLUICE_BUCKET"], Key=f"drop/{dataset}/2026/jän & feb.csv", Body=FILE)
    job = finished(url, only_job(url, dataset))
    assert (job["counts"], job["filename"]) == (COUNTS, "2026/jän & feb.csv")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/jobs/{}/cancel"), ("DELETE", "/uploads/{}"), ("POST", "/uploads/{}/complete")],
)
def test_unknown_jobs_are_not_found(stack: Mapping[str, str], method: str, path: str) -> None:
    answer = http.request(method, stack["SLUICE_URL"] + path.format(uuid4()))
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_the_sweep_runs_on_a_schedule(stack: Mapping[str, str]) -> None:
    events = Session().client("events", endpoint_url=stack["AWS_ENDPOINT_URL"])
    (rule,) = [it for it in events.list_rules()["Rules"] if "on_schedule" in it["Name"]]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith("sluice-local-on_schedule")
    assert query(stack, "SELECT 1") == [(1,)]
