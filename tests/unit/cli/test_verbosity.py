"""``--quiet`` and ``--verbose``."""

import json
from pathlib import Path

import click
import pytest

from sluice_cli import errors
from sluice_cli.main import main
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, run


@pytest.mark.parametrize("place", ["before the command", "after it"])
def test_a_quiet_upload_prints_nothing(server: FakeSluice, csv: Path, place: str) -> None:
    words = ["-q", "upload", str(csv)] if place == "before the command" else ["upload", str(csv), "--quiet"]
    result = run(server, *words)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert len(server.objects) == 1


def test_several_quiet_uploads_print_nothing(server: FakeSluice, csv: Path, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("a\n1\n")
    result = run(server, "upload", "-q", str(csv), str(tmp_path / "b.csv"))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_quiet_upload_of_a_job_that_failed_says_why_on_stderr(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("FAILED", error={"code": "corrupt-file", "message": "It is cut off."}))]
    result = run(server, "upload", "-q", str(csv))
    assert (result.exit_code, result.stdout) == (errors.JOB_FAILED, "")
    assert "corrupt-file: It is cut off.\n" in result.stderr


def test_errors_are_not_quiet(server: FakeSluice, tmp_path: Path) -> None:
    result = run(server, "-q", "upload", str(tmp_path / "none.csv"))
    assert result.exit_code == errors.INPUT_ERROR
    assert "No such file or directory" in result.stderr


def test_what_was_asked_for_is_not_quiet(server: FakeSluice, csv: Path) -> None:
    assert JOB_ID in run(server, "-q", "jobs").stdout
    assert JOB_ID in run(server, "-q", "job", JOB_ID).stdout
    document = json.loads(run(server, "-q", "upload", str(csv), "--json").stdout)
    assert document["id"] == JOB_ID


@pytest.mark.parametrize("action", ["cancel", "retry", "undo"])
def test_quiet_actions_print_nothing(server: FakeSluice, action: str) -> None:
    result = run(server, action, "-q", JOB_ID)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_verbose_command_prints_each_request_and_no_secret(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", "-v", str(csv))
    lines = result.stderr.splitlines()
    assert [line.rpartition(" in ")[0] for line in lines] == [
        f"POST {server.url}/uploads: 202",
        f"PUT {server.origin}/bucket/default/a%20b%2Bc~%C3%A9/people.csv: 200",
        f"GET {server.url}/jobs/{JOB_ID}: 200",
    ]
    assert lines[0].endswith(", request id req-0")
    assert "Signature" not in result.stderr
    assert "Authorization" not in result.stderr


def test_the_password_of_an_address_is_not_printed(server: FakeSluice) -> None:
    url = server.url.replace("http://", "http://user:secret@")
    result = run(server, "--url", url, "-v", "jobs")
    assert "GET http://127.0.0.1" in result.stderr
    assert "secret" not in result.stderr


def commands(group: click.Group) -> list[click.Command]:
    below = [command for command in group.commands.values() if isinstance(command, click.Group)]
    return [*group.commands.values(), *(it for sub in below for it in commands(sub))]


def test_every_command_has_both() -> None:
    for command in [main, *commands(main)]:
        names = [name for parameter in command.params for name in parameter.opts]
        assert len(names) == len(set(names)), command.name
        assert {"-q", "--quiet", "-v", "--verbose"} <= set(names), command.name
