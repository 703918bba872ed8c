"""The deployed service, as its clients see it: HTTP, a presigned upload, rows in Postgres."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.deployed_service import client_env, finished, http, query, rows, upload
from tests.support.function_settings import API, INTAKE, function_settings
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE

PEOPLE = CHECKOUT.parent / "shared" / "data" / "people-0.csv"

FILE = (
    "id,name,e-mail\n"
    "1,Ada Lovelace,ada@example.com\n"
    " 1 , Ada Lovelace,ADA@example.com\n"
    '2,"Hopper, Grace",grace@example.com\n'
    "3,Alan Turing\n"
    ",,\n"
)


@pytest.mark.parametrize(
    "filename", ["plain.csv", "with space & ünïcödé +%20.csv", "../../etc/passwd", "x" * 300, "数据.csv"]
)
def test_a_file_of_any_name_becomes_rows(stack: Mapping[str, str], dataset: str, filename: str) -> None:
    url = stack["SLUICE_URL"]
    job = finished(url, upload(url, FILE.encode(), filename=filename, dataset=dataset))
    assert job["status"] == "COMPLETED"
    assert job["filename"] == filename
    assert job["counts"] == {"read": 5, "inserted": 2, "duplicates": 1, "rejected": 2}
    assert job["progress"]["percent"] == 100.0
    assert job["source"]["size"] == len(FILE)
    assert rows(stack, dataset) == 2
    errors = http.get(f"{url}{job['links']['errors']}").json()["errors"]
    assert [(it["record_number"], it["code"]) for it in errors] == [(4, "missing-cell"), (5, "blank-row")]
    assert errors[0]["byte_offset"] == FILE.index("3,Alan")
    assert errors[0]["raw"] == "3,Alan Turing"


def test_the_same_file_again_inserts_nothing(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    for inserted in (2, 0):
        job = finished(url, upload(url, FILE.encode(), dataset=dataset))
        assert job["counts"]["inserted"] == inserted
    assert rows(stack, dataset) == 2


def test_a_compressed_file_of_another_dialect_is_loaded(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    data = gzip.compress("Name;Geboren\nJos\xe9;24.9.1985\n'Ada';n/a\n".encode("cp1252"))
    options = {"encoding": "cp1252", "quote": "'", "date_order": "DMY", "missing_values": ["n/a"]}
    job = finished(url, upload(url, data, dataset=dataset, options=options))
    assert job["counts"] == {"read": 2, "inserted": 2, "duplicates": 0, "rejected": 0}
    detected = {name: job["detected"][name] for name in ("compression", "delimiter", "encoding")}
    assert detected == {"compression": "gzip", "delimiter": ";", "encoding": "cp1252"}
    statement = "SELECT record FROM ingested_data JOIN datasets ON id = dataset_id WHERE name = %s ORDER BY 1"
    assert query(stack, statement, dataset) == [
        ({"Name": "Ada"},),
        ({"Name": "José", "Geboren": "1985-09-24"},),
    ]


def test_a_failed_job_says_why(stack: Mapping[str, str]) -> None:
    url = stack["SLUICE_URL"]
    job = finished(url, upload(url, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 this is an old workbook"))
    assert job["status"] == "FAILED"
    assert job["error"]["code"] == "unsupported-format"
    assert "CSV" in job["error"]["message"]


def test_jobs_are_listed(stack: Mapping[str, str], dataset: str) -> None:
    url = stack["SLUICE_URL"]
    mine = [upload(url, FILE.encode(), dataset=dataset) for _ in range(3)]
    first = http.get(f"{url}/jobs", params={"dataset": dataset, "limit": "2"}).json()
    second = http.get(
        f"{url}/jobs", params={"dataset": dataset, "limit": "2", "cursor": first["next_cursor"]}
    ).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == mine[::-1]
    assert second["next_cursor"] is None
    for job_id in mine:
        finished(url, job_id)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/jobs/nonsense", 404), ("GET", "/jobs?limit=0", 400), ("POST", "/uploads", 400)],
)
def test_problems_carry_the_request_id(stack: Mapping[str, str], method: str, path: str, status: int) -> None:
    response = http.request(
        method, stack["SLUICE_URL"] + path, content=b"{", headers={"Content-Type": "application/json"}
    )
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["X-Request-Id"]


def test_healthz_checks_every_service(stack: Mapping[str, str]) -> None:
    response = http.get(f"{stack['SLUICE_URL']}/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok", "queue": "ok", "storage": "ok"}}


def test_the_client_follows_a_job_to_its_end(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(FILE)
    bad.write_bytes(b"")
    done = client(stack, "upload", str(good), "--dataset", dataset)
    assert done.returncode == 0, done.stderr
    assert "read 5 = 2 inserted + 1 duplicates + 2 rejected" in done.stdout
    job = json.loads(client(stack, "jobs", "--dataset", dataset, "--json").stdout.splitlines()[0])
    shown = client(stack, "errors", job["id"])
    assert "missing-cell" in shown.stdout
    assert "Alan Turing" in shown.stdout
    assert client(stack, "job", job["id"]).returncode == 0
    assert client(stack, "upload", str(bad)).returncode != 0
    assert client(stack, "job", "nonsense").returncode != 0


def client(stack: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sluice_cli", *arguments],
        env={**os.environ, **client_env(stack["SLUICE_URL"])},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_file_is_loaded_with_the_queue_on_redis(stack: Mapping[str, str], dataset: str) -> None:
    settings = {"SLUICE_QUEUE_BACKEND": "redis", "SLUICE_REDIS_STREAM": "e2e"}
    url = stack["SLUICE_URL"]
    with (
        function_settings(stack["AWS_ENDPOINT_URL"], API, INTAKE, **settings),
        worker({**stack, **settings}),
    ):
        job = finished(url, upload(url, FILE.encode(), dataset=dataset))
    assert job["counts"] == {"read": 5, "inserted": 2, "duplicates": 1, "rejected": 2}
    assert rows(stack, dataset) == 2


@contextmanager
def worker(env: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "chalicelib.worker"], cwd=CHECKOUT, env={**os.environ, **env}
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0


@pytest.mark.skipif(not PEOPLE.exists(), reason="the real data set is not beside this checkout")
def test_a_real_data_set_is_loaded_completely(stack: Mapping[str, str], dataset: str) -> None:
    url, data = stack["SLUICE_URL"], PEOPLE.read_bytes()
    first = finished(url, upload(url, data, dataset=dataset, size=len(data)))
    assert first["counts"] == {"read": 32_281, "inserted": 32_281, "duplicates": 0, "rejected": 0}
    assert len(first["detected"]["columns"]) == 40
    again = finished(url, upload(url, data, dataset=dataset))
    assert again["counts"] == {"read": 32_281, "inserted": 0, "duplicates": 32_281, "rejected": 0}
    assert rows(stack, dataset) == 32_281
    ledger = "SELECT sum(records), sum(inserted) FROM ingestion_blocks WHERE job_id = %s"
    assert query(stack, ledger, first["id"]) == [(32_281, 32_281)]
