"""Services of the harness's stack, killed and brought back."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from infra.local import processes
from infra.local import stack as local_stack
from infra.steps.layout import Layout
from tests.support.waiting import wait_for


def kill(root: Path, service: str) -> None:
    """SIGKILL for the service and all its processes; returns when none is left."""
    layout = Layout.at(root)
    record = processes.running(layout, service)
    assert record, f"{service} does not run"
    family = [record.pid, *_descendants(record.pid)]
    for pid in family:
        processes.send(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(_runs, family)))


def start(root: Path, *services: str) -> None:
    """Start the services again, at the same addresses."""
    before = dict(_addresses(root))
    local_stack.up(root, components=services or local_stack.SERVICES)
    assert dict(_addresses(root)) == before


@contextmanager
def all_connections_of(url: str) -> Iterator[None]:
    """Hold every connection that Postgres has: those that are left, and then those that Sluice had."""
    with ExitStack() as held:
        first = held.enter_context(psycopg.connect(url, autocommit=True))

        def all_are_held() -> bool:
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(psycopg.connect(url))
            ended = first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice'"
            )
            return not ended.fetchall()

        wait_for(all_are_held)
        yield


def _addresses(root: Path) -> Iterator[tuple[str, object]]:
    from infra.local import ports

    for service in local_stack.SERVICES:
        yield service, ports.port_of(Layout.at(root), service)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, new = [], [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
