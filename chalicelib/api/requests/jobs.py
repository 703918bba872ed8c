"""The query of `GET /jobs`."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.api.pagination import parse_cursor, parse_limit
from chalicelib.api.requests.parsing import must_be, parse_time, parse_value
from chalicelib.api.requests.uploads import Dataset
from chalicelib.core.jobs import JobFilters
from chalicelib.core.model import Status


@dataclass(frozen=True)
class JobsQuery:
    """The filters and the page of a list of jobs. ``before``: the number of the previous page's last job."""

    filters: JobFilters
    limit: int
    before: int | None


def parse_jobs_query(query: Mapping[str, str]) -> JobsQuery:
    """Return the filters and the page in a query. Raises InvalidRequest naming the parameter at fault."""
    limit = parse_limit(query, default=20, maximum=200)
    cursor = parse_cursor(query, length=1)
    filters = JobFilters(
        status=_status(query["status"]) if "status" in query else None,
        dataset=parse_value(query["dataset"], Dataset, "dataset") if "dataset" in query else None,
        since=parse_time(query, "since"),
        until=parse_time(query, "until"),
    )
    return JobsQuery(filters, limit, cursor[0] if cursor else None)


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        raise must_be("status", f"one of {', '.join(Status)}") from None
