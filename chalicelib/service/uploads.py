"""Register uploads: create the job, and sign the requests that send the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid4

from chalicelib.core.access import DEFAULT_DATASET, Principal
from chalicelib.core.errors import InvalidRequest, RetryLater
from chalicelib.core.jobs import Job, NewJob, Upload
from chalicelib.core.options import of_parent, with_members
from chalicelib.core.tenants import Tenant
from chalicelib.core.uploads import SignedUpload, Ticket, UploadRequest, within_limits
from chalicelib.service.multipart import MOST_AT_ONCE, MultipartUploads, all_parts, part_size_for
from chalicelib.service.object_keys import upload_key
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import logger

if TYPE_CHECKING:
    from chalicelib.core.model import Options


# A PUT that began just before its URL expired may take long: Sluice waits for the file this much longer.
_GRACE = timedelta(days=1)


class UploadSigner(Protocol):
    """Make URLs that let a client write one object and nothing else."""

    def sign(self, key: str, *, size: int | None, sha256: str | None) -> SignedUpload:
        """Return a URL to PUT the object at ``key``, of that size in bytes, that SHA-256 in hexadecimal."""


@dataclass(frozen=True)
class UploadRules:
    """The rules for uploads. Sizes in bytes, times in seconds."""

    bucket: str
    block_size: int
    max_size: int
    max_single: int  # a larger file is sent in parts
    part_size: int
    parts_expire: int


class Uploads:
    """Register a tenant's uploads."""

    def __init__(
        self,
        jobs: JobRegister,
        signer: UploadSigner,
        multipart: MultipartUploads,
        rules: UploadRules,
        tenant: Tenant,
    ) -> None:
        self._jobs = jobs
        self._tenant = tenant
        self._signer = signer
        self._multipart = multipart
        self._rules = rules

    @property
    def max_size(self) -> int:
        """Return the size, in bytes, of the largest file that may be uploaded."""
        return self._rules.max_size

    def max_size_for(self, principal: Principal) -> int:
        """Return the size, in bytes, of the largest file that the principal may upload."""
        limits = principal.limits
        return self.max_size if limits is None else min(self.max_size, limits.max_size)

    def register(self, request: UploadRequest, principal: Principal) -> Ticket:
        """Register the job and sign its upload. Raises InvalidRequest, Forbidden, RetryLater.

        The dataset's default options apply where the request declares no others. The job keeps them.
        """
        parent = self._parent(request)
        dataset = request.dataset or (parent.dataset if parent else principal.default_dataset)
        principal.check_dataset(dataset)
        if principal.limits is not None:
            request = within_limits(request, principal.limits)
        request = self._with_default_options(replace(request, dataset=dataset), dataset, parent)
        job_id = uuid4()
        key = upload_key(self._tenant.name, dataset, job_id, request.filename)
        if request.size is not None and request.size > self._rules.max_single:
            return self._register_multipart(request, principal, job_id, key)
        signed_upload = self._signer.sign(key, size=request.size, sha256=request.sha256)
        upload = Upload(
            self._rules.bucket,
            key,
            request.size,
            request.sha256,
            expires_at=signed_upload.expires_at + _GRACE,
        )
        return Ticket(self._create(request, principal, job_id, upload), signed_upload)

    def _parent(self, request: UploadRequest) -> Job | None:
        """Return the job whose rejects are uploaded. Raises InvalidRequest if it cannot be that job."""
        parent_id = request.instructions.parent_job
        if parent_id is None:
            return None
        parent = self._jobs.get(parent_id)
        if parent is None:
            raise InvalidRequest(f"There is no job {parent_id}.", field="parent_job")
        if request.dataset not in (None, parent.dataset):
            raise InvalidRequest(
                f"The rows of job {parent_id} are in dataset {parent.dataset!r}, "
                f"and this upload is for dataset {request.dataset!r}.",
                field="parent_job",
            )
        return parent

    def _with_default_options(
        self, request: UploadRequest, dataset: str, parent: Job | None
    ) -> UploadRequest:
        """Return the request with all options that apply: beside its own the dataset's, or the parent's.

        Raises InvalidRequest if these do not go together.
        """
        instructions = request.instructions
        if parent is not None:
            defaults: Options | None = of_parent(parent)
            declared = parent.instructions.format
            if declared is not None and declared.is_table:  # otherwise its rejects are in another format
                instructions = replace(instructions, format=instructions.format or declared)
        else:
            defaults = self._jobs.dataset_options(dataset)
        if defaults is None:
            return request
        members = {name: getattr(instructions.options, name) for name in request.declared}
        options = with_members(defaults, members, whose=f"dataset {dataset!r}")
        return replace(request, instructions=replace(instructions, options=options))

    def _register_multipart(
        self, request: UploadRequest, principal: Principal, job_id: UUID, key: str
    ) -> Ticket:
        if request.sha256 is not None:
            raise InvalidRequest(
                f"sha256 is for files that are sent in one piece, of up to {self._rules.max_single:,} bytes. "
                "Of this one each part has its own: see part_checksums.",
                field="sha256",
            )
        upload = Upload(
            self._rules.bucket,
            key,
            size=request.size,
            expires_at=datetime.now(UTC) + timedelta(seconds=self._rules.parts_expire),
            upload_id=self._multipart.begin(key, checksums=request.part_checksums),
            part_size=part_size_for(request.size or 0, self._rules.part_size),
            part_checksums=request.part_checksums,
        )
        with self._aborted_on_failure(upload):
            job = self._create(request, principal, job_id, upload)
        first = [] if request.part_checksums else all_parts(job.upload)[:MOST_AT_ONCE]
        return Ticket(job, None, self._multipart.sign(job, first))

    @contextmanager
    def _aborted_on_failure(self, upload: Upload) -> Iterator[None]:
        try:
            yield
        except Exception:
            try:
                self._multipart.abort(upload.key, upload.upload_id or "")
            except RetryLater:  # it is empty, and the bucket's lifecycle rule removes it
                logger.exception("multipart upload not aborted", extra={"key": upload.key})
            raise

    def _create(self, request: UploadRequest, principal: Principal, job_id: UUID, upload: Upload) -> Job:
        return self._jobs.create(
            NewJob(
                id=job_id,
                dataset=request.dataset or DEFAULT_DATASET,
                filename=request.filename,
                upload=upload,
                block_size=self._rules.block_size,
                instructions=request.instructions,
                tenant=self._tenant,
                created_by=principal.credential,
                limits=principal.limits,
            )
        )
