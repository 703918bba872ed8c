"""``sluice errors ID --csv FILE`` and ``--ndjson FILE``."""

from pathlib import Path
from typing import Any

import pytest

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, problem, run, s3_error

CONTENT = b"name,_reason\r\nAda,Too few cells.\r\n"
REQUESTED = Answer(202, {"job_id": JOB_ID, "status": "requested", "rejects": 18}, {"Retry-After": "0.01"})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def made(server: FakeSluice, **members: Any) -> Answer:
    """Return the answer once the file is made."""
    url = f"{server.origin}/bucket/rejects.csv?X-Amz-Signature=1"
    document = {"status": "made", "rejects": 18, "source": "object", "filename": "people-rejects.csv"}
    return Answer(303, {**document, "url": url, **members}, {"Location": url})


def ready(server: FakeSluice, **members: Any) -> None:
    server.rejects_files = [REQUESTED, REQUESTED, made(server, **members)]
    server.downloads = [Answer(200, CONTENT)]


def test_the_file_is_waited_for_and_saved(server: FakeSluice, target: Path) -> None:
    ready(server)
    result = run(server, "errors", JOB_ID, "--csv", str(target))
    assert result.exit_code == 0
    assert target.read_bytes() == CONTENT
    assert result.stdout.splitlines() == [
        "The file is being made …",
        f"18 rejected records saved to {target}.",
    ]
    assert list(target.parent.iterdir()) == [target]
    assert len(server.requests_of("GET", f"/jobs/{JOB_ID}/rejects.csv")) == 3
    (download,) = server.requests_of("GET", "/bucket/")
    assert "Authorization" not in download.headers


def test_json_files_have_ndjson(server: FakeSluice, target: Path) -> None:
    ready(server)
    assert run(server, "errors", JOB_ID, "--ndjson", str(target)).exit_code == 0
    assert len(server.requests_of("GET", f"/jobs/{JOB_ID}/rejects.ndjson")) == 3


def test_a_file_may_have_the_name_that_stands_for_stdout(
    server: FakeSluice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ready(server)
    assert run(server, "errors", JOB_ID, "--csv", "./-").exit_code == 0
    assert (tmp_path / "-").read_bytes() == CONTENT


def test_a_dash_is_stdout(server: FakeSluice) -> None:
    ready(server)
    result = run(server, "errors", JOB_ID, "--csv", "-")
    assert result.exit_code == 0
    assert result.stdout_bytes == CONTENT
    assert "18 rejected records" in result.stderr


def test_excerpts_are_told(server: FakeSluice, target: Path) -> None:
    ready(server, source="excerpts")
    assert "Some of them are cut" in run(server, "errors", JOB_ID, "--csv", str(target)).stdout


def test_a_file_is_replaced_only_by_force(server: FakeSluice, target: Path) -> None:
    target.write_bytes(b"mine")
    ready(server)
    result = run(server, "errors", JOB_ID, "--csv", str(target))
    assert result.exit_code == errors.INPUT_ERROR
    assert "--force" in result.stderr
    assert target.read_bytes() == b"mine"
    assert not server.requests
    assert run(server, "errors", JOB_ID, "--csv", str(target), "--force").exit_code == 0
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["", "missing/out.csv"])
def test_a_target_that_cannot_be_written_is_refused_first(
    server: FakeSluice, tmp_path: Path, name: str
) -> None:
    result = run(server, "errors", JOB_ID, "--csv", str(tmp_path / name))
    assert result.exit_code == errors.INPUT_ERROR
    assert not server.requests


def test_only_one_kind_of_file_is_made(server: FakeSluice, target: Path) -> None:
    result = run(server, "errors", JOB_ID, "--csv", str(target), "--ndjson", str(target))
    assert result.exit_code == errors.INPUT_ERROR


def test_a_refusal_is_shown(server: FakeSluice, target: Path) -> None:
    server.rejects_files = [problem(404, "Not Found", "The job has no rejected records.")]
    result = run(server, "errors", JOB_ID, "--csv", str(target))
    assert result.exit_code == errors.INPUT_ERROR
    assert "The job has no rejected records." in result.stderr
    assert not target.exists()


@pytest.mark.usefixtures("quick")
def test_a_download_that_breaks_off_is_tried_again(server: FakeSluice, target: Path) -> None:
    ready(server)
    server.downloads = [None, s3_error(503, "SlowDown", "Wait."), Answer(200, CONTENT)]
    result = run(server, "errors", JOB_ID, "--csv", str(target))
    assert result.exit_code == 0
    assert target.read_bytes() == CONTENT


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "answer", [None, s3_error(403, "AccessDenied", "No."), s3_error(503, "SlowDown", "No.")]
)
def test_a_download_that_fails_leaves_nothing(
    server: FakeSluice, target: Path, answer: Answer | None
) -> None:
    target.write_bytes(b"mine")
    ready(server)
    server.downloads = [answer]
    result = run(server, "errors", JOB_ID, "--csv", str(target), "--force")
    assert result.exit_code == errors.SERVICE_ERROR
    assert target.read_bytes() == b"mine"
    assert list(target.parent.iterdir()) == [target]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice_cli.commands.rejects_file.time.sleep", lambda _: None)


@pytest.mark.parametrize("answer", [Answer(200, {}), Answer(303, {"status": "made"}), Answer(200, b"<html>")])
def test_an_answer_of_something_else_is_refused(server: FakeSluice, target: Path, answer: Answer) -> None:
    server.rejects_files = [answer]
    result = run(server, "errors", JOB_ID, "--csv", str(target))
    assert result.exit_code == errors.SERVICE_ERROR
    assert "not from a Sluice API" in result.stderr


def test_a_quiet_command_saves_the_file_and_prints_nothing(server: FakeSluice, tmp_path: Path) -> None:
    server.rejects_files = [made(server)]
    server.downloads = [Answer(200, b"a\n")]
    target = tmp_path / "rejects.csv"
    result = run(server, "errors", "-q", JOB_ID, "--csv", str(target))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert target.read_bytes() == b"a\n"
