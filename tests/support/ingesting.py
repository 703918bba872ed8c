"""Ingest a file held in memory into a real Postgres, in one go or in steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.completion import Completion
from chalicelib.core.jobs import Job
from chalicelib.core.model import Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.service.ingestion import BlockWriter, Ingester, Result
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.life import Life
from tests.support.workers import ingest, new_ingester


def opened_by(life: Life, store: MemoryStore, **changes: int) -> tuple[UUID, Ingester]:
    """Return a job that no worker has opened, and an ingester that writes to Postgres."""
    ports = {"ledger": life.ledger, "splits": life.splits, "new_writer": life.writer}
    sizes = {"max_upload": 10**9, "max_record": 10**6, "loaders": 2, **changes}
    return life.pending(), new_ingester(MemoryJobs(), store, **ports, **sizes)


def work(
    life: Life, job_id: UUID, ingester: Ingester, keep_going: Callable[[], bool] = lambda: True
) -> Result:
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    claim = replace(claim, job=life.found(job_id))  # as an attempt does
    result = ingest(claim, ingester, keep_going)
    if result is not Result.JOB_ENDED:
        life.leases.release(job_id, owner="me", without_progress=False)
    return result


def in_steps(life: Life, job_id: UUID, ingester: Ingester, blocks: int) -> int:
    """Load the job, with an interruption after every few blocks; return how often it was claimed."""
    claims, result = 0, Result.INTERRUPTED
    while result is not Result.JOB_ENDED:
        written = _Written(ingester.new_writer())
        one_go = _writing_to(ingester, written)
        result = work(life, job_id, one_go, lambda written=written: written.count < blocks)  # type: ignore[misc]
        claims += 1
    return claims


@dataclass
class _Written:
    """A writer that counts blocks."""

    writer: BlockWriter
    count: int = 0

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        tally = self.writer.write(job, block)
        self.count += 1
        return tally

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally] | None:
        written = self.writer.write_whole(job, block, warnings)
        self.count += written is not None
        return written


def _writing_to(ingester: Ingester, writer: "_Written") -> Ingester:
    return replace(ingester, new_writer=lambda: writer)
