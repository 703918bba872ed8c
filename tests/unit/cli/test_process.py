"""The program as a process: pipes, a terminal, Ctrl-C."""

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

ROOT = CHECKOUT
PROGRAM = [sys.executable, "-m", "sluice_cli"]
# A test run in the background ignores SIGINT and hands that down: the terminal's Ctrl-C would not.
_INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from sluice_cli.main import main
main(prog_name="sluice")
"""
INTERRUPTIBLE = [sys.executable, "-c", _INTERRUPTIBLE]


def env(server: FakeSluice, **more: str) -> dict[str, str]:
    mine = {"SLUICE_URL": server.url, "TERM": "xterm-256color", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    return os.environ | mine | more


def on_terminal(server: FakeSluice, *arguments: str, **more: str) -> tuple[int, str]:
    """Run with stdout on a pseudo-terminal; exit status, and everything that the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*PROGRAM, *arguments], env=env(server, **more), stdout=theirs)
    os.close(theirs)
    got = b""
    try:
        while piece := os.read(ours, 65536):
            got += piece
    except OSError:  # how a pseudo-terminal ends
        pass
    os.close(ours)
    return process.wait(20), got.decode()


def test_into_pipes_goes_plain_text(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, job())]
    done = subprocess.run(
        [*PROGRAM, "upload", str(csv)],
        env=env(server, FORCE_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.replace("\n", "").isprintable()
    assert "read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected\n" in done.stdout


def test_on_a_terminal_there_are_bars(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING", phase="\x1b]0;evil\x07")), Answer(200, job())]
    status, got = on_terminal(server, "upload", str(csv))
    assert status == 0
    assert "upload people.csv" in got
    assert "━" in got
    assert "4,021 rows, 4,000 rows/s, 3.1 s left, 18 rejected" in got
    assert "100%" in got
    assert "\x1b]" not in got
    assert got.count("\x1b[?25l") == got.count("\x1b[?25h")  # the cursor is back


def test_a_dumb_terminal_gets_plain_lines(server: FakeSluice, csv: Path) -> None:
    status, got = on_terminal(server, "upload", str(csv), TERM="dumb")
    assert status == 0
    assert "\x1b" not in got


def test_a_name_that_the_encoding_lacks_does_not_stop_it(server: FakeSluice) -> None:
    server.listed = [job(filename="日本.csv")]
    done = subprocess.run(
        [*PROGRAM, "jobs"],
        env=env(server, PYTHONIOENCODING="ascii"),
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert b"\\u65e5\\u672c.csv" in done.stdout


def interrupted(server: FakeSluice, reached: threading.Event, *arguments: str) -> tuple[str, str]:
    """Press Ctrl-C once the program has ``reached`` its place; what it said on stdout and stderr."""
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


def test_ctrl_c_while_following_says_that_the_job_goes_on(server: FakeSluice, csv: Path) -> None:
    server.polls = [Answer(200, job("PROCESSING"), {"Retry-After": "60"})]
    following = threading.Event()
    server.on_poll = following.set
    stdout, stderr = interrupted(server, following, "upload", "--json", str(csv))
    assert stdout == ""
    assert "the job goes on" in stderr
    assert f"sluice job {JOB_ID} --follow" in stderr


def test_ctrl_c_during_the_upload(server: FakeSluice, csv: Path) -> None:
    reached, hold = threading.Event(), threading.Event()

    def stall() -> None:
        reached.set()
        hold.wait(20)

    server.on_put = stall
    _, stderr = interrupted(server, reached, "upload", str(csv))
    hold.set()
    assert "The upload was interrupted." in stderr
    assert f"sluice job {JOB_ID}" in stderr


def test_ctrl_c_during_an_upload_in_parts_tells_how_to_go_on(server: FakeSluice, csv: Path) -> None:
    server.parts = FakeParts(part_size=5)
    reached, hold = threading.Event(), threading.Event()

    def stall() -> None:
        reached.set()
        hold.wait(20)

    server.on_put = stall
    _, stderr = interrupted(server, reached, "upload", str(csv))
    hold.set()
    assert "The upload was interrupted. The parts that have arrived are kept." in stderr
    assert stderr.endswith(f"To go on with it: sluice upload {csv} --resume {JOB_ID}\n")


def test_a_killed_upload_in_parts_has_said_how_to_go_on(server: FakeSluice, csv: Path) -> None:
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


def test_an_upload_in_parts_has_a_bar(server: FakeSluice, csv: Path) -> None:
    server.parts = FakeParts(part_size=5)
    status, got = on_terminal(server, "upload", str(csv))
    assert status == 0
    assert "upload people.csv" in got
    assert "100%" in got
    assert server.parts.whole == csv.read_bytes()


def test_json_on_stdout_while_bars_go_to_stderr(server: FakeSluice, csv: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "upload", str(csv), "--json"], env=env(server), capture_output=True, timeout=20, check=True
    )
    assert json.loads(done.stdout)["id"] == JOB_ID


def test_the_client_needs_nothing_of_the_service() -> None:
    code = "import sys, sluice_cli.main; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    service = {"chalicelib", "chalice", "boto3", "botocore", "pyarrow", "psycopg"}
    assert service.isdisjoint(done.stdout.split())
