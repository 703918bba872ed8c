"""The end of a job: what completing it did, and the errors of a job with too many rejects."""

from collections.abc import Mapping
from enum import Enum, auto

from chalicelib.core.budget import Budget, OnFailure
from chalicelib.core.jobs import JobError
from chalicelib.core.model import Tally

_MOST_CODES = 3  # named in a message


class Completion(Enum):
    """What completing a job did."""

    COMPLETED = auto()
    FAILED = auto()  # every record was rejected, or more than the job's budget allows
    ROLLING_BACK = auto()  # the same, and what was loaded is undone first
    ENDED_BEFORE = auto()  # another worker has completed it


def nothing_loaded(rejects: Mapping[str, int]) -> JobError:
    """Return the error of a job whose records were all rejected, given how many were for each code."""
    count = sum(rejects.values())
    records = "The only record of the file was" if count == 1 else f"All {count:,} records of the file were"
    return JobError(
        "nothing-loaded",
        f"{records} rejected, most often as {_most_frequent(rejects)}. Nothing was loaded. Look at the "
        "rejected records, then correct the file, or declare in the options how it is written.",
    )


def too_many_rejects(
    budget: Budget, tally: Tally, rejects: Mapping[str, int], on_failure: OnFailure
) -> JobError:
    """Return the error of a job that exceeds its budget; ``rejects`` are the numbers for each code."""
    limit = budget.declaration
    most = f"{limit:,}" if isinstance(limit, int) else limit
    were = "was" if tally.rejected == 1 else "were"
    return JobError(
        "too-many-rejects",
        f"{tally.rejected:,} of the {tally.records:,} records read {were} rejected, most often as "
        f"{_most_frequent(rejects)}; at most {most} may be (max_rejects). {fate_of_rows(on_failure)} Look at "
        "the rejected records, then correct the file, or retry the job with a larger max_rejects.",
    )


def beyond_limit(stored: int, tally: Tally, rejects: Mapping[str, int], on_failure: OnFailure) -> JobError:
    """Return the error of a job of which all ``stored`` rejects are stored that may be."""
    return JobError(
        "too-many-rejects",
        f"{tally.rejected:,} of the {tally.records:,} records read were rejected, most often as "
        f"{_most_frequent(rejects)}; at most {stored:,} rejects of a job are stored (SLUICE_MAX_REJECTS, the "
        f"operator's limit). {fate_of_rows(on_failure)} Look at the rejected records, then correct the file, "
        'or retry the job with "rejects_beyond_limit": "count", which counts the others and stores none.',
    )


def fate_of_rows(on_failure: OnFailure) -> str:
    """Return a sentence on what becomes of the rows of a job that fails."""
    return "What was loaded is kept." if on_failure is OnFailure.KEEP else "What was loaded is removed again."


def _most_frequent(rejects: Mapping[str, int]) -> str:
    ranked = sorted(rejects.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CODES]
    return ", ".join(f"{code} ({number:,})" for code, number in ranked)
