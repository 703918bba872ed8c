"""Hand out rejects files: the first request has a worker make one, later ones get a URL to download it."""

import re
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chalicelib.core.errors import NotPossible, RetryLater
from chalicelib.core.jobs import Job, RejectsFile, RejectsSource
from chalicelib.core.model import Format, Status
from chalicelib.core.uploads import SignedDownload
from chalicelib.service.queue import JobSender
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import logger

_COMPRESSED = re.compile(r"\.(?:gz|gzip|bz2|xz|zst|zip)$", re.IGNORECASE)
_LONGEST = 100  # characters of a file's name that its rejects file repeats


class NoRejectsFile(Exception):  # noqa: N818 - names the problem
    """There is no rejects file at the path; the sentence says why."""


class RejectsRemoved(Exception):  # noqa: N818 - names the problem
    """The rejects have been removed; the sentence says why."""


class RejectsFileFailed(Exception):  # noqa: N818 - names the problem
    """The rejects file could not be made; the sentence says why. The next request asks for it again."""


class RejectsWishes(Protocol):
    """Hold the wishes for rejects files. Every method raises RetryLater."""

    def wish(self, job_id: UUID) -> bool:
        """Ask for the rejects file of a job that has ended; return whether this is the first request."""

    def clear_failure(self, job_id: UUID) -> None:
        """Withdraw a wish that could not be fulfilled."""


class DownloadSigner(Protocol):
    """Sign downloads."""

    def sign_download(self, key: str, *, filename: str) -> SignedDownload:
        """Return a URL that works for a few minutes; browsers save the object as ``filename``."""


@dataclass(frozen=True)
class RejectsDownload:
    """A rejects file that is made."""

    filename: str
    rejects: int
    source: RejectsSource
    signed: SignedDownload


@dataclass(frozen=True)
class RejectsFiles:
    """Ask for rejects files and hand them out."""

    jobs: JobRegister
    wishes: RejectsWishes
    sender: JobSender
    signer: DownloadSigner

    def fetch(self, job: Job, name: str) -> RejectsDownload | None:
        """Return the job's rejects file if it is made; otherwise ask for it and return None.

        Raises NoRejectsFile, NotPossible, RejectsRemoved, RejectsFileFailed, RetryLater.
        """
        loader = self._loader(job)
        _check(loader)
        file_format = loader.rejects_format
        if file_format is None:
            raise AssertionError(f"job {loader.id} has rejects and no format")
        if name != file_name(file_format):
            sentence = f"The rejects of a {file_format.upper()} file are at {path(job, file_format)}."
            raise NoRejectsFile(sentence)
        made = loader.rejects_file or RejectsFile()
        if made.error is not None:
            self.wishes.clear_failure(loader.id)
            raise RejectsFileFailed(f"{made.error} Request it again to start another attempt.")
        if made.key is None or made.source is None:
            self._ask(loader)
            return None
        self.jobs.note_download(job.id)
        filename = download_name(job.filename, file_format)
        signed = self.signer.sign_download(made.key, filename=filename)
        return RejectsDownload(filename, made.rejects or 0, made.source, signed)

    def _loader(self, job: Job) -> Job:
        """Return the job that has the rejects: of a duplicate file, the one that loaded it."""
        if job.outcome.duplicate_of is None:
            return job
        return self.jobs.get(job.outcome.duplicate_of) or job

    def _ask(self, loader: Job) -> None:
        if not self.wishes.wish(loader.id):
            return
        logger.info("rejects file requested", extra={"job_id": str(loader.id)})
        try:
            self.sender.send(loader.id)
        except RetryLater:  # a sweep enqueues it
            logger.exception("rejects file requested, not enqueued", extra={"job_id": str(loader.id)})


def file_name(file_format: Format) -> str:
    """Return the name of the rejects files of a format."""
    return "rejects.csv" if file_format.is_table else "rejects.ndjson"


def path(job: Job, file_format: Format) -> str:
    """Return the path of a job's rejects file, relative to the API's address."""
    return f"/jobs/{job.id}/{file_name(file_format)}"


def download_name(filename: str, file_format: Format) -> str:
    """Return the name under which people save the rejects: of `people.csv.gz`, `people-rejects.csv`."""
    own = re.split(r"[/\\]", filename)[-1]
    stem = _COMPRESSED.sub("", own).rpartition(".")
    short = "".join(char for char in stem[0] or stem[2] if char.isprintable())[:_LONGEST].strip(" .")
    return f"{short or 'file'}-{file_name(file_format)}"


def _check(loader: Job) -> None:
    """Raise an error unless the job has ended and has rejects."""
    if not loader.status.is_terminal:
        raise NotPossible(f"The job is {loader.status}. Its rejects file can be made once it has ended.")
    if loader.has_rejects:
        return
    is_undone = loader.status is Status.UNDONE
    if loader.outcome.purged_at is not None and (loader.progress.tally.rejected or is_undone):
        raise RejectsRemoved("The job ended so long ago that its rejected records have been removed.")
    if is_undone and loader.rejects_file is not None:
        raise RejectsRemoved("The job was undone, and a file of its rejects could not be made before.")
    raise NoRejectsFile("The job has no rejected records.")
