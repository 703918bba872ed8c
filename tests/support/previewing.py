"""Preview files, and load them afterwards, in memory."""

from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.jobs import Changes, Instructions, Job
from chalicelib.core.model import Options, Status
from chalicelib.core.preview import Preview
from chalicelib.service.ingestion import Result
from tests.support.fakes import MemoryJobs
from tests.support.jobs import NOW, new_job
from tests.support.workers import ingest, new_ingester, new_previewer

WORKER_SIZES = {"max_upload": 1 << 40, "max_record": 1 << 20}  # bytes


@dataclass
class World:
    """One job whose file is to be previewed, over ports in memory."""

    store: Any
    jobs: MemoryJobs = field(default_factory=MemoryJobs)
    filename: str = "people.csv"
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        instructions = Instructions(options=self.options, preview=True)
        self.id = self.jobs.put(
            new_job(filename=self.filename, block_size=1 << 20, instructions=instructions, arrived_at=NOW)
        ).id

    @property
    def job(self) -> Job:
        job = self.jobs.get(self.id)
        assert job is not None
        return job

    def claim(self) -> Job:
        assert self.jobs.claim(self.id, owner="me", lease_seconds=1) is not None
        return self.job

    def preview(self) -> Preview:
        ingester = new_ingester(self.jobs, self.store, **WORKER_SIZES)
        assert new_previewer(self.jobs, ingester).preview(self.claim(), lambda: True) is Result.PREVIEWED
        assert self.job.status is Status.PREVIEWED
        assert self.job.preview is not None
        return self.job.preview

    def load(self, changes: Changes | None = None) -> Result:
        assert self.jobs.load(self.id, changes) is not None
        return ingest(self.claim(), new_ingester(self.jobs, self.store, **WORKER_SIZES), lambda: True)
