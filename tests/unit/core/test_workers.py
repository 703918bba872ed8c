"""The state of a worker, by its last sign of life."""

import pytest

from chalicelib.core.workers import STUCK_SECONDS, Worker, WorkerState
from tests.support.worker_states import INTERVAL, work, worker


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (worker(), WorkerState.IDLE),
        (worker(jobs=[work()]), WorkerState.WORKING),
        (worker(jobs=[work(idle=STUCK_SECONDS)]), WorkerState.WORKING),
        (worker(jobs=[work(), work(idle=STUCK_SECONDS + 1)]), WorkerState.STUCK),
        (worker(unseen=3 * INTERVAL), WorkerState.IDLE),
        (worker(unseen=3 * INTERVAL + 1), WorkerState.SILENT),
        (worker(unseen=99, jobs=[work(idle=STUCK_SECONDS + 1)]), WorkerState.SILENT),
    ],
)
def test_the_state_is_that_of_the_last_sign_of_life(seen: Worker, state: WorkerState) -> None:
    assert seen.state is state
