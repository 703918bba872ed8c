"""Workers die at the worst moments: another one completes the job, exact to the record."""

import random
import signal
from collections.abc import Callable
from itertools import cycle, product
from typing import TYPE_CHECKING

from tests.support.faults import files
from tests.support.faults.scenario import FIGURES, LONG, Scenario

if TYPE_CHECKING:
    from tests.support.faults.workers import Process

SMALL = "one block"  # a file that is loaded in one transaction
# each: the faults of the workers that take the job, one after another, before one that is well
DEATHS = {
    "taken off the queue, not claimed": ["receiver.receive after 1"],
    "claimed, nothing read": ["leases.claim after 1"],
    "head read, job not opened": ["ledger.open before 1"],
    "job opened, no block": ["ledger.open after 1"],
    "the first block is ready": ["blocks.write before 1"],
    "between COPY straight into the table and the ledger": ["destination.write after 1"],
    "between COPY and the ledger": ["destination.write after 4"],
    "between the ledger and the commit": ["entries._add_to_ledger after 4"],
    "a block was committed": ["blocks.write after 4"],
    "the end was seen": ["ledger.measure before 1"],
    "the end was noted": ["ledger.measure after 1"],
    "covered, not completed": ["ledger.complete before 1"],
    "completed, not acknowledged": ["ledger.complete after 1"],
    "just before acknowledgement": ["receiver.acknowledge before 1"],
    "just after acknowledgement": ["receiver.acknowledge after 1"],
    "at each step of a take-over": [
        "blocks.write after 2",
        "leases.claim after 1",
        "ledger.gaps after 1",
        "destination.write after 1",
    ],
    "while completing, twice": ["ledger.complete before 1", "ledger.complete after 1"],
    f"{SMALL}: read, nothing written": ["blocks.write_whole before 1"],
    f"{SMALL}: between COPY and the job's lock": ["destination.write after 1"],
    f"{SMALL}: opened, not in the ledger": ["entries.open_locked after 1"],
    f"{SMALL}: in the ledger, not completed": ["entries._add_to_ledger after 1"],
    f"{SMALL}: completed, not committed": ["entries.complete_locked after 1"],
    f"{SMALL}: committed, not acknowledged": ["blocks.write_whole after 1"],
    f"{SMALL}: at one step after another": [
        "entries.open_locked after 1",
        "entries.complete_locked after 1",
        "blocks.write_whole after 1",
    ],
}


def test_death_at_an_exact_point_costs_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random
) -> None:
    scenario = make_scenario()
    # all at once, each on a queue of its own: most of the time goes by waiting for leases
    lanes: list[tuple[str, dict[str, str], list[str], Process | None]] = []
    places = product(["sqs", "redis"], DEATHS) if LONG else zip(cycle(["sqs", "redis"]), DEATHS, strict=False)
    for queue, place in places:
        deaths = [f"{fault} kill" for fault in DEATHS[place]]
        kind = "csv-gzip" if "measure" in deaths[0] else draw.choice(list(files.KINDS))
        lane = scenario.lane(queue)
        rows = 30 if place.startswith(SMALL) else 800
        scenario.load(files.make(kind, draw.random(), rows), lane)
        lanes.append((place, lane, deaths, scenario.worker(lane, fault=deaths.pop(0))))

    def step() -> bool:
        for number, (place, lane, deaths, process) in enumerate(lanes):
            if process is not None and (status := process.poll()) is not None:
                assert status == -signal.SIGKILL, place
                FIGURES["kills"] += 1
                following = scenario.worker(lane, fault=deaths.pop(0)) if deaths else None
                lanes[number] = (place, lane, deaths, following)
                if following is None:
                    scenario.worker(lane)
        return all(process is None for *_, process in lanes)

    scenario.until(step, "all have died that should")
    scenario.check()
