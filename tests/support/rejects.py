"""Makers of rejects files over memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from chalicelib.core.blocks import RejectedBlock
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.jobs import Job, RejectsFile, RejectsSource
from chalicelib.core.model import Reject, Status
from chalicelib.service.ingestion import Ingester
from chalicelib.service.rejects_file import RejectsFileMaker
from tests.support.fakes import MemoryJobs, MemoryUploads


@dataclass
class MemoryRejects:
    """The RejectsLedger of jobs in memory."""

    jobs: MemoryJobs

    def begin_in_undo(self, job: Job, *, owner: str) -> int | None:
        self.jobs.ping()
        file = self.jobs.files.setdefault(job.id, RejectsFile())
        if file.key or file.error:
            return None
        self.jobs.attempts[job.id] += self.jobs.makers.get(job.id) != owner
        self.jobs.makers[job.id] = owner
        return self.jobs.attempts[job.id]

    def erased_values(self, job: Job) -> ErasedValues:
        return self.jobs.erased_values(job)

    def blocks(self, job_id: UUID) -> Sequence[RejectedBlock]:
        self.jobs.ping()
        found, records, lines, rows = [], 0, 0, 0
        for block in sorted(self.jobs.blocks.get(job_id, {}).values(), key=lambda block: block.no):
            if block.rejected:
                counts = (block.rejected, records, lines, rows)
                found.append(RejectedBlock(block.no, block.start, block.end, *counts))
            records, lines = records + block.records, lines + (block.lines or 0)
            rows += block.sheet_rows or 0
        return found

    def excerpts(self, job_id: UUID, block_no: int) -> Iterator[Reject]:
        self.jobs.ping()
        yield from self.jobs.blocks[job_id][block_no].rejects

    def finish(self, job: Job, *, owner: str, key: str, rejects: int, source: RejectsSource) -> bool:
        return self._end(job, owner, RejectsFile(key, rejects, source))

    def fail(self, job: Job, *, owner: str, message: str) -> bool:
        return self._end(job, owner, RejectsFile(error=message))

    def _end(self, job: Job, owner: str, file: RejectsFile) -> bool:
        self.jobs.ping()
        undoes = self.jobs.jobs[job.id].status is Status.UNDOING and self.jobs.owners.get(job.id) == owner
        known = self.jobs.files.get(job.id)
        if known is None or known.key or not (undoes or self.jobs.makers.get(job.id) == owner):
            return False
        self.jobs.makers.pop(job.id, None)
        self.jobs.files[job.id] = file
        return True


def new_maker(jobs: MemoryJobs, ingester: Ingester, max_attempts: int = 3) -> RejectsFileMaker:
    """Return a maker with the ingester's store, limits and memory, that writes to a bucket in memory."""
    return RejectsFileMaker(
        MemoryRejects(jobs),
        ingester.store,
        MemoryUploads(),
        ingester.limits,
        ingester.block_memory,
        max_attempts,
    )
