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

from sluice_cli import errors, retry, upload
from sluice_cli.main import main
from sluice_cli.tickets import Ticket
from tests.support.cli_fake import CSV, JOB_ID, KEY, Answer, FakeSluice, job, problem, s3_error

SAID = {  # of the file that is uploaded here, always
    "filename": "people.csv",
    "size": len(CSV),
    "sha256": hashlib.sha256(CSV).hexdigest(),
    "part_checksums": True,
}


def run(server: FakeSluice, *arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"SLUICE_URL": server.url + "/"})


class Notes:
    """Remembers what an upload says."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.notes: list[str] = []

    def sent(self, count: int) -> None:
        self.counts.append(count)

    def note(self, text: str) -> None:
        self.notes.append(text)


def send(server: FakeSluice, path: Path, *, expires_at: datetime | None = None) -> tuple[Notes, list[float]]:
    """Upload straight, with a clock that does not wait; what was noted, and the waits."""
    notes, waits = Notes(), list[float]()
    ticket_headers = {"Content-Type": "text/csv"}
    with httpx.Client() as client, upload.LocalFile.open(path) as file:
        ticket = Ticket.read(
            {
                "job_id": JOB_ID,
                "upload": {
                    "url": server.origin + KEY,
                    "headers": ticket_headers,
                    "expires_at": expires_at and expires_at.isoformat(),
                },
            }
        )
        upload.put(client, ticket, file, notes, sleep=waits.append)
    return notes, waits


def test_a_file_is_sent_and_its_job_followed_to_the_reconciliation(server: FakeSluice, csv: Path) -> None:
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
    (put,) = server.seen("PUT")
    assert put.target == KEY
    assert put.body == CSV
    assert put.headers["Content-Type"] == "text/csv"
    assert put.headers["x-amz-meta-job"] == JOB_ID
    assert put.headers["Content-Length"] == str(len(CSV))
    assert "Transfer-Encoding" not in put.headers


def test_options_reach_the_api(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv, "--dataset", "people", "--format", "csv")
    (post,) = server.seen("POST")
    assert post.json == {**SAID, "dataset": "people", "format": "csv"}


def test_what_is_not_given_is_left_to_the_api(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv)
    assert server.seen("POST")[0].json == SAID


def test_options_say_how_the_file_is_written(server: FakeSluice, csv: Path) -> None:
    given = ["delimiter=;", "header=false", "skip_lines=2", 'missing_values=["n/a"]', "decimal=,", "quote="]
    run(server, "upload", csv, "--no-follow", *[part for it in given for part in ("-o", it)])
    assert server.seen("POST")[0].json["options"] == {
        "delimiter": ";",
        "header": False,
        "skip_lines": 2,
        "missing_values": ["n/a"],
        "decimal": ",",
        "quote": "",
    }


def test_what_was_loaded_before_can_be_loaded_again(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", csv, "--force")
    assert server.seen("POST")[0].json == {**SAID, "force": True}


def test_a_duplicate_says_which_job_had_loaded_the_file(server: FakeSluice, csv: Path) -> None:
    first = "00000000-0000-4000-8000-000000000001"
    server.polls = [Answer(200, job(duplicate_of=first))]
    line = f"Job {first} had loaded the same file; upload with --force loads it all the same."
    result = run(server, "upload", csv)
    assert result.exit_code == 0
    assert result.stdout.splitlines().count(line) == 1
    assert run(server, "job", JOB_ID).stdout.splitlines().count(line) == 1


def test_a_file_too_large_to_be_read_twice_is_sent_without_a_checksum(
    server: FakeSluice, tmp_path: Path
) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as handle:
        handle.truncate((64 << 20) + 1)
    server.create = problem(413, "Payload Too Large", "The file is larger than 5 bytes.", field="size")
    assert run(server, "upload", path).exit_code == errors.WRONG_INPUT
    assert "sha256" not in server.seen("POST")[0].json


def test_what_was_damaged_on_the_way_is_sent_again(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(400, "BadDigest", "The SHA256 did not match."), Answer(200)]
    send(server, csv)
    assert len(server.seen("PUT")) == 2


def test_an_option_without_a_value_is_wrong_usage(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", csv, "-o", "delimiter")
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output


def test_a_name_that_is_not_utf8_is_sent_as_far_as_it_is(server: FakeSluice, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    path.write_bytes(CSV)
    assert run(server, "upload", path).exit_code == 0
    assert server.seen("POST")[0].json["filename"] == "caf\ufffd.csv"


def test_json_prints_the_last_document_alone_on_stdout(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", csv, "--json")
    assert json.loads(result.stdout) == job()
    assert "uploaded 16 bytes" in result.stderr
    assert result.exit_code == 0


def test_without_following_the_job_is_not_waited_for(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING"))]
    result = run(server, "upload", csv, "--no-follow")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith(f"sluice job {JOB_ID} --follow")
    assert server.seen("GET") == []
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
def test_other_ends_are_ends_too(server: FakeSluice, csv: Path, status: str) -> None:
    server.polls = [Answer(200, job(status))]
    assert run(server, "upload", csv).exit_code == errors.JOB_FAILED


def test_counts_that_do_not_add_up_are_not_passed_over(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job(counts={"read": 5, "inserted": 3, "duplicates": 0, "rejected": 0}))]
    result = run(server, "upload", csv)
    assert "read 5 ≠ 3 inserted" in result.stdout
    assert "bug" in result.stdout


def test_files_that_cannot_be_sent_are_told_before_anything_is_asked(
    server: FakeSluice, tmp_path: Path
) -> None:
    empty, pipe, loop = tmp_path / "empty.csv", tmp_path / "pipe", tmp_path / "loop"
    empty.touch()
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    told = {
        empty: "is empty: there is nothing to load.",
        tmp_path: "is a directory; give one file.",
        pipe: "is not a regular file",
        loop: "loop: Too many levels of symbolic links.",
        tmp_path / "no\x1b[2Jwhere": "no\\x1b[2Jwhere: No such file or directory.",
    }
    for path, message in told.items():
        result = run(server, "upload", path)
        assert result.exit_code == errors.WRONG_INPUT
        assert message in result.stderr
        assert "\x1b" not in result.stderr
    assert server.requests == []


@pytest.mark.parametrize("change", ["shrink", "grow", "rewrite"])
def test_a_file_that_changes_meanwhile_is_not_stored(server: FakeSluice, tmp_path: Path, change: str) -> None:
    path = tmp_path / "log.ndjson"
    path.write_bytes(b"x" * (3 * upload.CHUNK))
    with httpx.Client() as client, upload.LocalFile.open(path) as file:

        class Change(Notes):
            def sent(self, count: int) -> None:
                if count == upload.CHUNK:
                    _change(path, change)

        ticket = Ticket.read({"job_id": JOB_ID, "upload": {"url": server.origin + KEY}})
        with pytest.raises(errors.WrongInput, match="changed while it was being sent"):
            upload.put(client, ticket, file, Change())
    assert server.objects == {}


def _change(path: Path, how: str) -> None:
    if how == "shrink":
        os.truncate(path, upload.CHUNK + 1)
    elif how == "grow":
        with path.open("ab") as handle:
            handle.write(b"more")
    else:
        path.write_bytes(b"y" * (3 * upload.CHUNK))
        os.utime(path, (1, 1))


def test_progress_counts_every_byte_once(server: FakeSluice, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(os.urandom(2 * upload.CHUNK + 5))
    notes, _ = send(server, path)
    assert notes.counts == [0, upload.CHUNK, 2 * upload.CHUNK, 2 * upload.CHUNK + 5]
    assert server.objects[KEY] == path.read_bytes()


@pytest.mark.parametrize("trouble", [None, Answer(503, b""), s3_error(400, "RequestTimeout", "idle")])
def test_trouble_on_the_way_is_met_by_sending_again_from_the_start(
    server: FakeSluice, csv: Path, trouble: Answer | None
) -> None:
    server.puts = [trouble, trouble, Answer(200)]
    notes, waits = send(server, csv)
    assert [put.body for put in server.seen("PUT")] == [CSV] * 3
    assert notes.counts == [0, len(CSV)] * 3
    assert len(notes.notes) == 2
    assert waits == [0.5, 1.0]


def test_sending_again_has_an_end(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(500, "InternalError", "We encountered an internal error.")]
    with pytest.raises(errors.Trouble, match=r"HTTP 500.*InternalError: We encountered"):
        send(server, csv)
    assert len(server.seen("PUT")) == retry.ATTEMPTS


def test_an_upload_broken_off_once_still_completes(server: FakeSluice, csv: Path) -> None:
    server.puts = [None, Answer(200)]
    result = run(server, "upload", csv)
    assert result.exit_code == 0
    assert "Sending it again from the start in 0.5 s." in result.stdout


def test_an_expired_url_is_told_as_that(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(403, "AccessDenied", "Request has expired")]
    result = run(server, "upload", csv)
    assert result.exit_code == errors.TROUBLE
    assert "The upload URL expired at" in result.stderr
    assert "Run the same command again" in result.stderr
    assert len(server.seen("PUT")) == 1


def test_trouble_after_the_url_has_expired_is_not_tried_again(server: FakeSluice, csv: Path) -> None:
    server.puts = [None]
    with pytest.raises(errors.Trouble, match="expired at 2025-01-02 03:04:05Z"):
        send(server, csv, expires_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert len(server.seen("PUT")) == 1


def test_another_refusal_is_told_in_s3s_words_made_safe(server: FakeSluice, csv: Path) -> None:
    server.puts = [s3_error(403, "SignatureDoesNotMatch", "The \x1b]0;x\x07signature differs.")]
    server.expires_at = datetime.now(UTC) + timedelta(hours=1)
    result = run(server, "upload", csv)
    assert result.exit_code == errors.TROUBLE
    assert "(HTTP 403): SignatureDoesNotMatch: The \\x1b]0;x\\x07signature differs." in result.stderr


def test_the_apis_refusal_names_the_field_and_the_request(server: FakeSluice, csv: Path) -> None:
    server.create = problem(400, "Bad Request", "dataset has 300 characters; at most 63.", field="dataset")
    result = run(server, "upload", csv)
    assert result.exit_code == errors.WRONG_INPUT
    assert "Error: Bad Request: dataset has 300 characters; at most 63." in result.stderr
    assert "field: dataset" in result.stderr
    assert "request id: req-1" in result.stderr


def test_trouble_of_the_api_exits_with_3(server: FakeSluice, csv: Path) -> None:
    for answer in (
        problem(503, "Service Unavailable", "database"),
        Answer(500, {"message": "Internal"}),
        None,
    ):
        server.create = answer
        if answer is None:
            server.create = Answer(202, b"<html>")
        assert run(server, "upload", csv).exit_code == errors.TROUBLE


def test_no_address_says_what_to_set(csv: Path) -> None:
    result = CliRunner().invoke(main, ["upload", str(csv)], env={"SLUICE_URL": None})
    assert result.exit_code == errors.WRONG_INPUT
    assert "set SLUICE_URL, or give --url" in result.stderr
    assert "`make up` writes .local/env" in result.stderr


@pytest.mark.parametrize(
    "url", ["localhost:80", "ftp://h/x", "http://", "http://h:x/", "http://h/?q", "http://[/"]
)
def test_an_address_that_is_none(csv: Path, url: str) -> None:
    result = CliRunner().invoke(main, ["--url", url, "upload", str(csv)])
    assert result.exit_code == errors.WRONG_INPUT
    assert "is not the address of an API" in result.stderr


def test_nobody_at_the_address(csv: Path) -> None:
    with socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = CliRunner().invoke(main, ["--url", url, "upload", str(csv)])
    assert result.exit_code == errors.TROUBLE
    assert f"No answer from {url}: Connection refused" in result.stderr
    assert "Does the service run" in result.stderr


def test_something_else_at_the_address(server: FakeSluice, csv: Path) -> None:
    result = CliRunner().invoke(main, ["--url", server.origin + "/other", "upload", str(csv)])
    assert result.exit_code == errors.WRONG_INPUT
    assert "Is SLUICE_URL (or --url) the address of the API?" in result.stderr


def test_hints_repeat_a_given_address(server: FakeSluice, csv: Path) -> None:
    result = CliRunner().invoke(main, ["--url", server.url, "upload", str(csv)])
    assert f"sluice --url {server.url} errors {JOB_ID}" in result.stdout


def test_the_file_is_read_piecewise(tmp_path: Path) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as handle:
        handle.truncate(8 << 20)
    largest = 0
    with upload.LocalFile.open(path) as file:
        for chunk in file.chunks(lambda _: None):
            largest = max(largest, len(chunk))
    assert largest == upload.CHUNK
