"""What chalicelib.wiring.Services is, over memory."""

from chalicelib import settings
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Source
from chalicelib.service.intake import Intake
from chalicelib.service.sweep import Sweeper
from chalicelib.service.uploads import Uploading
from tests.support.fakes import FixedSigner, MemoryJobs, MemoryQueue, MemoryStore, MemoryUploads


class MemoryServices:
    """What chalicelib.wiring.Services is, over memory."""

    def __init__(self) -> None:
        self.settings = settings.load({"SLUICE_BUCKET": "bucket"})
        self.jobs = MemoryJobs()
        self.sender = MemoryQueue()
        self.signer = FixedSigner()
        self.uploads = MemoryUploads()
        self.objects = MemoryStore()
        self.store = self
        self.storage_down = False
        self.forbidden = False
        self.intake = Intake(self.jobs, self, self.sender, block_size=64)
        self.sweeper = Sweeper(self.intake, self.jobs, self.uploads, seconds=60, retention_days=90)
        self.uploading = Uploading(
            self.jobs,
            self.signer,
            self.uploads,
            bucket="bucket",
            block_size=64,
            max_single=1000,
            part_size=400,
            parts_expire=3600,
        )

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        if self.forbidden:
            raise JobFailed("source-forbidden", "The service may not read the uploaded object.")
        return self.objects.pin(bucket, key, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:
        return self.objects.read(source, start, end)

    def ping(self, bucket: str) -> None:
        assert bucket == "bucket"
        if self.storage_down:
            raise RetryLater("S3 is down")
