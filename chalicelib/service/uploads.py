"""A client asks to upload a file: a job is registered, and the client told where to send the bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from chalicelib.core.errors import BadRequest, RetryLater
from chalicelib.core.jobs import Instructions, Job, NewJob, Part, Upload
from chalicelib.core.ports import SignedUpload, UploadBucket, UploadSigner
from chalicelib.core.uploads import UploadRequest
from chalicelib.service import multipart as parts
from chalicelib.service.object_keys import upload_key
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import logger

# A PUT that began while its URL was good may go on for long: so much longer the file is waited for.
_GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Uploading:
    """What registering uploads works with. Sizes in bytes, times in seconds."""

    jobs: JobRegister
    signer: UploadSigner
    uploads: UploadBucket
    bucket: str
    block_size: int
    max_single: int  # a larger file is sent in parts
    part_size: int
    parts_expire: int


@dataclass(frozen=True)
class Ticket:
    """A registered job and where to send its file: to one URL, or to one a part."""

    job: Job
    whole: SignedUpload | None
    parts: Sequence[tuple[Part, SignedUpload]] = ()


def request_upload(request: UploadRequest, using: Uploading) -> Ticket:
    """Registers the job and signs its upload. Raises BadRequest, RetryLater."""
    job_id = uuid4()  # unguessable: whoever has it may look at the job
    key = upload_key(request.dataset, job_id, request.filename)
    if request.size is not None and request.size > using.max_single:
        return _in_parts(request, job_id, key, using)
    signed = using.signer.sign(key, size=request.size, sha256=request.sha256)
    upload = Upload(using.bucket, key, request.size, request.sha256, signed.expires_at + _GRACE)
    return Ticket(using.jobs.create(_new_job(request, job_id, using, upload)), signed)


def _in_parts(request: UploadRequest, job_id: UUID, key: str, using: Uploading) -> Ticket:
    if request.sha256 is not None:
        raise BadRequest(
            f"sha256 is for files that are sent in one piece, of up to {using.max_single:,} bytes. Of this "
            "one each part has its own: see part_checksums.",
            field="sha256",
        )
    upload_id = using.uploads.begin(key, checksums=request.part_checksums)
    upload = Upload(
        using.bucket,
        key,
        size=request.size,
        expires_at=datetime.now(UTC) + timedelta(seconds=using.parts_expire),
        upload_id=upload_id,
        part_size=parts.size_for(request.size or 0, using.part_size),
        part_checksums=request.part_checksums,
    )
    with _aborted_on_failure(using.uploads, key, upload_id):
        job = using.jobs.create(_new_job(request, job_id, using, upload))
    first = [] if request.part_checksums else parts.every(job.upload)[: parts.MOST_AT_ONCE]
    return Ticket(job, None, parts.sign(key, upload_id, first, using.signer))


@contextmanager
def _aborted_on_failure(uploads: UploadBucket, key: str, upload_id: str) -> Iterator[None]:
    try:
        yield
    except RetryLater:
        try:
            uploads.abort(key, upload_id)
        except RetryLater:  # it is empty, and the bucket's lifecycle rule removes it
            logger.exception("upload in parts not removed", extra={"key": key})
        raise


def _new_job(request: UploadRequest, job_id: UUID, using: Uploading, upload: Upload) -> NewJob:
    return NewJob(
        id=job_id,
        dataset=request.dataset,
        filename=request.filename,
        upload=upload,
        block_size=using.block_size,
        instructions=Instructions(request.format, request.options, request.metadata, request.force),
    )
