"""The query of `GET /datasets/{name}/errors`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from chalicelib.api.pagination import parse_cursor, parse_limit
from chalicelib.api.requests.parsing import must_be, parse_time, parse_value
from chalicelib.core.jobs import RejectFilters, RejectsPosition
from chalicelib.core.names import TEXT_PATTERN
from chalicelib.core.reject_messages import KINDS

_Field = Annotated[str, Meta(min_length=1, pattern=TEXT_PATTERN, description="the name of a field")]


@dataclass(frozen=True)
class RejectsQuery:
    """The filters and the page of a list of a dataset's rejects. ``start``: where the page begins."""

    filters: RejectFilters
    limit: int
    start: RejectsPosition | None


def parse_rejects_query(query: Mapping[str, str]) -> RejectsQuery:
    """Return the filters and the page in a query. Raises InvalidRequest naming the parameter at fault."""
    limit = parse_limit(query, default=100, maximum=1000)
    cursor = parse_cursor(query, length=3)
    filters = RejectFilters(
        code=_code(query["code"]) if "code" in query else None,
        field=parse_value(query["field"], _Field, "field") if "field" in query else None,
        since=parse_time(query, "since"),
        until=parse_time(query, "until"),
    )
    return RejectsQuery(filters, limit, (cursor[0], cursor[1], cursor[2]) if cursor else None)


def _code(text: str) -> str:
    """Return the code. A search for one that no reject has would read every reject and find none."""
    if text not in KINDS:
        raise must_be("code", f"one of {', '.join(KINDS)}")
    return text
