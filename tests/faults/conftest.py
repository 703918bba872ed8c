"""A stack of the harness's own, which its tests may break, and worlds on it."""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.emulator.environment import aws_env
from infra.local import stack as local_stack
from tests.support.faults.workers import Nursery
from tests.support.faults.world import FIGURES, LONG, SEED, World, made
from tests.support.paths import CHECKOUT

_SHARED = os.environ.get("SLUICE_TEST_ROOT")
ROOT = Path(_SHARED) / "faults" if _SHARED else CHECKOUT / ".local" / "faults"


@pytest.fixture(scope="session")
def faults_stack() -> Iterator[Mapping[str, str]]:
    """The addresses of a Postgres, a Redis and a LocalStack that no other tests use."""
    local_stack.down(ROOT)  # of a run that was killed
    env = local_stack.up(ROOT, components=local_stack.SERVICES)
    yield {**env, **aws_env(env["AWS_ENDPOINT_URL"])}
    local_stack.down(ROOT)


@pytest.fixture(scope="session")
def faults_root(faults_stack: Mapping[str, str]) -> Path:
    """Where that stack is."""
    assert faults_stack
    return ROOT


@pytest.fixture(scope="session")
def nursery(faults_stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    log = tmp_path_factory.mktemp("nursery") / "nursery.log"
    nursery = Nursery(faults_stack, log)
    yield nursery
    nursery.close()
    assert log.read_text() == ""


@pytest.fixture
def make_world(
    faults_stack: Mapping[str, str], nursery: Nursery, tmp_path: Path
) -> Iterator[Callable[..., World]]:
    """Makes a world with the given settings, on a queue of the given kind."""
    with ExitStack() as worlds:

        def make(queue: str = "sqs", **changes: str) -> World:
            logs = tmp_path / f"world-{len(list(tmp_path.iterdir()))}"
            logs.mkdir()
            return worlds.enter_context(made(faults_stack, nursery, logs, queue, **changes))

        yield make


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    """A test's own source of chance: the same for the same seed, whichever tests run."""
    print(f"SLUICE_FAULTS_SEED={SEED}")  # noqa: T201 - shown when the test fails
    return random.Random(f"{SEED}/{request.node.name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        figures = ", ".join(f"{count:,} {name}" for name, count in sorted(FIGURES.items()))
        mode = "long" if LONG else "short"
        terminalreporter.write_line(f"faults: {mode}, SLUICE_FAULTS_SEED={SEED}; {figures}")
