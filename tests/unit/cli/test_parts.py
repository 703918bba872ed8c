"""Uploads in parts: what is sent, sent again, and not sent."""

import hashlib
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from click.testing import CliRunner

from sluice_cli import errors, parts, retry, upload
from sluice_cli.api import Api
from sluice_cli.documents import Job, NotSluice
from sluice_cli.main import main
from sluice_cli.text import quoted
from sluice_cli.tickets import PartedUpload, part_targets
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, problem, run, s3_error
from tests.support.cli_fake_parts import DENIED, PART, SIZE, FakeParts, numbers_put, part, resume_command

AWAY = problem(503, "Service Unavailable", "The database does not answer.")
EXPIRED = s3_error(403, "AccessDenied", "Request has expired")


class Notes:
    """Remembers what an upload says."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.notes: list[str] = []
        self.touch: tuple[Path, int] | None = None  # what is changed after how many bytes

    def sent(self, count: int) -> None:
        self.counts.append(count)
        if self.touch and count >= self.touch[1]:
            os.utime(self.touch[0], (1, 1))

    def note(self, text: str) -> None:
        self.notes.append(text)


def send(server: FakeSluice, path: Path, notes: Notes, waits: list[float] | None = None) -> Job:
    """Send all parts straight, with a clock that does not wait."""
    assert server.parts
    server.parts.size = path.stat().st_size
    ticket = PartedUpload(
        UUID(JOB_ID), server.parts.size, server.parts.part_size, server.parts.checksums, None
    )
    with httpx.Client() as client, upload.LocalFile.open(path) as file:
        tally = parts.Tally(notes, 0)
        sleep = (waits if waits is not None else []).append
        sender = parts.PartSender(Api(server.url, client), client, ticket, file, tally, sleep)
        return sender.send(ticket.numbers)


def test_a_file_goes_in_parts_and_its_job_is_followed(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    result = run(server, "upload", str(large), "--dataset", "d", "--force")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert s3.stored == {number: part(large, number) for number in range(1, 12)}
    assert s3.whole == large.read_bytes()
    lines = result.stdout.splitlines()
    assert lines[0] == f"job {JOB_ID}"
    assert lines[1].startswith("If the upload breaks off, go on with it, until ")
    assert lines[1].endswith(f"Z: {resume_command(large)}")
    assert lines[2] == "uploading it's large.csv, 1.0 kB"
    assert lines[3].startswith("uploaded 1.0 kB in ")
    assert lines[4] == "COMPLETED in 4.2 s: people.csv into dataset default"


@pytest.mark.usefixtures("s3")
def test_it_is_registered_again_without_a_checksum_of_the_whole(server: FakeSluice, large: Path) -> None:
    run(server, "upload", str(large), "--dataset", "d", "--force")
    first, second = (request.json for request in server.seen("POST", "/uploads")[:2])
    digest = hashlib.sha256(large.read_bytes()).hexdigest()
    assert first == second | {"sha256": digest}
    assert second == {
        "filename": large.name,
        "size": SIZE,
        "dataset": "d",
        "force": True,
        "part_checksums": True,
    }


def test_urls_are_asked_for_a_few_parts_at_a_time_with_their_checksums(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    s3.part_size = 20
    send(server, large, Notes())
    asked = [request.json["parts"] for request in server.seen("POST", "/parts")]
    assert max(map(len, asked)) == parts.BATCH
    checksums = {it["number"]: it["sha256"] for batch in asked for it in batch}
    assert checksums == {n: hashlib.sha256(data).hexdigest() for n, data in s3.stored.items()}
    assert s3.whole == large.read_bytes()
    (complete,) = server.seen("POST", "/complete")
    assert server.requests[-1] is complete


def test_progress_sums_over_all_parts(server: FakeSluice, s3: FakeParts, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(os.urandom(9 * upload.CHUNK + 5))
    s3.part_size = 2 * upload.CHUNK
    notes = Notes()
    send(server, path, notes)
    assert sorted(notes.counts) == notes.counts
    assert notes.counts[-1] == path.stat().st_size
    assert s3.whole == path.read_bytes()


@pytest.mark.parametrize("trouble", [None, Answer(500, b""), s3_error(400, "BadDigest", "damaged")])
def test_a_part_that_fails_is_sent_again_alone(
    server: FakeSluice, s3: FakeParts, large: Path, trouble: Answer | None
) -> None:
    s3.puts = {3: [trouble, trouble]}
    notes, waits = Notes(), list[float]()
    send(server, large, notes, waits)
    assert s3.whole == large.read_bytes()
    assert numbers_put(server) == sorted([*range(1, 12), 3, 3])
    assert waits == [0.5, 1.0]
    assert [note.partition(". Sending ")[2] for note in notes.notes] == [
        "part 3 again in 0.5 s.",
        "part 3 again in 1.0 s.",
    ]
    assert notes.counts[-1] == SIZE


def test_the_command_bears_with_a_part_that_fails(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {3: [Answer(500, b"")]}
    result = run(server, "upload", str(large))
    assert result.exit_code == 0
    assert "S3 did not take part 3 (HTTP 500)" in result.stdout
    assert "Sending part 3 again in 0.5 s." in result.stdout


def test_an_expired_url_is_asked_for_anew(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {3: [EXPIRED]}
    send(server, large, Notes())
    first, second = server.seen("PUT", "partNumber=3&")
    assert first.target != second.target
    asked = [[it["number"] for it in request.json["parts"]] for request in server.seen("POST", "/parts")]
    assert [3] in asked
    assert s3.whole == large.read_bytes()


def test_a_url_known_to_have_expired_is_not_used(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.expires_in = timedelta(seconds=-1)
    notes = Notes()
    send(server, large, notes)
    signatures = {int(r.target.rpartition("=")[2]) for r in server.seen("PUT")}
    assert len(signatures) == 11
    assert len(server.seen("POST", "/parts")) > 11
    assert notes.notes == []


@pytest.mark.parametrize("script", ["asks", "completes"])
def test_an_api_that_is_away_for_a_moment_is_borne_with(
    server: FakeSluice, s3: FakeParts, large: Path, script: str
) -> None:
    getattr(s3, script).extend([AWAY, None])
    waits = list[float]()
    assert send(server, large, Notes(), waits).status == "PENDING"
    assert s3.completed
    assert len(waits) == 2


def test_an_answer_to_complete_that_was_lost_is_asked_for_again(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    s3.completes = [None]
    assert run(server, "upload", str(large)).exit_code == 0
    assert len(server.seen("POST", "/complete")) == 2


def test_retries_have_an_end(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {11: [Answer(503, b"")] * 99}
    with pytest.raises(errors.Trouble, match=r"did not take part 11 \(HTTP 503\)"):
        send(server, large, Notes())
    assert numbers_put(server).count(11) == retry.ATTEMPTS
    assert server.seen("POST", "/complete") == []


def test_a_failure_tells_how_to_go_on(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.puts = {2: [DENIED] * 99}
    result = CliRunner().invoke(main, ["--url", server.url, "upload", str(large)])
    assert result.exit_code == errors.TROUBLE
    command = resume_command(large).replace("sluice", f"sluice --url {server.url}", 1)
    assert result.stderr.splitlines() == [
        "Error: S3 did not take part 2 (HTTP 403): SignatureDoesNotMatch: No.",
        f"To go on with the upload: {command}",
    ]


def test_what_the_server_misses_is_told_in_its_words(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.completes = [problem(409, "Conflict", "2 parts are missing.", missing=[3, 7])]
    result = run(server, "upload", str(large))
    assert result.exit_code == errors.WRONG_INPUT
    assert "2 parts are missing." in result.stderr
    assert resume_command(large) in result.stderr


@pytest.mark.usefixtures("s3")
def test_a_file_that_changes_meanwhile_is_not_completed(server: FakeSluice, large: Path) -> None:
    notes = Notes()
    notes.touch = (large, 3 * PART)
    with pytest.raises(errors.WrongInput, match="changed while it was being sent"):
        send(server, large, notes)
    assert server.seen("POST", "/complete") == []


def test_a_file_that_changes_at_the_very_end_is_not_completed(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    notes = Notes()
    notes.touch = (large, SIZE)
    with pytest.raises(errors.WrongInput):
        send(server, large, notes)
    assert len(s3.stored) == 11
    assert server.seen("POST", "/complete") == []


def test_hints_hold_any_name_and_do_nothing_to_a_terminal() -> None:
    name = os.fsdecode(b"-a'b\\\x1b]0;x\x07\xe9 \n1$(x).csv")
    shown = quoted(name)
    assert shown.isascii()
    assert shown.isprintable()
    told = subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True)
    assert told.stdout == os.fsencode(name)
    assert quoted("größe 1.csv") == "'größe 1.csv'"


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
    assert list(PartedUpload.read(UUID(JOB_ID), right, checksums=True).numbers) == [1, 2]
    with pytest.raises(NotSluice):
        PartedUpload.read(UUID(JOB_ID), right | members, checksums=True)


@pytest.mark.parametrize(
    "answer", [{}, {"parts": [1]}, {"parts": [{"number": 1}]}, {"parts": [{"url": "x"}]}]
)
def test_targets_that_are_none_are_refused(answer: object) -> None:
    with pytest.raises(NotSluice):
        part_targets(answer)


def test_a_part_without_a_url_is_noticed(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    s3.asks = [Answer(200, {"parts": []})] * 99
    with pytest.raises(NotSluice, match="it has no URL for part"):
        send(server, large, Notes())


def test_a_part_is_read_piecewise(tmp_path: Path) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as handle:
        handle.truncate(8 << 20)
    with upload.LocalFile.open(path) as file:
        span = (upload.CHUNK + 1, 4 * upload.CHUNK)
        lengths = [len(chunk) for chunk in file.chunks(lambda _: None, span)]
        assert lengths == [upload.CHUNK] * 2 + [upload.CHUNK - 1]
        assert file.sha256(span) == hashlib.sha256(bytes(3 * upload.CHUNK - 1)).hexdigest()
