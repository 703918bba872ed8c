"""Open a job: pin its object, detect its dialect, and fix both in the ledger."""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Claim, Job, Reading
from chalicelib.core.model import Source
from chalicelib.core.options import with_parent
from chalicelib.core.warnings import FileWarning
from chalicelib.formats import format_of
from chalicelib.formats.interface import Detection
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.head import HEAD_SIZE
from chalicelib.reading.object_store import ObjectStore
from chalicelib.service.detection import detect_dialect
from chalicelib.service.ledger import Ledger
from chalicelib.service.transform import without_erased


class DuplicateFile(Exception):  # noqa: N818 - no error
    """Another job has loaded the same content; this job is COMPLETED."""


@dataclass(frozen=True)
class Opening:
    """What a job reads, and how; ``is_new``: it is not fixed yet. ``warnings`` are those of its detection."""

    reading: Reading
    warnings: Sequence[FileWarning] = ()
    is_new: bool = False


@dataclass(frozen=True)
class Opener:
    """Open jobs."""

    ledger: Ledger
    store: ObjectStore
    limits: DecompressionLimits  # of decompressed text
    max_upload: int  # bytes
    max_block_size: int  # bytes: larger blocks do not fit into the worker's memory
    erased: ErasedValues | None = None  # from the job's dataset

    def look(self, claim: Claim) -> Opening:
        """Return what the claimed job reads, and how: as it is fixed already, or as its object shows.

        Raises DuplicateFile, JobFailed, JobEnded, and the errors of the store.
        """
        job = claim.job
        if job.reading is not None and not _is_untouched_since_preview(claim):
            return Opening(job.reading)
        source = self._pin(job)
        if source.checksum is not None:
            original = self.ledger.complete_as_duplicate(job, source)
            if original is not None:
                raise DuplicateFile(original)
        if job.reading is not None:
            return Opening(job.reading)
        return self._opening(job, source, self._detect(job, source))

    def fix(self, job: Job, opening: Opening) -> Reading:
        """Return the reading of the job, as the first worker to open it fixes it.

        Raises JobFailed, JobEnded, RetryLater.
        """
        if not opening.is_new:
            return opening.reading
        return self.ledger.open(job, opening.reading, opening.warnings)

    def open_to_preview(self, job: Job) -> tuple[Reading, Detection]:
        """Return the reading, fixed, and the detection, which says how sure it is.

        Whether another job has loaded the same content is not looked at. Raises as :meth:`look` does.
        """
        source = self._pin(job)
        detection = self._detect(job, source)
        return job.reading or self.fix(job, self._opening(job, source, detection)), detection

    def _pin(self, job: Job) -> Source:
        """Return the object to read. Raises JobFailed if it is not as announced, or as the reading has it."""
        source = _pin(job, self.store)
        if job.reading is not None and job.reading.source.etag != source.etag:
            raise JobFailed("source-changed", "The object was replaced after the job was opened.")
        _check_size(job, source, self.max_upload)
        _check_checksum(job, source)
        return source

    def _opening(self, job: Job, source: Source, detection: Detection) -> Opening:
        dialect = detection.dialect
        most = min(self.max_block_size, format_of(dialect).max_block_size(dialect))
        block_size = min(job.block_size, most)
        warnings = detection.warnings
        if self.erased is not None:
            warnings = tuple(without_erased(warning, self.erased) for warning in warnings)
        return Opening(Reading(source, dialect, block_size), warnings, is_new=True)

    def _detect(self, job: Job, source: Source) -> Detection:
        """Return how the object is read. If it is a rejects file, its values are read as its parent's were.

        The parent is the job that the client names, else the one that the file names.
        """
        declared = job.instructions
        parent = None if declared.parent_job is None else self.ledger.parent(job, declared.parent_job)
        detection = detect_dialect(self.store, source, declared, self.limits, job.filename, parent=parent)
        marked = detection.dialect.rejects_of
        if marked is None:
            return detection
        named = self.ledger.parent(job, UUID(marked))
        if named is None:
            return detection._replace(dialect=replace(detection.dialect, rejects_of=None))
        if parent is not None:
            return detection
        declared = replace(declared, options=with_parent(declared.options, named))
        return detect_dialect(self.store, source, declared, self.limits, job.filename, parent=named)


def _is_untouched_since_preview(claim: Claim) -> bool:
    """Return whether an open job has a preview and nothing else: it may be a duplicate."""
    job, reading = claim.job, claim.job.reading
    is_split = claim.range is not None or (reading is not None and reading.split_to is not None)
    return job.preview is not None and not is_split and job.progress.bytes_processed == 0


def _pin(job: Job, store: ObjectStore) -> Source:
    """Return the object to load: the version that the event named, if the bucket keeps versions.

    Without versions it is the current object, unless the job is for one exact object: that of a dropped file
    (see intake), or the one that an earlier reading was of.
    """
    expected = job.source
    version_id = expected.version_id if expected else None
    pinned, _ = store.begin(job.upload.bucket, job.upload.key, version_id, HEAD_SIZE)
    is_exact = job.upload.expires_at is None or job.rereads
    if is_exact and expected is not None and expected.etag != pinned.etag:
        again = " again" if job.rereads else ""
        raise JobFailed("source-changed", f"The object was replaced before it was loaded{again}.")
    return pinned


def _check_checksum(job: Job, source: Source) -> None:
    """Compare the checksum that S3 has verified with the one that the client announced."""
    if job.upload.sha256 is None:
        return
    if source.checksum is None:
        raise JobFailed("checksum-mismatch", "The file arrived without the SHA-256 that the upload declared.")
    if b64decode(source.checksum).hex() != job.upload.sha256:
        raise JobFailed("checksum-mismatch", "The file's SHA-256 is not the one that the upload declared.")


def _check_size(job: Job, source: Source, max_size: int) -> None:
    if source.size == 0:
        raise JobFailed("empty-file", "The file is empty: it has 0 bytes.")
    expected = job.upload.size
    if expected is not None and expected != source.size:
        raise JobFailed("size-mismatch", f"{expected:,} bytes were declared and {source.size:,} arrived.")
    if source.size > max_size:
        raise JobFailed("file-too-large", f"The file has {source.size:,} bytes; {max_size:,} are allowed.")
