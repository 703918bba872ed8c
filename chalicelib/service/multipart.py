"""Multipart uploads: divide a file into parts, sign them, and assemble the object from them.

Part *n* is bytes ``[(n - 1) * part_size, n * part_size)`` of the file. S3 takes up to 10,000 parts of 5 MiB
to 5 GiB, the last one smaller (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from chalicelib.core.errors import JobFailed, NotPossible
from chalicelib.core.jobs import Job, Part, Upload
from chalicelib.core.model import Status
from chalicelib.core.uploads import SignedPart, SignedUpload
from chalicelib.reading.object_store import ObjectStore

MOST_AT_ONCE = 100  # URLs in one response
PAGE = 1000  # parts that S3 lists at once
MOST_PARTS = 10_000
_MIB = 1 << 20


class PartSigner(Protocol):
    """Make URLs that let a client write one part of an object and nothing else."""

    def sign_part(self, key: str, upload_id: str, part: Part) -> SignedUpload:
        """Return a URL to PUT that part of the object at ``key``: of its size and its SHA-256, if any."""


class MultipartBucket(Protocol):
    """The bucket's multipart uploads. Every method raises RetryLater.

    Every method but ``abort`` raises NotPossible for an upload that has ended.
    """

    def begin(self, key: str, *, checksums: bool) -> str:
        """Begin a multipart upload and return its id. With ``checksums``, each part needs its SHA-256."""

    def parts(self, key: str, upload_id: str, *, after: int) -> Sequence[Part]:
        """Return up to 1,000 of the parts that have arrived, by number, beginning after ``after``."""

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Assemble the object from its parts. A second call may or may not raise NotPossible."""

    def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts. Do nothing when the upload has ended."""


class MissingParts(Exception):  # noqa: N818 - names the problem
    """The upload cannot be completed yet: the parts with these numbers are missing or have another size."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(f"{len(numbers)} parts are missing")
        self.numbers = numbers


def part_size_for(size: int, preferred: int) -> int:
    """Return the part size, in bytes, for a file of ``size`` bytes.

    That is the ``preferred`` one, or the smallest in whole MiB that needs no more parts than S3 takes.
    """
    minimum = -(-size // MOST_PARTS)
    return preferred if minimum <= preferred else -(-minimum // _MIB) * _MIB


def all_parts(upload: Upload) -> Sequence[Part]:
    """Return the parts that make up the file, without checksums."""
    size, step = upload.size or 0, upload.part_size or 1
    return [
        Part(number, min(step, size - start)) for number, start in enumerate(range(0, size, step), start=1)
    ]


def open_upload_id(job: Job) -> str:
    """Return S3's id of the job's upload. Raises NotPossible unless the upload still takes parts."""
    if job.upload.upload_id is None:
        raise NotPossible("This job's file is not a multipart upload.")
    if job.status is not Status.PENDING or job.upload.arrived_at is not None:
        raise NotPossible(f"The upload has ended: the job is {job.status}.")
    if job.upload.expires_at is not None and job.upload.expires_at <= datetime.now(UTC):
        raise NotPossible("The upload took too long and has expired.")
    return job.upload.upload_id


class MultipartUploads:
    """Handle the multipart uploads of registered jobs."""

    def __init__(self, signer: PartSigner, bucket: MultipartBucket, store: ObjectStore) -> None:
        self._signer = signer
        self._bucket = bucket
        self._store = store

    def begin(self, key: str, *, checksums: bool) -> str:
        """Begin an upload and return its id; with ``checksums`` each part needs one. Raises RetryLater."""
        return self._bucket.begin(key, checksums=checksums)

    def sign(self, job: Job, parts: Sequence[Part]) -> Sequence[SignedPart]:
        """Return the parts with the URLs to send them to. Raises NotPossible when the upload has ended."""
        upload_id = open_upload_id(job)
        return [SignedPart(part, self._signer.sign_part(job.upload.key, upload_id, part)) for part in parts]

    def list_parts(self, job: Job, *, after: int) -> Sequence[Part]:
        """Return up to :data:`PAGE` parts that have arrived, by number, beginning after ``after``.

        Raises NotPossible when the upload has ended, RetryLater.
        """
        return self._bucket.parts(job.upload.key, open_upload_id(job), after=after)

    def complete(self, job: Job) -> None:
        """Assemble the object from its parts, unless that has happened. S3's event announces the object.

        Raises MissingParts, NotPossible when the upload has ended otherwise, RetryLater.
        """
        if job.upload.upload_id is not None and job.upload.arrived_at is not None:
            return
        try:
            self._assemble(job)
        except NotPossible:
            if not self._is_assembled(job):
                raise

    def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts. Do nothing when the upload has ended. Raises RetryLater."""
        self._bucket.abort(key, upload_id)

    def _assemble(self, job: Job) -> None:
        upload_id = open_upload_id(job)
        parts = self._arrived_parts(job.upload.key, upload_id)
        missing = [part.number for part in all_parts(job.upload) if not _has_arrived(part, parts)]
        if missing:
            raise MissingParts(missing)
        self._bucket.complete(job.upload.key, upload_id, [parts[number] for number in sorted(parts)])

    def _is_assembled(self, job: Job) -> bool:
        """Return whether the object exists already and its event is on its way."""
        if job.upload.upload_id is None or job.status is not Status.PENDING:
            return False
        try:
            self._store.pin(job.upload.bucket, job.upload.key)
        except JobFailed:
            return False
        return True

    def _arrived_parts(self, key: str, upload_id: str) -> Mapping[int, Part]:
        parts: dict[int, Part] = {}
        while page := self._bucket.parts(key, upload_id, after=max(parts, default=0)):
            parts |= {part.number: part for part in page}
        return parts


def _has_arrived(part: Part, parts: Mapping[int, Part]) -> bool:
    return part.number in parts and parts[part.number].size == part.size
