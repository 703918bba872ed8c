import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local import processes
from infra.local.launch import identity
from infra.local.processes import wait_until
from infra.steps.commands import Command, run_logged
from infra.steps.errors import StepError
from infra.steps.layout import Layout

SLEEP = Command(("sleep", "60"), {}, Path("/"))


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout.at(tmp_path)
    yield layout
    processes.stop(layout, "it", signal.SIGKILL, 5)


def start(layout: Layout, *argv: str) -> processes.Record:
    processes.spawn(layout, "it", replace(SLEEP, argv=argv) if argv else SLEEP)
    record = processes.recorded(layout, "it")
    assert record
    return record


def test_running_processes_have_different_identities() -> None:
    assert identity(os.getpid()) == identity(os.getpid())
    other = subprocess.Popen(["sleep", "60"])
    assert identity(other.pid) != identity(os.getpid())
    other.kill()
    other.wait()


def test_an_ended_process_has_no_identity() -> None:
    zombie = subprocess.Popen(["true"])
    assert wait_until(lambda: identity(zombie.pid) is None, 5)  # ended, and nobody has asked how
    zombie.wait()
    assert identity(zombie.pid) is None


def test_a_spawned_process_is_recorded_and_detached(layout: Layout) -> None:
    record = start(layout)

    assert record.alive()
    assert processes.running(layout, "it") == record
    assert os.getsid(record.pid) == record.pid
    assert record.fingerprint == SLEEP.fingerprint()


def test_stop_sends_the_request_and_waits(layout: Layout) -> None:
    polite = (
        "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(print('bye')))\n"
        "print('hi', flush=True)\nsignal.pause()"
    )
    start(layout, sys.executable, "-c", polite)
    assert wait_until(lambda: "hi" in layout.log("it").read_text(), 5)

    assert processes.stop(layout, "it", signal.SIGTERM, 5)

    assert layout.log("it").read_text() == "hi\nbye\n"
    assert processes.recorded(layout, "it") is None
    assert not processes.stop(layout, "it", signal.SIGTERM, 5)


def test_stop_kills_a_process_that_ignores_the_request(layout: Layout) -> None:
    deaf = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('hi', flush=True)\ntime.sleep(60)"
    record = start(layout, sys.executable, "-c", deaf)
    assert wait_until(lambda: "hi" in layout.log("it").read_text(), 5)

    processes.stop(layout, "it", signal.SIGTERM, 0.2)

    assert not record.alive()


def test_stop_kills_children_in_other_sessions(layout: Layout) -> None:
    breeds = "import subprocess\nprint(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"
    record = start(layout, sys.executable, "-c", breeds)
    assert wait_until(lambda: not record.alive(), 5)
    child = int(layout.log("it").read_text())
    assert identity(child)

    processes.stop(layout, "it", signal.SIGTERM, 5)

    assert identity(child) is None


def test_a_recycled_process_number_is_not_the_service(layout: Layout) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    stale = {"pid": bystander.pid, "identity": "another boot:1", "fingerprint": ""}
    processes.record_path(layout, "it").write_text(json.dumps(stale))

    assert processes.running(layout, "it") is None
    assert not processes.stop(layout, "it", signal.SIGKILL, 1)

    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_record_is_ignored(layout: Layout, content: str) -> None:
    processes.record_path(layout, "it").write_text(content)

    assert processes.recorded(layout, "it") is None


def test_a_missing_program_fails_the_start(layout: Layout) -> None:
    with pytest.raises(StepError, match="it: cannot start no-such-program: "):
        processes.spawn(layout, "it", replace(SLEEP, argv=("no-such-program",)))

    assert processes.recorded(layout, "it") is None


def test_the_previous_log_is_kept(layout: Layout) -> None:
    for text in ("first", "second"):
        record = start(layout, "echo", text)
        assert wait_until(lambda record=record: not record.alive(), 5)  # type: ignore[misc]

    assert layout.log("it").read_text() == "second\n"
    assert (layout.logs / "it.log.1").read_text() == "first\n"


def test_only_equal_commands_share_a_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    same = Command(("sleep", "60"), {}, Path("/"))
    changes = ({"argv": ("sleep", "61")}, {"env": {"A": "1"}}, {"cwd": Path("/usr")}, {"version": "2"})
    fingerprint = SLEEP.fingerprint()

    assert same.fingerprint() == fingerprint
    assert len({replace(SLEEP, **change).fingerprint() for change in changes} | {fingerprint}) == 5
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("PATH", "/bin")
    assert SLEEP.fingerprint() == fingerprint


def test_wait_until_returns_whether_the_condition_held() -> None:
    began = time.monotonic()
    assert wait_until(lambda: time.monotonic() - began > 0.1, 5)
    assert not wait_until(lambda: False, 0.1)


def test_a_failed_command_names_its_step_and_log(layout: Layout) -> None:
    log = layout.log("it")
    command = Command(("sh", "-c", "seq 100; exit 3"), {}, Path("/"))
    with pytest.raises(StepError, match="part: counting ended with status 3") as caught:
        run_logged("part", "counting", command, log)

    told = caught.value.report().splitlines()
    assert told[0] == "part failed: counting ended with status 3"
    assert told[1:-1] == [f"  | {number}" for number in range(86, 101)]
    assert told[-1] == f"  whole log: {log}"
