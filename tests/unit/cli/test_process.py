"""The program as a process: pipes, terminals, Ctrl-C."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, reject
from tests.support.cli_fake_parts import FakeParts
from tests.support.paths import CHECKOUT

CONTROL = r"\x1b\[\??\d+[A-Za-z]"  # what moves the cursor, clears a line
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


def on_terminal(
    server: FakeSluice, *arguments: str, stderr: bool | BinaryIO = False, **extra: str
) -> tuple[int, str]:
    """Run with stdout on a pseudo-terminal. Return the exit status and the terminal's output.

    ``stderr``: whether stderr is on it, too, or where else it goes.
    """
    terminal, stdout = pty.openpty()
    other = (stdout if stderr else None) if isinstance(stderr, bool) else stderr
    process = subprocess.Popen([*PROGRAM, *arguments], env=env(server, **extra), stdout=stdout, stderr=other)
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


def test_no_color_means_no_bold_either_and_leaves_the_bars(server: FakeSluice, csv: Path) -> None:
    coloured = on_terminal(server, "upload", str(csv))[1]
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
    status, output = on_terminal(server, "upload", str(csv), NO_COLOR="1")
    assert status == 0
    assert "━" in output
    assert re.findall(r"\x1b\[[0-9;]+m", output) == []
    assert re.findall(r"\x1b\[[0-9;]+m", on_terminal(server, "jobs", NO_COLOR="")[1])


def test_a_narrow_terminal_stacks_the_cells_of_a_table(server: FakeSluice) -> None:
    server.jobs = [job(filename=f"{'long-' * 20}.csv"), job("FAILED")]
    status, output = on_terminal(server, "jobs", NO_COLOR="1", COLUMNS="40")
    assert status == 0
    first, second, rest = output.replace("\r", "").split("\n\n")
    assert rest == ""
    assert [line.split()[0] for line in first.splitlines()] == [
        "JOB",
        "STATUS",
        "DATASET",
        "FILE",
        "READ",
        "INSERTED",
        "DUPLICATES",
        "REJECTED",
        "AGE",
    ]
    assert f"JOB         {JOB_ID}" in second.splitlines()
    assert "STATUS      FAILED" in second.splitlines()


def test_a_bar_fits_into_a_narrow_terminal(server: FakeSluice, csv: Path) -> None:
    output = on_terminal(server, "upload", str(csv), NO_COLOR="1", COLUMNS="40")[1]
    pieces = re.split(rf"{CONTROL}|[\r\n]+", output)
    drawn = [piece for piece in pieces if piece.startswith("upload people.csv")]
    assert any("100%" in line for line in drawn)
    assert all("%" in line and len(line) <= 40 for line in drawn)


def test_verbose_lines_stand_above_the_bars(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, job("PROCESSING")), Answer(200, job())]
    output = on_terminal(server, "job", "-v", "--follow", JOB_ID, NO_COLOR="1", stderr=True)[1]
    requests = [line for line in output.replace("\r", "\n").split("\n") if "GET http" in line]
    assert len(requests) == 3
    assert all(re.sub(CONTROL, "", line).startswith("GET http") for line in requests)


def test_verbose_lines_go_to_stderr_though_stdout_is_a_terminal(server: FakeSluice, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        output = on_terminal(server, "job", "-v", "--follow", JOB_ID, stderr=file)[1]
    assert "GET http" not in output
    assert log.read_text().startswith("GET http")


def test_rejects_are_stacked_on_a_narrow_terminal(server: FakeSluice) -> None:
    server.rejects = [reject(1041, row=1042, line=2090), reject(3)]
    lines = on_terminal(server, "errors", JOB_ID, NO_COLOR="1", COLUMNS="40")[1].splitlines()
    assert lines == [
        "ROW      1,042",
        "LINE     2,090",
        "RECORD   1,041",
        "COLUMN   age",
        "CODE     type-error",
        "MESSAGE  is not a number",
        "",
        "RECORD   3",
        "COLUMN   age",
        "CODE     type-error",
        "MESSAGE  is not a number",
        "",
    ]


def test_a_table_stacks_where_it_would_be_cut(server: FakeSluice) -> None:
    server.tenants = [
        {"name": "a-tenant-with-a-long-name", "created_at": "2025-11-23T14:06:10Z", "status": "active"}
    ]
    wide = on_terminal(server, "tenants", "list", NO_COLOR="1", COLUMNS="80")[1]
    narrow = on_terminal(server, "tenants", "list", NO_COLOR="1", COLUMNS="30")[1]
    assert wide.split()[:3] == ["TENANT", "CREATED", "STATE"]
    assert narrow.splitlines()[0] == "TENANT   a-tenant-with-a-long-name"


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


def test_ctrl_c_while_standard_input_is_read_uploads_nothing(server: FakeSluice) -> None:
    pipe = subprocess.PIPE
    command = [*INTERRUPTIBLE, "upload", "-", "--filename", "x.csv"]
    with subprocess.Popen(
        command, env=env(server), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("name\n")
            process.stdin.flush()
            assert process.stdout.readline() == "reading standard input\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == errors.INTERRUPTED
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read().splitlines() == [
            "Error: Interrupted while standard input was read: nothing has been uploaded.",
        ]
    assert server.requests == []


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
