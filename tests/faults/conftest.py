"""A stack of the harness's own, which its tests may break, and scenarios on it."""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.emulator.environment import aws_env
from infra.local import stack as local_stack
from tests.support.faults.scenario import FIGURES, LONG, SEED, Scenario, made, template_database
from tests.support.faults.workers import ForkServer
from tests.support.paths import CHECKOUT

_SHARED = os.environ.get("SLUICE_TEST_ROOT")
collect_ignore = [] if LONG else ["test_costs.py"]
ROOT = Path(_SHARED) / "faults" if _SHARED else CHECKOUT / ".local" / "faults"


@pytest.fixture(scope="session")
def faults_stack() -> Iterator[Mapping[str, str]]:
    """Yield the addresses of a Postgres, a Redis and a LocalStack that no other tests use."""
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
def fork_server(
    faults_stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForkServer]:
    log = tmp_path_factory.mktemp("fork_server") / "fork_server.log"
    fork_server = ForkServer(faults_stack, log)
    yield fork_server
    fork_server.close()
    assert log.read_text() == ""


@pytest.fixture(scope="session")
def template(faults_stack: Mapping[str, str]) -> Iterator[str]:
    with template_database(faults_stack["DATABASE_URL"]) as name:
        yield name


@pytest.fixture
def make_scenario(
    faults_stack: Mapping[str, str], template: str, fork_server: ForkServer, tmp_path: Path
) -> Iterator[Callable[..., Scenario]]:
    """Yield a function that makes a scenario with the given settings, on a queue of the given kind."""
    with ExitStack() as scenarios:

        def make(queue: str = "sqs", **changes: str) -> Scenario:
            logs = tmp_path / f"scenario-{len(list(tmp_path.iterdir()))}"
            logs.mkdir()
            return scenarios.enter_context(made(faults_stack, template, fork_server, logs, queue, **changes))

        yield make


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    """Return a source of random numbers that depends only on the seed and the test."""
    print(f"SLUICE_FAULTS_SEED={SEED}")  # noqa: T201 - shown when the test fails
    return random.Random(f"{SEED}/{request.node.name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        figures = ", ".join(f"{count:,} {name}" for name, count in sorted(FIGURES.items()))
        mode = "long" if LONG else "short"
        terminalreporter.write_line(f"faults: {mode}, SLUICE_FAULTS_SEED={SEED}; {figures}")
