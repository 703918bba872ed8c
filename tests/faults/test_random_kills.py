"""`kill -9` at random moments, again and again, while several workers load several files."""

import random
import time
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.support.faults import files
from tests.support.faults.scenario import FIGURES, LONG, Scenario
from tests.support.faults.workers import Process

ROUNDS = 3 if LONG else 1
KILLS = 300 if LONG else 60  # of a round; test_exact_points.py and test_poison_jobs.py bring as many
WORKERS = 3  # on each queue
JOBS = 12  # under way at once
RECORDS = 8000 if LONG else 5000
BLOCK_SIZE = 4096
LIFE = 0.4  # seconds, at most, that a worker has from when it took a job
IDLE = 0.04  # how many of the workers are killed whether they have a job or not


def submit(scenario: Scenario, draw: random.Random, lanes: Sequence[Mapping[str, str]]) -> None:
    """Load the next file, of another kind each time; every seventh is the first half of an earlier one."""
    number = len(scenario.loadings)
    lane = lanes[number % len(lanes)]
    if number % 7 == 6:
        whole = next(it for it in reversed(scenario.loadings) if it.file.kind == "csv")
        data = whole.file.data
        head = files.File("csv", "file.csv", data[: data.index(b"\n", len(data) // 2) + 1])
        scenario.load(head, lane, dataset=whole.dataset, block_size=BLOCK_SIZE)
    else:
        kind = list(files.KINDS)[number % 7]
        scenario.load(files.make(kind, draw.random(), RECORDS), lane, block_size=BLOCK_SIZE)


class Killer:
    """Kill workers, and start others in their place.

    Most of them hold a job. A worker that is killed while it waits for a message leaves its request with
    LocalStack for up to 5 s, and that request gets the next message. If idle workers were always killed, no
    message would arrive.
    """

    def __init__(self, scenario: Scenario, draw: random.Random, lanes: Sequence[Mapping[str, str]]) -> None:
        self.kills = self.hits = 0
        self._scenario = scenario
        self._draw = draw
        self._lanes = [*lanes] * WORKERS
        self._alive: list[tuple[Process, float | None]] = [self._another(lane) for lane in self._lanes]

    def _another(self, lane: Mapping[str, str]) -> tuple[Process, float | None]:
        rash = self._draw.random() < IDLE
        return self._scenario.worker(lane), time.monotonic() + self._draw.uniform(0, 3) if rash else None

    def step(self) -> int:
        """Kills whose time has come, while there are not enough yet. How many jobs have not ended."""
        jobs = self._scenario.jobs(*self._scenario.loadings)
        busy = {int(owner.rsplit("-", 2)[1]) for job in jobs for owner in job["owners"] if owner}
        now = time.monotonic()
        for place, (worker, due) in enumerate(self._alive):
            if due is None and worker.pid in busy:
                self.hits += 1
                self._alive[place] = (worker, now + self._draw.uniform(0, LIFE))
            elif due is not None and due < now and self.kills < KILLS:
                assert worker.poll() is None, "a worker ended by itself"
                worker.kill()
                self._alive[place] = self._another(self._lanes[place])
                self.kills += 1
        return sum(not job["completed_at"] for job in jobs)


@pytest.mark.parametrize("attempt", range(ROUNDS))
def test_killed_workers_cost_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, attempt: int
) -> None:
    scenario = make_scenario(SLUICE_WORKER_JOBS=str(1 + attempt % 2))
    lanes = [scenario.lane("sqs"), scenario.lane("redis")]
    killer = Killer(scenario, draw, lanes)

    def killed_enough() -> bool:
        under_way = killer.step()
        if under_way < JOBS and killer.kills < KILLS:
            submit(scenario, draw, lanes)
        return killer.kills >= KILLS and not under_way

    scenario.until(killed_enough, f"{KILLS} workers were killed and all jobs have ended")
    FIGURES["kills"] += killer.kills
    scenario.check()
    # most kills must have hit a worker at work, or this has tested little
    assert killer.hits >= killer.kills / 2
    assert any(job["shared_to"] for job in scenario.jobs(*scenario.loadings))
