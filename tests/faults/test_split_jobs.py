"""A file that is shared out: workers that die, or lose their leases, at any point of it."""

import random
import signal
from collections.abc import Callable

import pytest

from tests.support.faults import files
from tests.support.faults.scenario import Scenario

POINTS = (
    "splits.add before 1 kill",
    "splits.add after 1 kill",
    "splits.add after 3 kill",
    "sender.send after 2 kill",
    "leases.release before 1 kill",  # shared out, and no range taken yet
    "destination.write after 2 kill",
    "splits.finish before 1 kill",
    "splits.finish after 2 kill",
    "ledger.complete before 1 kill",
    "ledger.complete after 1 kill",
    "receiver.acknowledge before 1 kill",
)
RECORDS = 2500  # some 100 KB and more


@pytest.mark.parametrize(("kind", "queue"), [("csv", "sqs"), ("ndjson", "redis")])
def test_a_worker_that_dies_while_it_splits_costs_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, kind: str, queue: str
) -> None:
    scenario = make_scenario(queue, SLUICE_LOADERS="1")
    lanes = []
    for point in POINTS:  # each on a queue of its own, all at once
        lane = scenario.lane(queue)
        scenario.load(files.make(kind, draw.random(), RECORDS), lane)
        lanes.append((lane, scenario.worker(lane, fault=point)))
    for _, worker in lanes:
        assert scenario.until(worker.poll, "the worker is dead") == -signal.SIGKILL
    for lane, _ in lanes:
        scenario.worker(lane)
    scenario.check()
    jobs = scenario.jobs(*scenario.loadings)
    assert [job["shared_to"] for job in jobs] == [job["size"] for job in jobs]


def test_a_split_job_without_leases_loads_each_record_once(
    make_scenario: Callable[..., Scenario], draw: random.Random
) -> None:
    """Every worker takes any range from whoever has it."""
    scenario = make_scenario(SLUICE_LOADERS="1")
    loadings = [scenario.put(files.make(kind, draw.random(), RECORDS)) for kind in ("csv", "ndjson")]
    for _ in range(3):
        scenario.worker(thief=1)
        for loading in loadings:
            scenario.announce(loading)
    scenario.check()
