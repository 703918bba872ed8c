"""Multipart uploads: which parts are sent, retried and completed."""

import hashlib
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from click.testing import CliRunner

from sluice_cli import errors, retry
from sluice_cli.api import Api
from sluice_cli.documents.jobs import Job
from sluice_cli.documents.uploads import MultipartUpload, read_presigned_parts
from sluice_cli.errors import UnexpectedResponseError
from sluice_cli.escaping import shell_quoted
from sluice_cli.main import main
from sluice_cli.transfer.local_file import CHUNK_SIZE, LocalFile
from sluice_cli.transfer.multipart import PRESIGN_BATCH, MultipartSender, TotalProgress
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, RecordingWatcher, problem, run, s3_error
from tests.support.cli_fake_parts import DENIED, PART, SIZE, FakeParts, numbers_put, part, resume_command

UNAVAILABLE = problem(503, "Service Unavailable", "The database does not answer.")
EXPIRED = s3_error(403, "AccessDenied", "Request has expired")


def touching_after(size: int, path: Path) -> RecordingWatcher:
    """Return a watcher that changes the file once so many bytes have been sent."""

    def on_update(count: int) -> None:
        if count >= size:
            os.utime(path, (1, 1))

    return RecordingWatcher(on_update)


def send(server: FakeSluice, path: Path, watcher: RecordingWatcher, pauses: list[float] | None = None) -> Job:
    """Send all parts without the command and without waiting. The pauses are added to ``pauses``."""
    assert server.parts
    server.parts.size = path.stat().st_size
    upload = MultipartUpload(
        UUID(JOB_ID), server.parts.size, server.parts.part_size, server.parts.checksums, None
    )
    with httpx.Client() as client, LocalFile.open(path) as file:
        sleep = (pauses if pauses is not None else []).append
        sender = MultipartSender(Api(server.url, client), upload, file, TotalProgress(watcher, 0), sleep)
        return sender.send(upload.numbers)


def test_a_file_is_sent_in_parts_and_its_job_followed(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    result = run(server, "upload", str(large), "--dataset", "d", "--force")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert s3.stored == {number: part(large, number) for number in range(1, 12)}
    assert s3.whole == large.read_bytes()
    lines = result.stdout.splitlines()
    assert lines[0] == f"job {JOB_ID}"
    assert lines[1].startswith("If the upload breaks off, resume it until ")
    assert lines[1].endswith(f"Z: {resume_command(large)}")
    assert lines[2] == "uploading it's large.csv, 1.0 kB"
    assert lines[3].startswith("uploaded 1.0 kB in ")
    assert lines[4] == "COMPLETED in 4.2 s: people.csv into dataset default"


@pytest.mark.usefixtures("s3")
def test_a_refused_checksum_of_the_whole_file_is_left_out(server: FakeSluice, large: Path) -> None:
    run(server, "upload", str(large), "--dataset", "d", "--force")
    first, second = (request.json for request in server.requests_of("POST", "/uploads")[:2])
    digest = hashlib.sha256(large.read_bytes()).hexdigest()
    assert first == second | {"sha256": digest}
    assert second == {
        "filename": large.name,
        "size": SIZE,
        "dataset": "d",
        "force": True,
        "part_checksums": True,
    }


def test_urls_are_requested_in_batches_with_checksums(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.part_size = 20
    send(server, large, RecordingWatcher())
    batches = [request.json["parts"] for request in server.requests_of("POST", "/parts")]
    assert max(map(len, batches)) == PRESIGN_BATCH
    checksums = {item["number"]: item["sha256"] for batch in batches for item in batch}
    assert checksums == {n: hashlib.sha256(data).hexdigest() for n, data in s3.stored.items()}
    assert s3.whole == large.read_bytes()
    (complete,) = server.requests_of("POST", "/complete")
    assert server.requests[-1] is complete


def test_progress_is_the_sum_over_all_parts(server: FakeSluice, s3: FakeParts, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(os.urandom(9 * CHUNK_SIZE + 5))
    s3.part_size = 2 * CHUNK_SIZE
    watcher = RecordingWatcher()
    send(server, path, watcher)
    assert sorted(watcher.counts) == watcher.counts
    assert watcher.counts[-1] == path.stat().st_size
    assert s3.whole == path.read_bytes()


@pytest.mark.parametrize("failure", [None, Answer(500, b""), s3_error(400, "BadDigest", "damaged")])
def test_only_the_failed_part_is_retried(
    server: FakeSluice, s3: FakeParts, large: Path, failure: Answer | None
) -> None:
    s3.puts = {3: [failure, failure]}
    watcher, pauses = RecordingWatcher(), list[float]()
    send(server, large, watcher, pauses)
    assert s3.whole == large.read_bytes()
    assert numbers_put(server) == sorted([*range(1, 12), 3, 3])
    assert pauses == [0.5, 1.0]
    assert [note.partition(". Sending ")[2] for note in watcher.notes] == [
        "part 3 again in 0.5 s.",
        "part 3 again in 1.0 s.",
    ]
    assert watcher.counts[-1] == SIZE


def test_the_command_reports_a_retried_part(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {3: [Answer(500, b"")]}
    result = run(server, "upload", str(large))
    assert result.exit_code == 0
    assert "S3 did not accept part 3 (HTTP 500)" in result.stdout
    assert "Sending part 3 again in 0.5 s." in result.stdout


def test_an_expired_url_is_replaced(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {3: [EXPIRED]}
    send(server, large, RecordingWatcher())
    first, second = server.requests_of("PUT", "partNumber=3&")
    assert first.target != second.target
    batches = [
        [item["number"] for item in request.json["parts"]] for request in server.requests_of("POST", "/parts")
    ]
    assert [3] in batches
    assert s3.whole == large.read_bytes()


def test_a_url_past_its_expiry_is_not_used(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.expires_in = timedelta(seconds=-1)
    watcher = RecordingWatcher()
    send(server, large, watcher)
    signatures = {int(r.target.rpartition("=")[2]) for r in server.requests_of("PUT")}
    assert len(signatures) == 11
    assert len(server.requests_of("POST", "/parts")) > 11
    assert watcher.notes == []


@pytest.mark.parametrize("script", ["presigns", "completes"])
def test_a_transient_failure_of_the_api_is_retried(
    server: FakeSluice, s3: FakeParts, large: Path, script: str
) -> None:
    getattr(s3, script).extend([UNAVAILABLE, None])
    pauses = list[float]()
    assert send(server, large, RecordingWatcher(), pauses).status == "PENDING"
    assert s3.completed
    assert len(pauses) == 2


def test_completing_is_retried_when_its_answer_is_lost(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    s3.completes = [None]
    assert run(server, "upload", str(large)).exit_code == 0
    assert len(server.requests_of("POST", "/complete")) == 2


def test_retries_of_a_part_end_after_the_last_attempt(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {11: [Answer(503, b"")] * 99}
    with pytest.raises(errors.ServiceError, match=r"did not accept part 11 \(HTTP 503\)"):
        send(server, large, RecordingWatcher())
    assert numbers_put(server).count(11) == retry.ATTEMPTS
    assert server.requests_of("POST", "/complete") == []


def test_a_failure_tells_how_to_resume(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {2: [DENIED] * 99}
    result = CliRunner().invoke(main, ["--url", server.url, "upload", str(large)])
    assert result.exit_code == errors.SERVICE_ERROR
    command = resume_command(large).replace("sluice", f"sluice --url {server.url}", 1)
    assert result.stderr.splitlines() == [
        "Error: S3 did not accept part 2 (HTTP 403): SignatureDoesNotMatch: No.",
        f"To resume the upload: {command}",
    ]


def test_a_refused_completion_shows_the_servers_message(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    s3.completes = [problem(409, "Conflict", "2 parts are missing.", missing=[3, 7])]
    result = run(server, "upload", str(large))
    assert result.exit_code == errors.INPUT_ERROR
    assert "2 parts are missing." in result.stderr
    assert resume_command(large) in result.stderr


@pytest.mark.usefixtures("s3")
def test_a_file_that_changes_meanwhile_is_not_completed(server: FakeSluice, large: Path) -> None:
    watcher = touching_after(3 * PART, large)
    with pytest.raises(errors.InputError, match="changed while it was being sent"):
        send(server, large, watcher)
    assert server.requests_of("POST", "/complete") == []


def test_a_file_that_changes_at_the_very_end_is_not_completed(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    watcher = touching_after(SIZE, large)
    with pytest.raises(errors.InputError):
        send(server, large, watcher)
    assert len(s3.stored) == 11
    assert server.requests_of("POST", "/complete") == []


def test_quoted_names_survive_a_shell_and_are_printable() -> None:
    name = os.fsdecode(b"-a'b\\\x1b]0;x\x07\xe9 \n1$(x).csv")
    quoted = shell_quoted(name)
    assert quoted.isascii()
    assert quoted.isprintable()
    echo = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True)
    assert echo.stdout == os.fsencode(name)
    assert shell_quoted("größe 1.csv") == "'größe 1.csv'"


@pytest.mark.parametrize(
    "members",
    [
        {"part_size": 0},
        {"part_size": -1},
        {"part_size": True},
        {"part_count": 3},
        {"size": None},
        {"size": 0},
    ],
)
def test_parts_that_do_not_make_up_the_file_are_refused(members: dict[str, object]) -> None:
    right = {"size": 11, "part_size": 10, "part_count": 2}
    assert list(MultipartUpload.read(UUID(JOB_ID), right, checksums=True).numbers) == [1, 2]
    with pytest.raises(UnexpectedResponseError):
        MultipartUpload.read(UUID(JOB_ID), right | members, checksums=True)


@pytest.mark.parametrize(
    "answer", [{}, {"parts": [1]}, {"parts": [{"number": 1}]}, {"parts": [{"url": "x"}]}]
)
def test_answers_without_parts_urls_are_refused(answer: object) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_presigned_parts(answer)


def test_a_part_without_a_url_is_an_error(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.presigns = [Answer(200, {"parts": []})] * 99
    with pytest.raises(UnexpectedResponseError, match="it has no URL for part"):
        send(server, large, RecordingWatcher())


def test_a_part_is_read_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as handle:
        handle.truncate(8 << 20)
    with LocalFile.open(path) as file:
        span = (CHUNK_SIZE + 1, 4 * CHUNK_SIZE)
        lengths = [len(chunk) for chunk in file.chunks(lambda _: None, span)]
        assert lengths == [CHUNK_SIZE] * 2 + [CHUNK_SIZE - 1]
        assert file.sha256(span) == hashlib.sha256(bytes(3 * CHUNK_SIZE - 1)).hexdigest()
