"""A worker that freezes or hangs shows, and so does what its job waits for."""

import random
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from chalicelib import settings
from chalicelib.core import workers
from chalicelib.core.waiting import Obstacle, Waiting, waiting_for
from chalicelib.core.workers import Worker, WorkerState
from chalicelib.wiring import Services
from tests.support.faults import files
from tests.support.faults.scenario import Loading, Scenario

SLOW = {"SLUICE_LEASE_SECONDS": "12", "SLUICE_VISIBILITY_TIMEOUT": "12", "SLUICE_RANGE_SIZE": "0"}
LOADED = ("leases.claim after 1", "store.begin after 1", "blocks.write before 3")


class Watch:
    """What the API would show of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._services = Services(settings.load(scenario.env))

    def workers(self) -> list[Worker]:
        return list(self._services.workers.list(limit=100, before=None))

    def states(self) -> list[WorkerState]:
        return [worker.state for worker in self.workers()]

    def waiting(self, loading: Loading) -> Waiting | None:
        job = self._services.jobs.get(loading.job)
        assert job is not None
        return waiting_for(job, datetime.now(UTC))

    def obstacle(self, loading: Loading) -> Obstacle | None:
        waiting = self.waiting(loading)
        return None if waiting is None else waiting.what

    def close(self) -> None:
        self._services.close()


@pytest.fixture
def scenario(make_scenario: Callable[..., Scenario]) -> Scenario:
    return make_scenario("redis", **SLOW)


@pytest.fixture
def watch(scenario: Scenario) -> Iterator[Watch]:
    made = Watch(scenario)
    yield made
    made.close()


def test_a_frozen_worker_is_silent_and_its_job_waits_for_the_lease(
    scenario: Scenario, watch: Watch, draw: random.Random
) -> None:
    loading = scenario.load(files.make("csv", draw.random(), 3000))
    frozen = scenario.worker(fault=f"{draw.choice(LOADED)} stop")
    scenario.until(lambda: watch.obstacle(loading) is Obstacle.LEASE, "the job waits for the lease")
    waiting = watch.waiting(loading)
    assert waiting is not None
    assert watch.states() == [WorkerState.SILENT]
    scenario.until(lambda: watch.obstacle(loading) is Obstacle.WORKER, "the job waits for a worker")
    later = watch.waiting(loading)
    assert later is not None
    assert later.since == waiting.since  # it is one wait for people
    scenario.worker()
    scenario.check()
    assert watch.waiting(loading) is None
    assert sorted(watch.states()) == [WorkerState.IDLE, WorkerState.SILENT]
    frozen.send_signal(signal.SIGCONT)
    scenario.until(lambda: watch.states() == [WorkerState.IDLE] * 2, "the frozen worker shows again")
    frozen.send_signal(signal.SIGTERM)
    scenario.until(lambda: frozen.poll() == 0, "the worker has ended in order")
    assert len(watch.workers()) == 1


def test_a_worker_that_hangs_is_stuck_though_its_process_lives(
    scenario: Scenario, watch: Watch, draw: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "STUCK_SECONDS", 6.0)
    loading = scenario.load(files.make("csv", draw.random(), 3000))
    hanging = scenario.worker(fault="blocks.write before 3 hang", SLUICE_WORKER_JOBS="2")
    scenario.until(lambda: watch.obstacle(loading) is Obstacle.SLOT, "the job waits for the slot")
    (worker,) = watch.workers()
    assert worker.state is WorkerState.STUCK
    assert [work.job_id for work in worker.jobs] == [loading.job]
    other = scenario.load(files.make("csv", draw.random(), 100))
    scenario.ended(other)  # the other slot works
    assert watch.states() == [WorkerState.STUCK]
    hanging.kill()
    scenario.worker()
    scenario.check()
