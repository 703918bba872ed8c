"""`python -m chalicelib.worker`: the long-running worker.

`docs/explanation/how-it-runs.md` says how to run it.

It takes messages off the queue until SIGTERM or SIGINT; then it finishes the blocks under way, gives its jobs
back and exits with status 0.
"""

import gc
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from chalicelib import settings
from chalicelib.core.errors import RetryLater
from chalicelib.memory import return_large_allocations
from chalicelib.service.message_handler import MessageHandler
from chalicelib.service.shared_receiver import SharedReceiver
from chalicelib.service.sweep import Sweeper
from chalicelib.telemetry import logger
from chalicelib.wiring import Services, services

_POLL_SECONDS = 5.0  # an idle worker notices a stop within this time
_SWEEP_PATIENCE = 5.0  # seconds for a sweep under way to end; cutting one short is harmless
_TEND_SECONDS = 1.0  # between looks at the messages that wait
_PAUSE_SECONDS = 2.0  # after the queue or the database did not answer


@dataclass(frozen=True)
class Slots:
    """Work on up to ``count`` jobs at once."""

    handler: MessageHandler
    receiver: SharedReceiver
    count: int

    def run(self, stop: threading.Event, *, health_file: Path | None, grace_seconds: float) -> bool:
        """Work until ``stop`` is set; return whether all slots ended ``grace_seconds`` after that.

        A slot that is cut short loses no data. ``health_file`` is touched while all slots are alive: a file
        that grows old means that the worker hangs.
        """
        threads = [
            threading.Thread(target=self._work, args=(stop,), name=f"slot-{number}", daemon=True)
            for number in range(self.count)
        ]
        tending = threading.Thread(target=self._tend, args=(stop,), name="queue", daemon=True)
        for thread in [*threads, tending]:
            thread.start()
        deadline = None
        while any(thread.is_alive() for thread in threads):
            if health_file is not None and all(thread.is_alive() for thread in threads):
                _touch(health_file)
            for thread in threads:
                thread.join(timeout=1 / self.count)
            if stop.is_set():
                deadline = deadline or time.monotonic() + grace_seconds
                if time.monotonic() > deadline:
                    return False
        tending.join(_POLL_SECONDS)
        self._tend_once(is_stopping=True)
        return True

    def _tend(self, stop: threading.Event) -> None:
        """Tend the messages that wait for a slot or for their acknowledgement."""
        while not stop.wait(_TEND_SECONDS):
            self._tend_once(is_stopping=False)

    def _tend_once(self, *, is_stopping: bool) -> None:
        try:
            self.receiver.tend(is_stopping=is_stopping)
        except RetryLater as error:  # the queue redelivers them
            logger.warning("messages not acknowledged or given back", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001 - nothing restarts this thread
            logger.exception("messages not acknowledged or given back")

    def _work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                for delivery in self.receiver.receive(wait_seconds=_POLL_SECONDS):
                    self.handler.handle(delivery, stop)
            except RetryLater as error:
                logger.warning("trying again shortly", extra={"reason": str(error)})
                stop.wait(_PAUSE_SECONDS)
            except Exception:  # noqa: BLE001 - nothing restarts a slot that ends
                logger.exception("trying again shortly")
                stop.wait(_PAUSE_SECONDS)


def _touch(health_file: Path) -> None:
    try:
        health_file.touch()
    except OSError:  # a full disk is not a reason to stop working
        logger.exception("health file not touched")


def sweep_regularly(sweeper: Sweeper, stop: threading.Event) -> None:
    """Sweep at intervals until ``stop`` is set, in a thread of its own: long jobs do not delay sweeps."""
    while not stop.wait(sweeper.seconds):
        try:
            sweeper.sweep()
        except RetryLater as error:
            logger.warning("the next sweep tries again", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001 - nothing restarts this thread
            logger.exception("the next sweep tries again")


def slots_of(sluice: Services) -> Slots:
    """Return the slots of a worker with these services. Raises SettingError."""
    return Slots(sluice.message_handler, sluice.shared_receiver, sluice.settings.worker_jobs)


def main() -> int:
    """Run the worker with the settings of the environment; return its exit status, 2 for a wrong setting."""
    return_large_allocations()
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        logger.info("stopping", extra={"signal": signal.Signals(number).name})
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        sluice = services()
        slots, sweeper = slots_of(sluice), sluice.sweeper
    except settings.SettingError as error:
        print(f"the worker cannot start: {error}", file=sys.stderr)
        return 2
    gc.freeze()  # what is here now stays: looking through it again and again takes 2 % of a small job
    logger.info("worker started", extra={"owner": sluice.owner, "queue": sluice.settings.queue_backend})
    sweeping = threading.Thread(target=sweep_regularly, args=(sweeper, stop), name="sweep", daemon=True)
    sweeping.start()
    health_file = sluice.settings.health_file
    signs = sluice.signs_of_life()
    with signs:
        in_time = slots.run(
            stop,
            health_file=Path(health_file) if health_file else None,
            grace_seconds=sluice.settings.grace_seconds,
        )
    if not in_time:
        logger.error(
            "stopped before all jobs were given back: others continue them when the leases have expired"
        )
        os._exit(1)  # threads that hang would keep the process
    sweeping.join(_SWEEP_PATIENCE)
    try:
        sluice.close()
    except RetryLater:
        logger.exception("not everything was closed")
    logger.info("worker stopped")
    return 0
