"""A worker that dies, or freezes, at one exact point; or that takes what is another's.

It is `chalicelib.entrypoints.worker`, with some methods of its parts wrapped before it starts.
Nothing in the service knows of this. Environment variables say what goes wrong:

- ``FAULT``: ``PART.METHOD before|after N kill|stop|hang``, such as ``blocks.write after 3 kill``: at the
  third call of that method the process sends itself SIGKILL or SIGSTOP, or the thread hangs.
- ``FAULT_THIEF=N``: each claim takes the lease from its holder, and each renewal says yes. After a claim
  it waits until the job was claimed N times, so that N such workers work on it at once.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chalicelib.backends.postgres import blocks
from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.backends.postgres.leases import PostgresLeases
from chalicelib.backends.postgres.ledger import PostgresLedger
from chalicelib.backends.postgres.splits import PostgresSplits
from chalicelib.backends.s3 import S3Store
from chalicelib.entrypoints import worker
from chalicelib.wiring import services

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "hang": None}
PATIENCE = 60.0  # seconds

# Whose methods may be named in FAULT; "sender" and "receiver" are those of the queue.
TARGETS: Mapping[str, Any] = {
    "leases": PostgresLeases,
    "ledger": PostgresLedger,
    "splits": PostgresSplits,
    "blocks": blocks.PostgresBlocks,
    "entries": blocks,  # the module: its functions
    "destination": IngestedData,
    "store": S3Store,
}


def main() -> int:
    if fault := os.environ.get("FAULT"):
        built = services()
        targets = {**TARGETS, "sender": type(built.sender), "receiver": type(built.receiver)}
        place, when, number, what = fault.split()
        target, _, method = place.partition(".")
        arm(targets[target], method, when, int(number), SIGNALS[what])
    if others := os.environ.get("FAULT_THIEF"):
        steal(int(others))
    return worker.main()


def arm(owner: Any, method: str, when: str, number: int, what: signal.Signals | None) -> None:
    """At the call ``number`` of the method, in whatever thread, the process signals itself."""
    original = getattr(owner, method)
    lock, calls = threading.Lock(), 0

    def due() -> bool:
        nonlocal calls
        with lock:
            calls += 1
            return calls == number

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        now = due()
        if now and when == "before":
            _strike(what)
        result = original(*args, **kwargs)
        if now and when == "after":
            _strike(what)
        return result

    setattr(owner, method, wrapped)


def _strike(what: signal.Signals | None) -> None:
    if what is None:
        threading.Event().wait()
        return
    os.kill(os.getpid(), what)
    # it need not arrive at once: until then this thread does nothing more
    time.sleep(PATIENCE if what is signal.SIGKILL else 1)


def steal(others: int) -> None:
    """Leases mean nothing any more: the ledger is all that is left."""
    original: Any = PostgresLeases.claim

    def claim(self: PostgresLeases, job_id: UUID, **lease: Any) -> Any:
        while (job := original(self, job_id, **lease)) is None:
            with self._pool.connection() as connection:
                connection.execute(
                    "UPDATE ingestion_ranges SET lease_until = NULL WHERE job_id = %s", (job_id,)
                )
                taken = connection.execute(
                    "UPDATE ingestion_jobs SET lease_until = NULL"
                    " WHERE id = %s AND status = 'PROCESSING' RETURNING 1",
                    (job_id,),
                )
                if taken.fetchone() is None:  # it has ended
                    return None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with self._pool.connection() as connection:
                row = connection.execute(
                    "SELECT attempts FROM ingestion_jobs WHERE id = %s", (job_id,)
                ).fetchone()
            if row is None or row["attempts"] >= others:
                break
            time.sleep(0.005)
        return job

    def renew(_self: PostgresLeases, _job_id: UUID, **_lease: Any) -> bool:
        return True

    leases: Any = PostgresLeases
    leases.claim, leases.renew, leases.holds = claim, renew, renew


if __name__ == "__main__":
    sys.exit(main())
