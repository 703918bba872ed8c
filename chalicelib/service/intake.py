"""Take note of objects that arrived in the bucket, and enqueue their jobs.

In this order, so that no worker receives a job whose object has not arrived. A sweep reconciles lost
messages.

An object that was uploaded through the API has a job already. A dropped file, and a new version of an object
that is being loaded, get a job of their own, with the same id however often and in whatever order events
report them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chalicelib.core.access import CredentialKind
from chalicelib.core.errors import JobFailed, NotPossible
from chalicelib.core.jobs import Instructions, Job, NewJob, Upload
from chalicelib.core.model import Options, Source
from chalicelib.core.tenants import UnmatchedObject
from chalicelib.reading.object_store import ObjectStore
from chalicelib.service.object_keys import (
    REJECTS,
    DroppedFile,
    Unmatched,
    adopted_job_id,
    datasets_in,
    dropped_file,
    is_dropped,
    tenant_in,
    uploaded_job_id,
)
from chalicelib.service.queue import JobSender
from chalicelib.service.register import JobRegister
from chalicelib.service.tenants import TenantRegister
from chalicelib.telemetry import logger


@dataclass(frozen=True)
class Intake:
    """Take in objects. Every method raises RetryLater; repeating a call is harmless."""

    jobs: JobRegister
    tenants: TenantRegister
    store: ObjectStore
    sender: JobSender
    block_size: int  # bytes, of jobs that are created here

    def take_in(self, objects: Iterable[Source]) -> int:
        """Note the arrival of each object and enqueue its job; return the number of enqueued jobs.

        Objects that are not uploads are left alone, and logged unless Sluice wrote them.
        """
        return sum(self._take_in(source) for source in objects)

    def find_object(self, job: Job) -> None:
        """Look for the object of a job whose event was lost, note its arrival, and enqueue the job.

        Raises JobFailed when the object does not exist or may not be read.
        """
        source = self.store.pin(job.upload.bucket, job.upload.key)
        self.jobs.mark_arrived(job.id, source)
        self.sender.send(job.id)
        logger.info("object found", extra={"job_id": str(job.id), "size": source.size})

    def adopt_dropped(self, sources: Sequence[Source]) -> int:
        """Create and enqueue the jobs of dropped files; return how many there are.

        The default options of their datasets apply. Objects that belong to no tenant are noted.
        """
        tenants = self.tenants.named({tenant_in(source.key) for source in sources})
        others = {name for it in sources if tenant_in(it.key) not in tenants for name in datasets_in(it.key)}
        datasets = self.tenants.datasets(others) if others else {}
        unmatched, count = [], 0
        for source in sources:
            file = dropped_file(source.key, tenants, datasets)
            if isinstance(file, Unmatched):
                unmatched.append(UnmatchedObject(source.bucket, source.key, source.size, file.reason))
            elif (pinned := self._pin(source, source.version_id)) is not None:
                options = self.jobs.dataset_options(file.dataset) or Options()
                self._adopt(pinned, file, Instructions(options=options))
                self.tenants.forget_unmatched(source.key)
                count += 1
        if unmatched:
            self.tenants.note_unmatched(unmatched)
        return count

    def _take_in(self, source: Source) -> bool:
        job_id = uploaded_job_id(source.key)
        if job_id is not None:
            self._take_in_upload(job_id, source)
        elif is_dropped(source.key):
            return self.adopt_dropped([source]) > 0
        elif source.key.startswith(REJECTS):
            return False
        else:
            details = {"bucket": source.bucket, "key": source.key}
            logger.warning("object is not an upload, ignored", extra=details)
            return False
        return True

    def _take_in_upload(self, job_id: UUID, source: Source) -> None:
        was_waiting = self.jobs.mark_arrived(job_id, source)
        self.sender.send(job_id)
        details = {"job_id": str(job_id), "size": source.size, "waiting": was_waiting}
        logger.info("object arrived", extra=details)
        if not was_waiting and source.version_id is not None:
            self._adopt_newer_version(job_id, source)

    def _adopt_newer_version(self, job_id: UUID, source: Source) -> None:
        """Give the newest version of an overwritten object a job of its own, where versions are kept."""
        job = self.jobs.get(job_id)
        if job is None or job.source is None or not self._may_be_replaced(job, source):
            return
        latest = self._pin(source, None)
        if latest is None:
            return
        is_current = job.source.version_id in (None, latest.version_id)
        if not is_current and latest.version_id == source.version_id:
            file = DroppedFile(job.tenant, job.dataset, job.filename)
            self._adopt(latest, file, job.instructions, job.created_by)

    def _may_be_replaced(self, job: Job, source: Source) -> bool:
        """Return whether a newer version of a job's object is loaded: none is that an upload token wrote.

        A token is for so many files, and the URL that it got works longer than the token does.
        """
        if (source.bucket, source.key) != (job.upload.bucket, job.upload.key):
            return False
        tenant = self.tenants.named([job.tenant.name]).get(job.tenant.name)
        is_allowed = not (job.created_by or "").startswith(f"{CredentialKind.TOKEN}:")
        if is_allowed and tenant is not None and tenant.suspended_at is None:
            return True
        details = {"job_id": str(job.id), "version": source.version_id}
        logger.warning("newer version of an object not loaded", extra=details)
        return False

    def _pin(self, source: Source, version_id: str | None) -> Source | None:
        """Return the object as the store describes it: an event does not say when it was written."""
        try:
            return self.store.pin(source.bucket, source.key, version_id)
        except JobFailed as failure:
            details = {"key": source.key, "reason": failure.message}
            logger.warning("object cannot be taken in", extra=details)
            return None

    def _adopt(
        self, source: Source, file: DroppedFile, instructions: Instructions, created_by: str | None = None
    ) -> None:
        """Create the job of an object that was not uploaded through the API, unless it exists; enqueue it."""
        job_id = adopted_job_id(source)
        upload = Upload(source.bucket, source.key)
        new = NewJob(
            job_id,
            file.dataset,
            file.filename,
            upload,
            self.block_size,
            instructions,
            tenant=file.tenant,
            created_by=created_by,
        )
        try:
            self.jobs.create(new)
        except NotPossible as error:  # the tenant is being removed, and the object with it
            logger.warning("object not adopted", extra={"key": source.key, "reason": str(error)})
            return
        self.jobs.mark_arrived(job_id, source)
        self.sender.send(job_id)
        details = {"job_id": str(job_id), "key": source.key, "size": source.size}
        logger.info("object adopted", extra=details)
