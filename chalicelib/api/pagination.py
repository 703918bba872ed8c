"""Pages of a list: their sizes, their cursors, and the cursor of the next page."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar

from chalicelib.core.errors import InvalidRequest

_CURSOR_DIGITS = 18  # fits a bigint
_LARGEST_NUMBER = 10**_CURSOR_DIGITS - 1

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """The items of one page. ``next_cursor`` is None on the last one."""

    items: Sequence[Item]
    next_cursor: str | None


def page_of(items: Sequence[Item], limit: int, cursor_of: Callable[[Item], tuple[int, ...]]) -> Page[Item]:
    """Return the first ``limit`` items as a page. One more item shows that there is a next page."""
    page = items[:limit]
    has_more = len(items) > limit
    return Page(page, format_cursor(*cursor_of(page[-1])) if has_more else None)


def count_that_fits(documents: Sequence[Mapping[str, Any]], most_bytes: int) -> int:
    """Return how many of the documents, from the first one on, a page of that size in bytes may have.

    At least one. The size is that in an answer of Lambda, which holds the page as a text within JSON.
    """
    if _answer_size(documents) <= most_bytes:
        return len(documents)
    sizes = accumulate(_answer_size([document]) for document in documents)
    return max(1, sum(size <= most_bytes for size in sizes))


def _answer_size(documents: Sequence[Mapping[str, Any]]) -> int:
    text = json.dumps(documents)
    return len(text) + text.count('"') + text.count("\\")  # each of these gets a backslash


def parse_limit(query: Mapping[str, str], *, default: int, maximum: int) -> int:
    """Return the page size that the query asks for. Raises InvalidRequest."""
    text = query.get("limit", str(default))
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= maximum:
        raise InvalidRequest(f"limit must be a whole number from 1 to {maximum}.", field="limit")
    return int(text)


def parse_cursor(
    query: Mapping[str, str], *, length: int, maximum: int = _LARGEST_NUMBER
) -> tuple[int, ...] | None:
    """Return the ``length`` numbers of the query's cursor, each up to ``maximum``; None without a cursor.

    The inverse of :func:`format_cursor`. Raises InvalidRequest.
    """
    if "cursor" not in query:
        return None
    numbers = query["cursor"].split(".")
    if len(numbers) != length or not all(_is_number(number, maximum) for number in numbers):
        raise InvalidRequest("cursor must be the next_cursor of the page before.", field="cursor")
    return tuple(map(int, numbers))


def _is_number(text: str, maximum: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _CURSOR_DIGITS and int(text) <= maximum


def format_cursor(*numbers: int) -> str:
    """Return the text form of a cursor; clients pass it back unchanged."""
    return ".".join(map(str, numbers))
