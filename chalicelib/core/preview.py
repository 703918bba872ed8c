"""Previews: how a file would be read, and what its first records would become, without a row of it stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.model import StoredReject
from chalicelib.core.warnings import JobWarning


class Sureness(StrEnum):
    """The ground on which an option of a reading stands."""

    DECLARED = "declared"  # by the upload or its dataset
    DEFAULT = "default"  # not declared, and not looked for in the file
    CLEAR = "clear"  # found in the file
    CLOSE = "close"  # found in the file, where another reading is nearly as likely
    ASSUMED = "assumed"  # a warning of the reading says what was assumed


@dataclass(frozen=True)
class RunnerUp:
    """The second best reading of a CSV file. ``score`` is its share of the best one's, between 0 and 1."""

    delimiter: str
    quote: str
    escape: str | None
    score: float


@dataclass(frozen=True)
class Preview:
    """The beginning of a file, read as it would be loaded."""

    records: tuple[str, ...]  # the first ones in canonical JSON, in file order
    rejects: tuple[StoredReject, ...]  # the first ones
    warnings: tuple[JobWarning, ...]  # about the records that were read
    read: int  # how many records were read for it
    rejected: int  # how many of them were rejected
    text_bytes: int  # where the last of these records ends in the text
    is_whole: bool  # it was the whole file
    sure: Mapping[str, Sureness]  # by option
    runner_up: RunnerUp | None = None
