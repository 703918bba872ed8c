"""``sluice upload --resume``: finishing a multipart upload that broke off."""

import shlex
from pathlib import Path

import pytest

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, problem, run
from tests.support.cli_fake_parts import DENIED, PART, SIZE, FakeParts, numbers_put, part


@pytest.fixture
def broken_off(s3: FakeParts, large: Path) -> FakeParts:
    """A multipart upload with three parts in S3."""
    s3.size = SIZE
    s3.stored = {number: part(large, number) for number in (1, 4, 11)}
    return s3


def test_resume_sends_only_the_missing_parts(server: FakeSluice, broken_off: FakeParts, large: Path) -> None:
    result = run(server, "upload", str(large), "--resume", JOB_ID)
    assert result.exit_code == 0, result.output
    assert numbers_put(server) == [2, 3, 5, 6, 7, 8, 9, 10]
    assert broken_off.whole == large.read_bytes()
    assert broken_off.completed
    assert [r.target for r in server.requests_of("POST") if r.target.endswith("/uploads")] == []
    assert f"job {JOB_ID}\n" in result.stdout
    assert "245 bytes of it have arrived already" in result.stdout
    assert "uploaded 800 bytes in" in result.stdout
    assert "COMPLETED" in result.stdout


def test_all_pages_of_stored_parts_are_read(server: FakeSluice, broken_off: FakeParts, large: Path) -> None:
    broken_off.stored = {number: part(large, number) for number in range(1, 12)}
    assert run(server, "upload", str(large), "--resume", JOB_ID, "--no-follow").exit_code == 0
    assert len(server.requests_of("GET", "/parts")) == 6
    assert server.requests_of("PUT") == []
    assert broken_off.completed


def test_parts_of_unknown_content_or_size_are_sent_again(
    server: FakeSluice, broken_off: FakeParts, large: Path
) -> None:
    broken_off.without_checksum = {4}
    broken_off.stored[11] = b"short"
    broken_off.stored[12] = b"no such part"
    run(server, "upload", str(large), "--resume", JOB_ID, "--no-follow")
    assert numbers_put(server) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_an_upload_begun_without_checksums_is_resumed_without(
    server: FakeSluice, broken_off: FakeParts, large: Path
) -> None:
    broken_off.checksums = False
    assert run(server, "upload", str(large), "--resume", JOB_ID).exit_code == 0
    assert numbers_put(server) == list(range(1, 12))
    assert broken_off.whole == large.read_bytes()


def test_another_file_is_refused(server: FakeSluice, broken_off: FakeParts, large: Path) -> None:
    broken_off.stored[4] = bytes(PART)
    result = run(server, "upload", str(large), "--resume", JOB_ID)
    assert result.exit_code == errors.INPUT_ERROR
    assert "is not the file that the upload was begun with: part 4 has other bytes." in result.stderr
    assert "without --resume" in result.stderr
    broken_off.size = SIZE + 1
    result = run(server, "upload", str(large), "--resume", JOB_ID)
    assert "it has 1,045 bytes, and that one 1,046." in result.stderr
    assert server.requests_of("PUT") == []


def test_a_complete_upload_is_only_followed(server: FakeSluice, broken_off: FakeParts, large: Path) -> None:
    broken_off.completed = True
    result = run(server, "upload", str(large), "--resume", JOB_ID)
    assert result.exit_code == 0
    assert "The upload is complete: nothing is left to send." in result.stdout
    assert "COMPLETED" in result.stdout
    assert server.requests_of("PUT") == []


def test_an_upload_that_was_canceled_shows_the_servers_message(
    server: FakeSluice, broken_off: FakeParts, large: Path
) -> None:
    broken_off.completed = True
    broken_off.completes = [problem(409, "Conflict", "The upload was canceled.")]
    result = run(server, "upload", str(large), "--resume", JOB_ID)
    assert result.exit_code == errors.INPUT_ERROR
    assert "Conflict: The upload was canceled." in result.stderr


def test_an_upload_that_does_not_exist_is_an_input_error(server: FakeSluice, large: Path) -> None:
    result = run(server, "upload", str(large), "--resume", JOB_ID)
    assert result.exit_code == errors.INPUT_ERROR
    assert "There is no such job." in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--dataset", "d"],
        ["--format", "csv"],
        ["-o", "header=false"],
        ["--force"],
        ["--parent-job", "73a3eb48-477f-4fcb-bd18-1865d0026c05"],
    ],
)
def test_resume_refuses_options_of_a_new_upload(server: FakeSluice, large: Path, options: list[str]) -> None:
    result = run(server, "upload", str(large), "--resume", JOB_ID, *options)
    assert result.exit_code == errors.INPUT_ERROR
    assert f"{options[0]} cannot be given with --resume" in result.output
    assert server.requests == []


def test_the_hint_of_a_failed_upload_can_be_run(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {2: [DENIED]}
    hint = run(server, "upload", str(large)).stderr.splitlines()[-1]
    program, *arguments = shlex.split(hint.partition(": ")[2])
    assert program == "sluice"
    assert run(server, *arguments).exit_code == 0
    assert s3.whole == large.read_bytes()


@pytest.mark.usefixtures("broken_off")
def test_a_resumed_upload_need_not_be_followed(server: FakeSluice, large: Path) -> None:
    server.polls = [Answer(200, job("PENDING"))]
    result = run(server, "upload", str(large), "--resume", JOB_ID, "--no-follow")
    assert result.stdout.splitlines()[-1].endswith(f"sluice job {JOB_ID} --follow")
