"""`python -m chalicelib.worker`: the long-running worker. `docs/operations.md` says how to run it.

Takes jobs off the queue until it is told to stop (SIGTERM or SIGINT); then it finishes the blocks under
way, gives its jobs back and ends with status 0.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from chalicelib import settings
from chalicelib.core.errors import RetryLater
from chalicelib.memory import give_back_large_pieces
from chalicelib.service.message_handler import Consumer, consume
from chalicelib.service.sweep import Sweeper, sweep
from chalicelib.telemetry import logger
from chalicelib.wiring import services

_POLL_SECONDS = 5.0  # a stop is noticed within this time when there is nothing to do
_SWEEP_PATIENCE = 5.0  # for a sweep under way to end; one that is cut short harms nothing
_PAUSE_SECONDS = 2.0  # after the queue or the database did not answer


def run(
    consumer: Consumer,
    stop: threading.Event,
    *,
    slots: int,
    health_file: Path | None,
    grace_seconds: float = 25,
) -> bool:
    """Works on up to ``slots`` jobs at once until ``stop`` is set; whether all of them ended in good time.

    What has not ended ``grace_seconds`` after the stop is left as it is: nothing is lost by that but time.

    ``health_file`` is touched whenever a slot asks for work and while one is working: a file that grows
    old says that the worker hangs.
    """
    threads = [
        threading.Thread(target=_work, args=(consumer, stop), name=f"slot-{number}", daemon=True)
        for number in range(slots)
    ]
    for thread in threads:
        thread.start()
    deadline = None
    while any(thread.is_alive() for thread in threads):
        if health_file is not None and all(thread.is_alive() for thread in threads):
            _touch(health_file)
        for thread in threads:
            thread.join(timeout=1 / slots)
        if stop.is_set():
            deadline = deadline or time.monotonic() + grace_seconds
            if time.monotonic() > deadline:
                return False
    return True


def _touch(health_file: Path) -> None:
    try:
        health_file.touch()
    except OSError:  # a full disk is no reason to stop working
        logger.exception("health file not touched")


def _work(consumer: Consumer, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            consumer.jobs.ping()  # a message taken while the database is down would only use up a delivery
            for delivery in consumer.receiver.receive(limit=1, wait_seconds=_POLL_SECONDS):
                consume(consumer, delivery, stop)
        except RetryLater as trouble:
            logger.warning("trying again shortly", extra={"reason": str(trouble)})
            stop.wait(_PAUSE_SECONDS)
        except Exception:  # noqa: BLE001 - a slot that ends would be missed by nobody
            logger.exception("trying again shortly")
            stop.wait(_PAUSE_SECONDS)


def sweep_regularly(sweeper: Sweeper, stop: threading.Event) -> None:
    """Sweeps every so often until ``stop`` is set: whoever is busy with a long job must not be waited for."""
    while not stop.wait(sweeper.seconds):
        try:
            sweep(sweeper)
        except RetryLater as trouble:
            logger.warning("the next sweep tries again", extra={"reason": str(trouble)})
        except Exception:  # noqa: BLE001 - a thread that ends would be missed by nobody
            logger.exception("the next sweep tries again")


def main() -> int:
    """Runs the worker with the settings of the environment; 2 if one of them is wrong."""
    give_back_large_pieces()
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        logger.info("stopping", extra={"signal": signal.Signals(number).name})
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        built = services()
        consumer, sweeper = built.consumer, built.sweeper
    except settings.SettingError as error:
        print(f"the worker cannot start: {error}", file=sys.stderr)
        return 2
    chosen = built.settings
    logger.info("worker started", extra={"owner": consumer.owner, "queue": chosen.queue_backend})
    sweeping = threading.Thread(target=sweep_regularly, args=(sweeper, stop), name="sweep", daemon=True)
    sweeping.start()
    in_time = run(
        consumer,
        stop,
        slots=chosen.worker_jobs,
        health_file=Path(chosen.health_file) if chosen.health_file else None,
        grace_seconds=chosen.grace_seconds,
    )
    if not in_time:
        logger.error("stopped with work in hand: it goes on elsewhere when the lease has run out")
        os._exit(1)  # threads that hang would keep the process
    sweeping.join(_SWEEP_PATIENCE)
    try:
        built.close()
    except RetryLater:
        logger.exception("not everything was closed")
    logger.info("worker stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
