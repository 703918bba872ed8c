"""Large files in parts through the deployed service, and a client that is killed while it sends one."""

import base64
import hashlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from localstack_client.session import Session

from tests.support.deployed_service import client_env, finished, http, query, rows
from tests.support.function_settings import API, function_settings
from tests.support.waiting import PATIENCE, wait_for

PART = 5 << 20
MEGABYTES = 200


@pytest.fixture(scope="module")
def url(stack: Mapping[str, str]) -> Iterator[str]:
    """Yield the URL of an API that takes files in parts from a small size on."""
    settings = {"SLUICE_MAX_SINGLE_UPLOAD": str(PART), "SLUICE_PART_SIZE": str(PART)}
    with function_settings(stack["AWS_ENDPOINT_URL"], API, **settings):
        yield stack["SLUICE_URL"]


def test_large_files_are_sent_in_parts(stack: Mapping[str, str], url: str, dataset: str) -> None:
    data = b"id,name\n" + b"".join(b"%06d,name\n" % n for n in range(700_000))
    request = {"filename": "a.csv", "dataset": dataset, "size": len(data), "part_checksums": True}
    begun = http.post(f"{url}/uploads", json=request).json()
    assert begun["upload"]["part_count"] == 2
    pieces = [data[:PART], data[PART:]]
    named = [{"number": n, "sha256": hashlib.sha256(it).hexdigest()} for n, it in enumerate(pieces, start=1)]
    signed = http.post(f"{url}{begun['links']['parts']}", json={"parts": named}).json()["parts"]
    encoded = base64.b64encode(hashlib.sha256(pieces[0]).digest()).decode()
    assert signed[0]["headers"]["x-amz-checksum-sha256"] == encoded
    assert http.put(signed[1]["url"], headers=signed[1]["headers"], content=pieces[1]).status_code == 200
    lacking = http.post(f"{url}{begun['links']['complete']}")
    assert (lacking.status_code, lacking.json()["missing"]) == (409, [1])
    assert http.put(signed[0]["url"], headers=signed[0]["headers"], content=pieces[0]).status_code == 200
    arrived = http.get(f"{url}{begun['links']['parts']}").json()
    assert [it["sha256"] for it in arrived["parts"]] == [it["sha256"] for it in named]
    for _ in range(2):
        assert http.post(f"{url}{begun['links']['complete']}").status_code == 202
    job = finished(url, begun["job_id"])
    assert job["counts"] == {"read": 700_000, "inserted": 700_000, "duplicates": 0, "rejected": 0}
    assert rows(stack, dataset) == 700_000
    gone = http.get(f"{url}{begun['links']['parts']}")
    assert (gone.status_code, gone.headers["Content-Type"]) == (409, "application/problem+json")


def test_an_aborted_upload_leaves_nothing(url: str, dataset: str) -> None:
    begun = http.post(f"{url}/uploads", json={"filename": "a", "dataset": dataset, "size": PART + 1}).json()
    assert http.delete(f"{url}/uploads/{begun['job_id']}").json()["status"] == "CANCELED"
    assert http.get(f"{url}{begun['links']['parts']}").status_code == 409
    assert http.post(f"{url}/jobs/{begun['job_id']}/retry").status_code == 409


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a CSV file of 200 MB: rows of 2 KB, every fifth a repeated one, every fiftieth too short."""
    path = tmp_path_factory.mktemp("large") / "large file.csv"
    source = random.Random(1)
    text = "".join(source.choices("abcdefghijklmnop", k=2000))
    with path.open("w") as file:
        file.write("id,text\n")
        for number in range(MEGABYTES * 1000 // 2):
            name = number - number % 5 // 4
            file.write(f"{name}\n" if number % 50 == 10 else f"{name},{text[name % 97 :]}\n")
    return path


def counted(path: Path) -> tuple[int, int, int]:
    """Count the records, the distinct good ones and the bad ones by the simplest method."""
    lines = path.read_text().splitlines()[1:]
    good = [line for line in lines if "," in line]
    return len(lines), len(set(good)), len(lines) - len(good)


def test_a_client_that_is_killed_twice_resumes_its_upload(
    stack: Mapping[str, str], url: str, dataset: str, large_file: Path, tmp_path: Path
) -> None:
    count = -(-large_file.stat().st_size // PART)
    log = tmp_path / "log"
    killed_when_there_are(count // 5, url, log, [str(large_file), "--dataset", dataset])
    job_id = re.findall(r"^job (\S+)$", log.read_text(), re.MULTILINE)[0]
    assert f"--resume {job_id}" in log.read_text()
    resume = [str(large_file), "--resume", job_id]
    killed_when_there_are(count // 2, url, log, resume)
    told = sluice(url, *resume)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "have arrived already" in told.stdout

    records, distinct, bad = counted(large_file)
    job = http.get(f"{url}/jobs/{job_id}").json()
    expected = (records, distinct, records - distinct - bad, bad)
    assert tuple(job["counts"].values()) == expected
    assert rows(stack, dataset) == distinct
    assert query(stack, "SELECT count(*) FROM validation_errors WHERE job_id = %s", job_id) == [(bad,)]
    s3 = Session().client("s3", endpoint_url=stack["AWS_ENDPOINT_URL"])
    place = {"Bucket": job["source"]["bucket"], "Key": job["source"]["key"]}
    stored = hashlib.sha256()
    for chunk in s3.get_object(**place)["Body"].iter_chunks(1 << 20):
        stored.update(chunk)
    assert stored.digest() == hashlib.sha256(large_file.read_bytes()).digest()
    head = s3.head_object(**place, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == checksum_of_parts(large_file.read_bytes())
    s3.delete_object(**place)


def checksum_of_parts(data: bytes) -> str:
    """Return S3's checksum of an object in parts: the SHA-256 of the parts' checksums, and their number."""
    parts = [hashlib.sha256(data[start : start + PART]).digest() for start in range(0, len(data), PART)]
    return f"{base64.b64encode(hashlib.sha256(b''.join(parts)).digest()).decode()}-{len(parts)}"


def killed_when_there_are(parts: int, url: str, log: Path, arguments: list[str]) -> None:
    """Start the client and kill it as soon as S3 has that many parts."""
    with log.open("wb") as output:
        client = subprocess.Popen(
            [sys.executable, "-m", "sluice_cli", "upload", *arguments],
            env={**os.environ, **client_env(url), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_for(lambda: client.poll() is not None or arrived(url, log) >= parts, log.read_text)
    client.kill()
    assert client.wait() == -9, log.read_text()


def arrived(url: str, log: Path) -> int:
    """How many parts S3 has of the job that the client named."""
    named = re.search(r"^job (\S+)$", log.read_text(), re.MULTILINE)
    answer = http.get(f"{url}/uploads/{named[1]}/parts") if named else None
    return len(answer.json()["parts"]) if answer is not None and answer.is_success else 0


def sluice(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sluice_cli", "upload", *arguments],
        env={**os.environ, **client_env(url)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
