"""The rejects of a job as a file, of the deployed service: asked for, downloaded, left by an undo, purged."""

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from localstack_client.session import Session

from tests.support.deployed_service import change, client_env, finished, http, query, upload
from tests.support.deployment import TICK
from tests.support.paths import CHECKOUT
from tests.support.waiting import wait_for

LONG = "x" * 2000
FILE = b"id,name\r\n" + b"".join(
    b"%d,name\r\n" % n if n % 5 else b'%d,"A\nB",%s\r\n' % (n, LONG.encode()) for n in range(1, 1001)
)


def save(stack: Mapping[str, str], job_id: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Run ``sluice errors --csv``."""
    command = [sys.executable, "-m", "sluice_cli", "errors", job_id, "--csv", str(target)]
    return subprocess.run(
        command,
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin", **client_env(stack["SLUICE_URL"])},
        capture_output=True,
        text=True,
        check=False,
    )


def jobs_of(stack: Mapping[str, str]) -> int:
    return int(query(stack, "SELECT count(*) FROM ingestion_jobs")[0][0])


def objects_of(stack: Mapping[str, str], job_id: str) -> list[str]:
    s3 = Session().client("s3", endpoint_url=stack["AWS_ENDPOINT_URL"])
    found = s3.list_objects_v2(Bucket=stack["SLUICE_BUCKET"], Prefix=f"rejects/default/{job_id}/")
    return [it["Key"] for it in found.get("Contents", [])]


def sweep(stack: Mapping[str, str]) -> None:
    functions = Session().client("lambda", endpoint_url=stack["AWS_ENDPOINT_URL"])
    answer = functions.invoke(FunctionName="sluice-local-on_schedule", Payload=json.dumps(TICK).encode())
    assert "FunctionError" not in answer, answer["Payload"].read()


def swept(stack: Mapping[str, str], job_id: str) -> list[str]:
    """Sweep, and return the keys of the job's objects then."""
    sweep(stack)
    return objects_of(stack, job_id)


def test_rejects_are_downloaded_whole(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    url, target = stack["SLUICE_URL"], tmp_path / "rejects.csv"
    job_id = upload(url, FILE, dataset=dataset, filename="jän.csv")
    job = finished(url, job_id)
    assert job["counts"]["rejected"] == 200
    assert job["links"]["rejects"] == f"/jobs/{job_id}/rejects.csv"
    assert http.get(f"{url}/jobs/{job_id}/rejects.ndjson").status_code == 404
    before = jobs_of(stack)

    saved = save(stack, job_id, target)
    assert (saved.returncode, saved.stderr) == (0, ""), saved
    assert target.read_bytes().count(LONG.encode()) == 200
    assert save(stack, job_id, target).returncode == 2
    (key,) = objects_of(stack, job_id)

    redirect = http.get(url + job["links"]["rejects"])
    assert (redirect.status_code, redirect.json()["source"]) == (303, "object")
    downloaded = http.get(redirect.headers["Location"])
    assert downloaded.content == target.read_bytes()
    assert downloaded.headers["Content-Disposition"] == (
        "attachment; filename=\"j_n-rejects.csv\"; filename*=UTF-8''j%C3%A4n-rejects.csv"
    )
    assert downloaded.headers["Content-Type"] == "text/csv; charset=utf-8"

    assert http.post(f"{url}/jobs/{job_id}/undo").status_code == 202
    undone = finished(url, job_id)
    assert (undone["status"], undone["counts"]["rejected"]) == ("UNDONE", 0)
    assert http.get(url + undone["links"]["rejects"]).status_code == 303
    assert objects_of(stack, job_id) == [key]
    assert jobs_of(stack) == before

    change(stack, "UPDATE ingestion_jobs SET completed_at = now() - interval '1 year' WHERE id = %s", job_id)
    wait_for(lambda: not swept(stack, job_id))
    assert http.get(f"{url}/jobs/{job_id}/rejects.csv").status_code == 410


def test_an_undo_leaves_a_file_that_nobody_had_asked_for(
    stack: Mapping[str, str], dataset: str, tmp_path: Path
) -> None:
    url, target = stack["SLUICE_URL"], tmp_path / "rejects.csv"
    job_id = upload(url, FILE, dataset=dataset)
    finished(url, job_id)
    assert http.post(f"{url}/jobs/{job_id}/undo").status_code == 202
    finished(url, job_id)
    assert save(stack, job_id, target).returncode == 0
    with target.open(newline="", encoding="utf-8") as file:
        assert sum(LONG in str(row) for row in csv.reader(file)) == 200


def test_a_killed_worker_is_made_up_for(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    url = stack["SLUICE_URL"]
    job_id = upload(url, FILE, dataset=dataset)
    finished(url, job_id)
    change(
        stack,
        "INSERT INTO rejects_files (job_id, reading_no, requested_at, lease_owner, lease_until)"
        " VALUES (%s, 1, now() - interval '1 hour', 'dead', now() - interval '1 second')",
        job_id,
    )
    sweep(stack)
    assert save(stack, job_id, tmp_path / "rejects.csv").returncode == 0
