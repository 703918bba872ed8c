"""``sluice upload``, from the file to the exit status."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket

import httpx
import pytest
from click.testing import CliRunner, Result

from sluice_cli import errors, retry
from sluice_cli.documents.uploads import SinglePutUpload
from sluice_cli.main import main
from sluice_cli.transfer.local_file import CHUNK_SIZE, LocalFile
from sluice_cli.transfer.put import put_file
from tests.support.cli_fake import (
    CSV,
    JOB_ID,
    KEY,
    Answer,
    FakeSluice,
    RecordingWatcher,
    job,
    problem,
    s3_error,
)

REQUIRED = {  # members of every request to upload the file
    "filename": "people.csv",
    "size": len(CSV),
    "sha256": hashlib.sha256(CSV).hexdigest(),
    "part_checksums": True,
}


def run(server: FakeSluice, *arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"SLUICE_URL": server.url + "/"})


def send(
    server: FakeSluice, path: Path, *, expires_at: datetime | None = None
) -> tuple[RecordingWatcher, list[float]]:
    """Send the file without the command and without waiting. Return the watcher and the pauses."""
    watcher, pauses = RecordingWatcher(), list[float]()
    with httpx.Client() as client, LocalFile.open(path) as file:
        upload = SinglePutUpload.read(
            {
                "job_id": JOB_ID,
                "upload": {
                    "url": server.origin + KEY,
                    "headers": {"Content-Type": "text/csv"},
                    "expires_at": expires_at and expires_at.isoformat(),
                },
            }
        )
        put_file(client, upload, file, watcher, sleep=pauses.append)
    return watcher, pauses


def test_a_file_is_sent_and_its_job_followed_until_the_counts(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PENDING")), Answer(200, job("PROCESSING")), Answer(200, job())]
    result = run(server, "upload", csv)
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"job {JOB_ID}"
    assert lines[1] == "uploading people.csv, 16 bytes"
    assert lines[2].startswith("uploaded 16 bytes in ")
    assert lines[3:] == [
        "PENDING: 43%, 9.2 MB of 21.5 MB, 4,021 rows, 4,000 rows/s, 3.1 s left, 18 rejected",
        "PROCESSING: 43%, 9.2 MB of 21.5 MB, 4,021 rows, 4,000 rows/s, 3.1 s left, 18 rejected",
        "COMPLETED in 4.2 s: people.csv into dataset default",
        "read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected",
        f"See what was rejected and why: sluice errors {JOB_ID}",
    ]


def test_the_put_has_the_signed_url_the_signed_headers_and_a_length(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv)
    (put,) = server.requests_of("PUT")
    assert put.target == KEY
    assert put.body == CSV
    assert put.headers["Content-Type"] == "text/csv"
    assert put.headers["x-amz-meta-job"] == JOB_ID
    assert put.headers["Content-Length"] == str(len(CSV))
    assert "Transfer-Encoding" not in put.headers


def test_dataset_and_format_reach_the_api(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv, "--dataset", "people", "--format", "csv")
    (post,) = server.requests_of("POST")
    assert post.json == {**REQUIRED, "dataset": "people", "format": "csv"}


def test_options_not_given_are_not_sent(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv)
    assert server.requests_of("POST")[0].json == REQUIRED


def test_csv_options_reach_the_api_with_their_types(server: FakeSluice, csv: Path) -> None:
    options = ["delimiter=;", "header=false", "skip_lines=2", 'missing_values=["n/a"]', "decimal=,", "quote="]
    run(server, "upload", csv, "--no-follow", *[word for option in options for word in ("-o", option)])
    assert server.requests_of("POST")[0].json["options"] == {
        "delimiter": ";",
        "header": False,
        "skip_lines": 2,
        "missing_values": ["n/a"],
        "decimal": ",",
        "quote": "",
    }


def test_the_parent_job_reaches_the_api(server: FakeSluice, csv: Path) -> None:
    parent = "73a3eb48-477f-4fcb-bd18-1865d0026c05"
    run(server, "upload", csv, "--parent-job", parent)
    assert server.requests_of("POST")[0].json == {**REQUIRED, "parent_job": parent}


def test_force_reaches_the_api(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv, "--force")
    assert server.requests_of("POST")[0].json == {**REQUIRED, "force": True}


def test_a_duplicate_file_names_the_job_that_had_loaded_it(server: FakeSluice, csv: Path) -> None:
    first = "00000000-0000-4000-8000-000000000001"
    server.polls = [Answer(200, job(duplicate_of=first))]
    line = f"Job {first} has loaded the same file; upload it with --force to load it again."
    result = run(server, "upload", csv)
    assert result.exit_code == 0
    assert result.stdout.splitlines().count(line) == 1
    assert run(server, "job", JOB_ID).stdout.splitlines().count(line) == 1


def test_a_large_file_is_registered_without_a_checksum(server: FakeSluice, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as handle:
        handle.truncate((64 << 20) + 1)
    server.create = problem(413, "Payload Too Large", "The file is larger than 5 bytes.", field="size")
    assert run(server, "upload", path).exit_code == errors.INPUT_ERROR
    assert "sha256" not in server.requests_of("POST")[0].json


def test_a_file_damaged_in_transit_is_sent_again(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(400, "BadDigest", "The SHA256 did not match."), Answer(200)]
    send(server, csv)
    assert len(server.requests_of("PUT")) == 2


def test_an_option_without_a_value_is_an_input_error(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", csv, "-o", "delimiter")
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output


def test_bytes_of_a_name_that_are_not_utf8_are_replaced(server: FakeSluice, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    path.write_bytes(CSV)
    assert run(server, "upload", path).exit_code == 0
    assert server.requests_of("POST")[0].json["filename"] == "caf\ufffd.csv"


def test_json_prints_only_the_last_document_on_stdout(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", csv, "--json")
    assert json.loads(result.stdout) == job()
    assert "uploaded 16 bytes" in result.stderr
    assert result.exit_code == 0


def test_no_follow_does_not_wait_for_the_job(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING"))]
    result = run(server, "upload", csv, "--no-follow")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith(f"sluice job {JOB_ID} --follow")
    assert server.requests_of("GET") == []
    assert json.loads(run(server, "upload", csv, "--no-follow", "--json").stdout)["status"] == "PROCESSING"


def test_a_failed_job_says_why_and_exits_with_1(server: FakeSluice, csv: Path) -> None:
    error = {"code": "source-changed", "message": "The object \x1b[31mchanged."}
    none = {"read": 0, "inserted": 0, "duplicates": 0, "rejected": 0}
    server.polls = [Answer(200, job("FAILED", error=error, counts=none))]
    result = run(server, "upload", csv)
    assert result.exit_code == errors.JOB_FAILED
    assert "source-changed: The object \\x1b[31mchanged." in result.stdout
    assert "read 0" not in result.stdout
    as_json = run(server, "upload", csv, "--json")
    assert as_json.exit_code == errors.JOB_FAILED
    assert json.loads(as_json.stdout)["error"] == error


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "UNDONE"])
def test_other_terminal_statuses_exit_with_1(server: FakeSluice, csv: Path, status: str) -> None:
    server.polls = [Answer(200, job(status))]
    assert run(server, "upload", csv).exit_code == errors.JOB_FAILED


def test_counts_that_do_not_add_up_are_called_a_bug(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job(counts={"read": 5, "inserted": 3, "duplicates": 0, "rejected": 0}))]
    result = run(server, "upload", csv)
    assert "read 5 ≠ 3 inserted" in result.stdout
    assert "bug" in result.stdout


def test_files_that_cannot_be_sent_are_refused_before_any_request(server: FakeSluice, tmp_path: Path) -> None:
    empty, pipe, loop = tmp_path / "empty.csv", tmp_path / "pipe", tmp_path / "loop"
    empty.touch()
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    messages = {
        empty: "is empty: there is nothing to load.",
        tmp_path: "is a directory; give one file.",
        pipe: "is not a regular file",
        loop: "loop: Too many levels of symbolic links.",
        tmp_path / "no\x1b[2Jwhere": "no\\x1b[2Jwhere: No such file or directory.",
    }
    for path, message in messages.items():
        result = run(server, "upload", path)
        assert result.exit_code == errors.INPUT_ERROR
        assert message in result.stderr
        assert "\x1b" not in result.stderr
    assert server.requests == []


@pytest.mark.parametrize("change", ["shrink", "grow", "rewrite"])
def test_a_file_that_changes_meanwhile_is_not_stored(server: FakeSluice, tmp_path: Path, change: str) -> None:
    path = tmp_path / "log.ndjson"
    path.write_bytes(b"x" * (3 * CHUNK_SIZE))

    def on_update(count: int) -> None:
        if count == CHUNK_SIZE:
            _change(path, change)

    with httpx.Client() as client, LocalFile.open(path) as file:
        upload = SinglePutUpload.read({"job_id": JOB_ID, "upload": {"url": server.origin + KEY}})
        with pytest.raises(errors.InputError, match="changed while it was being sent"):
            put_file(client, upload, file, RecordingWatcher(on_update))
    assert server.objects == {}


def _change(path: Path, how: str) -> None:
    if how == "shrink":
        os.truncate(path, CHUNK_SIZE + 1)
    elif how == "grow":
        with path.open("ab") as handle:
            handle.write(b"more")
    else:
        path.write_bytes(b"y" * (3 * CHUNK_SIZE))
        os.utime(path, (1, 1))


def test_progress_counts_every_byte_once(server: FakeSluice, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(os.urandom(2 * CHUNK_SIZE + 5))
    watcher, _ = send(server, path)
    assert watcher.counts == [0, CHUNK_SIZE, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 5]
    assert server.objects[KEY] == path.read_bytes()


@pytest.mark.parametrize("failure", [None, Answer(503, b""), s3_error(400, "RequestTimeout", "idle")])
def test_a_transient_failure_is_retried_from_the_start_with_backoff(
    server: FakeSluice, csv: Path, failure: Answer | None
) -> None:
    server.puts = [failure, failure, Answer(200)]
    watcher, pauses = send(server, csv)
    assert [put.body for put in server.requests_of("PUT")] == [CSV] * 3
    assert watcher.counts == [0, len(CSV)] * 3
    assert len(watcher.notes) == 2
    assert pauses == [0.5, 1.0]


def test_retries_end_after_the_last_attempt(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(500, "InternalError", "We encountered an internal error.")]
    with pytest.raises(errors.ServiceError, match=r"HTTP 500.*InternalError: We encountered"):
        send(server, csv)
    assert len(server.requests_of("PUT")) == retry.ATTEMPTS


def test_an_upload_that_broke_off_once_completes(server: FakeSluice, csv: Path) -> None:
    server.puts = [None, Answer(200)]
    result = run(server, "upload", csv)
    assert result.exit_code == 0
    assert "Sending it again from the start in 0.5 s." in result.stdout


def test_an_expired_url_is_named_as_the_cause(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(403, "AccessDenied", "Request has expired")]
    result = run(server, "upload", csv)
    assert result.exit_code == errors.SERVICE_ERROR
    assert "The upload URL expired at" in result.stderr
    assert "Run the same command again" in result.stderr
    assert len(server.requests_of("PUT")) == 1


def test_a_failure_after_the_url_has_expired_is_not_retried(server: FakeSluice, csv: Path) -> None:
    server.puts = [None]
    with pytest.raises(errors.ServiceError, match="expired at 2025-01-02 03:04:05Z"):
        send(server, csv, expires_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert len(server.requests_of("PUT")) == 1


def test_a_refusal_of_s3_is_shown_with_its_message_escaped(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(403, "SignatureDoesNotMatch", "The \x1b]0;x\x07signature differs.")]
    server.expires_at = datetime.now(UTC) + timedelta(hours=1)
    result = run(server, "upload", csv)
    assert result.exit_code == errors.SERVICE_ERROR
    assert "(HTTP 403): SignatureDoesNotMatch: The \\x1b]0;x\\x07signature differs." in result.stderr


def test_a_refusal_of_the_api_shows_the_field_and_the_request_id(server: FakeSluice, csv: Path) -> None:
    server.create = problem(400, "Bad Request", "dataset has 300 characters; at most 63.", field="dataset")
    result = run(server, "upload", csv)
    assert result.exit_code == errors.INPUT_ERROR
    assert "Error: Bad Request: dataset has 300 characters; at most 63." in result.stderr
    assert "field: dataset" in result.stderr
    assert "request id: req-1" in result.stderr


def test_a_failure_of_the_api_exits_with_3(server: FakeSluice, csv: Path) -> None:
    for answer in (
        problem(503, "Service Unavailable", "database"),
        Answer(500, {"message": "Internal"}),
        None,
    ):
        server.create = answer
        if answer is None:
            server.create = Answer(202, b"<html>")
        assert run(server, "upload", csv).exit_code == errors.SERVICE_ERROR


def test_a_missing_address_tells_what_to_set(csv: Path) -> None:
    result = CliRunner().invoke(main, ["upload", str(csv)], env={"SLUICE_URL": None})
    assert result.exit_code == errors.INPUT_ERROR
    assert "set SLUICE_URL, or give --url" in result.stderr
    assert "`make up` writes .local/env" in result.stderr


@pytest.mark.parametrize(
    "url", ["localhost:80", "ftp://h/x", "http://", "http://h:x/", "http://h/?q", "http://[/"]
)
def test_an_invalid_address_is_an_input_error(csv: Path, url: str) -> None:
    result = CliRunner().invoke(main, ["--url", url, "upload", str(csv)])
    assert result.exit_code == errors.INPUT_ERROR
    assert "is not the address of an API" in result.stderr


def test_a_refused_connection_is_a_service_error(csv: Path) -> None:
    with socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = CliRunner().invoke(main, ["--url", url, "upload", str(csv)])
    assert result.exit_code == errors.SERVICE_ERROR
    assert f"No answer from {url}: Connection refused" in result.stderr
    assert "Is the service running" in result.stderr


def test_another_server_at_the_address_gives_a_hint(server: FakeSluice, csv: Path) -> None:
    result = CliRunner().invoke(main, ["--url", server.origin + "/other", "upload", str(csv)])
    assert result.exit_code == errors.INPUT_ERROR
    assert "Is SLUICE_URL (or --url) the address of the API?" in result.stderr


def test_hints_repeat_the_url_option(server: FakeSluice, csv: Path) -> None:
    result = CliRunner().invoke(main, ["--url", server.url, "upload", str(csv)])
    assert f"sluice --url {server.url} errors {JOB_ID}" in result.stdout


def test_a_file_is_read_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as handle:
        handle.truncate(8 << 20)
    largest = 0
    with LocalFile.open(path) as file:
        for chunk in file.chunks(lambda _: None):
            largest = max(largest, len(chunk))
    assert largest == CHUNK_SIZE
