"""The end of a job whose file has been read to its end."""

from collections.abc import Mapping
from enum import Enum, auto

from chalicelib.core.jobs import JobError

_MOST_CODES = 3  # named in a message


class Completion(Enum):
    """What completing a job did."""

    COMPLETED = auto()
    NOTHING_LOADED = auto()  # the job FAILED: every record was rejected
    ENDED_BEFORE = auto()  # another worker has completed it


def nothing_loaded(rejects: Mapping[str, int]) -> JobError:
    """Return the error of a job whose records were all rejected, given how many were for each code."""
    count = sum(rejects.values())
    ranked = sorted(rejects.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CODES]
    codes = ", ".join(f"{code} ({number:,})" for code, number in ranked)
    records = "The only record of the file was" if count == 1 else f"All {count:,} records of the file were"
    return JobError(
        "nothing-loaded",
        f"{records} rejected, most often as {codes}. Nothing was loaded. Look at the rejected records, then "
        "correct the file, or say in the options how it is written.",
    )
