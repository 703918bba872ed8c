"""Several workers on one job at once: the ledger admits each block once."""

import random
import signal
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from tests.support.faults import files
from tests.support.faults.scenario import LONG, Scenario

FREEZES = {
    "between blocks": "blocks.write after 3 stop",
    "before completing": "ledger.complete before 1 stop",
    "before acknowledgement": "receiver.acknowledge before 1 stop",
}
THIEVES = [(2, "sqs"), (4, "redis"), *([(4, "sqs"), (2, "redis")] if LONG else [])]


@pytest.mark.parametrize(("thieves", "queue"), THIEVES)
def test_without_leases_the_ledger_alone_prevents_duplicates(
    make_scenario: Callable[..., Scenario], draw: random.Random, thieves: int, queue: str
) -> None:
    scenario = make_scenario(queue, SLUICE_RANGE_SIZE="0")
    for _ in range(thieves):
        scenario.worker(thief=thieves)
    for kind in files.KINDS:
        loading = scenario.put(files.make(kind, draw.random(), 10_000 if LONG else 1500))
        for _ in range(thieves):
            scenario.enqueue(loading)
        (job,) = scenario.ended(loading)
        assert job["attempts"] >= thieves
    scenario.check()


@pytest.mark.parametrize("queue", ["sqs", "redis"])
def test_duplicate_deliveries_cost_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, queue: str
) -> None:
    scenario = make_scenario(queue)
    announced = [scenario.put(files.make(kind, draw.random(), 2000)) for kind in files.KINDS] * 3
    draw.shuffle(announced)
    for loading in announced:
        scenario.enqueue(loading)
    for _ in range(3):
        scenario.worker()
    scenario.check()


def test_a_worker_that_was_frozen_does_no_harm_and_continues(
    make_scenario: Callable[..., Scenario], draw: random.Random
) -> None:
    scenario = make_scenario(SLUICE_LOADERS="1")
    frozen = []
    for queue, fault in product(
        ["sqs", "redis"], FREEZES.values()
    ):  # each on a queue of its own, all at once
        lane = scenario.lane(queue)
        scenario.load(files.make(draw.choice(list(files.KINDS)), draw.random(), 1500), lane)
        frozen.append((lane, scenario.worker(lane, fault=fault)))
    for _, worker in frozen:
        scenario.until(partial(is_frozen, worker.pid), "the worker is frozen")
    others = [scenario.worker(lane) for lane, _ in frozen]
    scenario.ended()
    for _, worker in frozen:
        worker.send_signal(signal.SIGCONT)
    scenario.check()
    for other in others:
        other.send_signal(signal.SIGTERM)
    for other in others:
        assert other.wait() == 0
    for lane, worker in frozen:
        assert worker.poll() is None
        scenario.load(files.make("csv", draw.random(), 300), lane)
    scenario.check()


def test_a_worker_frozen_within_a_transaction_does_not_block_others_for_ever(
    make_scenario: Callable[..., Scenario], draw: random.Random
) -> None:
    scenario = make_scenario(SLUICE_LOADERS="1")
    loading = scenario.load(files.make("csv", draw.random(), 1500))
    frozen = scenario.worker(fault="entries._add_to_ledger after 3 stop")
    scenario.until(lambda: is_frozen(frozen.pid), "the worker is frozen")
    scenario.worker()
    scenario.ended(loading)
    frozen.send_signal(signal.SIGCONT)
    scenario.check()


def is_frozen(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"
