"""What `make up` starts is reached from this machine only."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from infra.local import stack as local_stack
from infra.steps.layout import Layout
from tests.support.sockets import Listening, listening, processes_of
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_every_process_of_the_stack_listens_on_loopback_only(
    stack: Mapping[str, str], stack_root: Path
) -> None:
    assert httpx.get(f"{stack['SLUICE_URL']}/healthz", timeout=PATIENCE).is_success  # so a function runs
    names = (*local_stack.SERVICES, "worker")

    found = listening(processes_of(Layout.at(stack_root), names))

    addresses = (stack["DATABASE_URL"], stack["REDIS_URL"], stack["AWS_ENDPOINT_URL"])
    assert {urlsplit(address).port for address in addresses} <= {it.port for it in found}
    assert [it for it in found if not it.on_loopback()] == []


@pytest.mark.parametrize(
    ("family", "host", "loopback"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "0.0.0.0", False),  # noqa: S104 - the test is about it
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
        (socket.AF_INET6, "::ffff:127.0.0.1", True),
    ],
)
def test_sockets_of_a_process_are_found(family: socket.AddressFamily, host: str, loopback: bool) -> None:
    with socket.socket(family) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        server.listen()
        protocol = "tcp" if family == socket.AF_INET else "tcp6"
        expected = Listening(protocol, host, server.getsockname()[1])

        assert expected in listening([os.getpid()])
        assert expected.on_loopback() is loopback
