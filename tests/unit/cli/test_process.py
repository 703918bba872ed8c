"""The program as a process: pipes, terminals, Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job
from tests.support.cli_fake_parts import FakeParts
from tests.support.paths import CHECKOUT

PROGRAM = [sys.executable, "-m", "sluice_cli"]
# A test run in the background ignores SIGINT and hands that down: the terminal's Ctrl-C would not.
_INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from sluice_cli.main import main
main(prog_name="sluice")
"""
INTERRUPTIBLE = [sys.executable, "-c", _INTERRUPTIBLE]


def env(server: FakeSluice, **extra: str) -> dict[str, str]:
    own = {"SLUICE_URL": server.url, "TERM": "xterm-256color", "COLUMNS": "100", "PYTHONPATH": str(CHECKOUT)}
    return os.environ | own | extra


def on_terminal(server: FakeSluice, *arguments: str, **extra: str) -> tuple[int, str]:
    """Run with stdout on a pseudo-terminal. Return the exit status and the terminal's output."""
    terminal, stdout = pty.openpty()
    process = subprocess.Popen([*PROGRAM, *arguments], env=env(server, **extra), stdout=stdout)
    os.close(stdout)
    output = b""
    try:
        while chunk := os.read(terminal, 65536):
            output += chunk
    except OSError:  # how a pseudo-terminal ends
        pass
    os.close(terminal)
    return process.wait(20), output.decode()


def test_a_pipe_gets_plain_text(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, job())]
    process = subprocess.run(
        [*PROGRAM, "upload", str(csv)],
        env=env(server, FORCE_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == 0
    assert process.stderr == ""
    assert process.stdout.replace("\n", "").isprintable()
    assert "read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected\n" in process.stdout


def test_a_terminal_gets_bars(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING", phase="\x1b]0;evil\x07")), Answer(200, job())]
    status, output = on_terminal(server, "upload", str(csv))
    assert status == 0
    assert "upload people.csv" in output
    assert "━" in output
    assert "4,021 rows, 4,000 rows/s, 3.1 s left, 18 rejected" in output
    assert "100%" in output
    assert "\x1b]" not in output
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h")  # the cursor is back


def test_a_dumb_terminal_gets_plain_lines(server: FakeSluice, csv: Path) -> None:
    status, output = on_terminal(server, "upload", str(csv), TERM="dumb")
    assert status == 0
    assert "\x1b" not in output


def test_characters_that_the_encoding_lacks_are_escaped(server: FakeSluice) -> None:
    server.jobs = [job(filename="日本.csv")]
    process = subprocess.run(
        [*PROGRAM, "jobs"],
        env=env(server, PYTHONIOENCODING="ascii"),
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert b"\\u65e5\\u672c.csv" in process.stdout


def interrupt(server: FakeSluice, reached: threading.Event, *arguments: str) -> tuple[str, str]:
    """Run, send Ctrl-C once ``reached`` is set, and return stdout and stderr."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*INTERRUPTIBLE, *arguments], env=env(server), stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            assert reached.wait(20)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == errors.INTERRUPTED
    assert "Traceback" not in stderr
    return stdout, stderr


def test_ctrl_c_while_following_says_that_the_job_continues(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING"), {"Retry-After": "60"})]
    following = threading.Event()
    server.on_poll = following.set
    stdout, stderr = interrupt(server, following, "upload", "--json", str(csv))
    assert stdout == ""
    assert "the job continues" in stderr
    assert f"sluice job {JOB_ID} --follow" in stderr


def test_ctrl_c_during_a_single_put_names_the_job(server: FakeSluice, csv: Path) -> None:
    reached, hold = threading.Event(), threading.Event()

    def stall() -> None:
        reached.set()
        hold.wait(20)

    server.on_put = stall
    _, stderr = interrupt(server, reached, "upload", str(csv))
    hold.set()
    assert "The upload was interrupted." in stderr
    assert f"sluice job {JOB_ID}" in stderr


def test_ctrl_c_during_a_multipart_upload_tells_how_to_resume(server: FakeSluice, csv: Path) -> None:
    server.parts = FakeParts(part_size=5)
    reached, hold = threading.Event(), threading.Event()

    def stall() -> None:
        reached.set()
        hold.wait(20)

    server.on_put = stall
    _, stderr = interrupt(server, reached, "upload", str(csv))
    hold.set()
    assert "The upload was interrupted. The parts that have arrived are kept." in stderr
    assert stderr.endswith(f"To resume it: sluice upload {csv} --resume {JOB_ID}\n")


def test_a_killed_multipart_upload_has_already_told_how_to_resume(server: FakeSluice, csv: Path) -> None:
    server.parts = FakeParts(part_size=5)
    reached, hold = threading.Event(), threading.Event()

    def stall() -> None:
        reached.set()
        hold.wait(20)

    server.on_put = stall
    command = [*PROGRAM, "upload", str(csv)]
    with subprocess.Popen(command, env=env(server), stdout=subprocess.PIPE, text=True) as process:
        assert reached.wait(20)
        process.kill()
        stdout, _ = process.communicate(timeout=20)
    hold.set()
    assert f": sluice upload {csv} --resume {JOB_ID}\n" in stdout


def test_a_multipart_upload_has_a_bar(server: FakeSluice, csv: Path) -> None:
    server.parts = FakeParts(part_size=5)
    status, output = on_terminal(server, "upload", str(csv))
    assert status == 0
    assert "upload people.csv" in output
    assert "100%" in output
    assert server.parts.whole == csv.read_bytes()


def test_json_is_alone_on_stdout(server: FakeSluice, csv: Path) -> None:
    process = subprocess.run(
        [*PROGRAM, "upload", str(csv), "--json"], env=env(server), capture_output=True, timeout=20, check=True
    )
    assert json.loads(process.stdout)["id"] == JOB_ID


def test_the_client_imports_nothing_of_the_service() -> None:
    code = "import sys, sluice_cli.main; print(*{m.partition('.')[0] for m in sys.modules})"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=20, check=True
    )
    service = {"chalicelib", "chalice", "boto3", "botocore", "pyarrow", "psycopg"}
    assert service.isdisjoint(process.stdout.split())
