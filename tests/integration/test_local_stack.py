"""The embedded stack starts, repairs itself and stops, on real processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from infra.emulator import resources
from infra.local import cli, ports, processes, stack
from infra.local.launch import identity
from infra.steps.errors import StepError
from infra.steps.layout import Layout
from infra.steps.progress import to_nowhere
from tests.support.lambda_functions import ROLE, zipped
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE, wait_for

ROOT = CHECKOUT / ".local" / "test-stack"
STORES = ("postgres", "redis")
FUNCTION = """
import os, subprocess, time
def handler(event, context):
    return [os.getpid(), subprocess.Popen(["sleep", "300"]).pid]
"""


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    shutil.rmtree(ROOT, ignore_errors=True)
    yield Layout.at(ROOT)
    stack.down(ROOT, report=to_nowhere)
    shutil.rmtree(ROOT)


def up(*components: str) -> dict[str, str]:
    return stack.up(ROOT, components=components or STORES, report=to_nowhere)


def pid(layout: Layout, name: str) -> int:
    record = processes.running(layout, name)
    assert record, f"{name} does not run"
    return record.pid


def count(env: dict[str, str], query: str) -> Any:
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def everything_of(layout: Layout) -> list[int]:
    """Return the processes that were started for the stack, directly or not."""
    return [pid for name in stack.SERVICES for pid in processes.marked(processes.marker(layout, name))]


def test_up_twice_leaves_everything_alone(layout: Layout) -> None:
    env = up()
    before = [pid(layout, name) for name in STORES]

    assert up() == env
    assert [pid(layout, name) for name in STORES] == before


def test_up_reports_the_addresses_that_are_in_the_file(layout: Layout) -> None:
    env = up()

    assert count(env, "SELECT current_database() || ' ' || current_user") == "sluice sluice"
    assert count(env, "SHOW fsync") == "on"
    assert count(env, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert count(env, "SHOW server_encoding") == "UTF8"
    assert redis.Redis.from_url(env["REDIS_URL"]).ping()
    assert layout.env_file.stat().st_mode & 0o777 == 0o600
    shell = ["bash", "-c", 'set -a; . "$0"; set +a; echo -n "$DATABASE_URL"', str(layout.env_file)]
    assert subprocess.check_output(shell, text=True) == env["DATABASE_URL"]


def test_redis_refuses_clients_without_its_password(layout: Layout) -> None:
    with_password = urlsplit(up()["REDIS_URL"])

    with redis.Redis(port=with_password.port or 0) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    password = with_password.password or ""
    assert len(password) >= 24
    command = processes.arguments_of(pid(layout, "redis"))
    assert not any(password in argument for argument in command)
    files = [path for path in layout.root.rglob("*") if path.is_file() and password in read(path)]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert not any(path.is_relative_to(layout.logs) for path in files)


def read(path: Path) -> str:
    return path.read_text(errors="replace")


@pytest.mark.parametrize("name", STORES)
def test_a_killed_service_comes_back_with_its_data(layout: Layout, name: str) -> None:
    env = up()
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS one")
    store = redis.Redis.from_url(env["REDIS_URL"])
    store.set("kept", "1")
    other = next(one for one in STORES if one != name)
    killed, untouched = pid(layout, name), pid(layout, other)

    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: processes.running(layout, name) is None)

    assert up() == env  # on the same ports
    assert pid(layout, name) != killed
    assert pid(layout, other) == untouched
    assert count(env, "SELECT one FROM kept") == 1
    store.close()


def test_a_postgres_killed_in_the_middle_of_a_query_is_replaced(layout: Layout) -> None:
    env = up()
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        backend = connection.info.backend_pid
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000)")
        wait_for(lambda: cpu_ticks(backend) > 10)
        os.kill(pid(layout, "postgres"), signal.SIGKILL)
        wait_for(lambda: processes.running(layout, "postgres") is None)

        assert up() == env
        assert identity(backend) is None
        with pytest.raises(psycopg.OperationalError):
            connection.pgconn.consume_input()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11])


def test_a_frozen_service_is_replaced(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.services.BUSY_TIMEOUT", 0.5)
    monkeypatch.setattr("infra.local.redis.Redis.stop_timeout", 0.5)
    env = up()
    frozen = pid(layout, "redis")
    os.kill(frozen, signal.SIGSTOP)

    assert up() == env
    assert pid(layout, "redis") != frozen


def test_a_taken_port_is_replaced(layout: Layout) -> None:
    old = up()["REDIS_URL"]
    stack.down(ROOT, report=to_nowhere)
    port = ports.port_of(layout, "redis")
    with socket.create_server((ports.HOST, port or 0)):
        new = up()["REDIS_URL"]

        assert new != old
        assert redis.Redis.from_url(new).ping()


def test_down_leaves_no_process_and_keeps_the_data(layout: Layout) -> None:
    env = up()
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS stays AS SELECT 2 AS two")
    assert everything_of(layout)

    stack.down(ROOT, report=to_nowhere)

    assert everything_of(layout) == []
    assert not layout.env_file.exists()
    stack.down(ROOT, report=to_nowhere)  # down when down is fine
    assert count(up(), "SELECT two FROM stays") == 2


def test_down_spares_a_process_that_only_has_the_same_id(layout: Layout) -> None:
    up()
    bystander = subprocess.Popen(["sleep", "60"])
    record = processes.record_path(layout, "redis")
    true_content = record.read_text()
    record.write_text(json.dumps({**json.loads(true_content), "pid": bystander.pid}))

    stack.down(ROOT, report=to_nowhere)

    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    record.write_text(true_content)
    stack.down(ROOT, report=to_nowhere)


@pytest.mark.usefixtures("layout")
def test_two_ups_at_once_start_each_service_once() -> None:
    stack.down(ROOT, report=to_nowhere)
    command = [sys.executable, "-m", "infra.local", "up", "--root", str(ROOT), "--only", "redis"]
    both = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=PATIENCE)[0] for one in both]

    assert [one.returncode for one in both] == [0, 0]
    assert sorted(("runs already" in text, "started" in text) for text in said) == [
        (False, True),
        (True, False),
    ]


def test_localstack_dies_hard_and_takes_its_functions_along(layout: Layout) -> None:
    env = up("localstack")
    pids = invoke_breeding_function(env)

    os.kill(pid(layout, "localstack"), signal.SIGKILL)

    wait_for(lambda: identity(pids[0]) is None)
    again = up("localstack")
    assert identity(pids[1]) is None  # what the function had started
    assert again["AWS_ENDPOINT_URL"] == env["AWS_ENDPOINT_URL"]
    queues = resources.sqs(again["AWS_ENDPOINT_URL"])
    asked = queues.get_queue_attributes(QueueUrl=again["SLUICE_QUEUE_URL"], AttributeNames=["All"])
    assert asked["Attributes"]["VisibilityTimeout"] == "60"
    redrive = json.loads(asked["Attributes"]["RedrivePolicy"])
    assert redrive["maxReceiveCount"] == 5
    assert redrive["deadLetterTargetArn"].endswith(":sluice-jobs-dlq")


def test_down_stops_functions_too(layout: Layout) -> None:
    pids = invoke_breeding_function(up("localstack"))

    stack.down(ROOT, report=to_nowhere)

    assert not any(map(identity, pids))
    assert everything_of(layout) == []


def test_a_failure_names_the_part_and_its_log(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.local.redis.SETTINGS", {"no-such-setting": "1"})

    with pytest.raises(StepError, match="redis: it ended while starting"):
        up("redis")
    assert cli.main(["up", "--root", str(ROOT), "--only", "redis"]) == 1

    said = capsys.readouterr().err
    assert "redis failed" in said
    assert "no-such-setting" in said  # Redis's own words
    assert str(layout.log("redis")) in said
    assert "make down" in said
    assert not layout.env_file.exists()


def invoke_breeding_function(env: dict[str, str]) -> list[int]:
    """Return the process ids of a function and of the child that it leaves behind."""
    endpoint = env["AWS_ENDPOINT_URL"]
    client = resources.session().client("lambda", endpoint_url=endpoint, config=resources.config())
    client.create_function(
        FunctionName="breeds",
        Runtime="python3.11",
        Role=ROLE,
        Handler="main.handler",
        Code={"ZipFile": zipped(FUNCTION)},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="breeds", WaiterConfig={"Delay": 1})
    pids: list[int] = json.load(client.invoke(FunctionName="breeds")["Payload"])
    assert all(map(identity, pids))
    return pids
