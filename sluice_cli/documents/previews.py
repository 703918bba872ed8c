"""The preview in a job document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sluice_cli.documents.jobs import Job, Reject, Warned
from sluice_cli.documents.members import (
    Document,
    as_object,
    count,
    optional_integer,
    optional_list,
    optional_number,
    optional_object,
    optional_text,
)


@dataclass(frozen=True)
class RunnerUp:
    """The second best reading of a CSV file, and its share of the best one's score."""

    delimiter: object
    quote: object
    score: float


@dataclass(frozen=True)
class Preview:
    """How a file would be read: the reading, how sure it is, the first records and the first rejects."""

    reading: Document
    records: tuple[Document, ...]
    rejects: tuple[Reject, ...]
    warnings: tuple[Warned, ...]
    read: int
    rejected: int
    text_bytes: int
    whole_file: bool
    sure: Mapping[str, str]  # by option
    runner_up: RunnerUp | None

    @classmethod
    def read_from(cls, job: Job) -> Self | None:
        """Return the job's preview, None if it has none. Raises UnexpectedResponseError."""
        document = optional_object(job.document, "preview")
        if not document:
            return None
        counts, runner_up = optional_object(document, "counts"), optional_object(document, "runner_up")
        return cls(
            reading=optional_object(job.document, "detected"),
            records=tuple(as_object(it, "a record") for it in optional_list(document, "records")),
            rejects=tuple(Reject.read(it) for it in optional_list(document, "rejects")),
            warnings=tuple(Warned.read(it) for it in optional_list(document, "warnings")),
            read=count(counts, "read"),
            rejected=count(counts, "rejected"),
            text_bytes=optional_integer(document.get("text_bytes")) or 0,
            whole_file=document.get("whole_file") is True,
            sure={
                name: optional_text(ground) or ""
                for name, ground in optional_object(document, "sure").items()
            },
            runner_up=RunnerUp(
                runner_up.get("delimiter"),
                runner_up.get("quote"),
                optional_number(runner_up.get("score")) or 0,
            )
            if runner_up
            else None,
        )
