"""Commands of the local stack that SIGTERM ends in the middle."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import processes, stack
from infra.steps.layout import Layout
from tests.support.paths import CHECKOUT

TIMEOUT = 120.0  # s
UP = (sys.executable, "-m", "infra.local", "up", "--only", "app", "--root")


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stack")
    yield folder
    stack.down(folder, report=lambda _: None)


def test_up_after_one_that_ended_while_chalice_wrote_its_package(root: Path) -> None:
    packages = Layout.at(root).build / "app" / ".chalice" / "deployments"
    with subprocess.Popen([*UP, str(root)], cwd=CHECKOUT, start_new_session=True) as first:
        deadline = time.monotonic() + TIMEOUT
        while not list(packages.glob("*.zip")) and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        first.send_signal(signal.SIGTERM)
        status = first.wait(TIMEOUT)
    assert status == 130
    left = subprocess.run(["ps", "-o", "stat=", "-g", str(first.pid)], stdout=subprocess.PIPE, check=False)
    assert not left.stdout.replace(b"Z", b"").strip()  # Chalice has ended with the command that ran it

    subprocess.run([*UP, str(root)], cwd=CHECKOUT, check=True, timeout=TIMEOUT)

    assert processes.running(Layout.at(root), "localstack")
