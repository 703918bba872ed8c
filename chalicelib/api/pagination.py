"""Pages of a list: their sizes, their cursors, and the cursor of the next page."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from chalicelib.api.sizes import MOST_PAGE, that_fit
from chalicelib.core.errors import InvalidRequest

PAGE = ("limit", "cursor")  # the parameters of a list
_CURSOR_DIGITS = 18  # fits a bigint
_LARGEST_NUMBER = 10**_CURSOR_DIGITS - 1

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """The documents of one page. ``next_cursor`` is None on the last one."""

    documents: Sequence[Mapping[str, Any]]
    next_cursor: str | None


def page_by_number(
    query: Mapping[str, str],
    find: Callable[[int, int | None], Sequence[Item]],
    describe: Callable[[Item], Mapping[str, Any]],
    number_of: Callable[[Item], int],
) -> Page:
    """Return the page of a list that a request asks for, of items that are numbered, newest first.

    ``find`` gets how many items to return at most, and the number that theirs must be below, if there is one.
    Raises InvalidRequest for a wrong `limit` or `cursor`, and what ``find`` raises.
    """
    limit = parse_limit(query, default=100, maximum=1000)
    cursor = parse_cursor(query, length=1)
    found = find(limit + 1, cursor[0] if cursor else None)
    return page_of(found, limit, describe, lambda item: (number_of(item),))


def page_of(
    items: Sequence[Item],
    limit: int,
    describe: Callable[[Item], Mapping[str, Any]],
    cursor_of: Callable[[Item], tuple[int, ...]],
) -> Page:
    """Return the first items as a page: ``limit`` of them, or as many as have MOST_PAGE bytes.

    A page has one item at least if there is one. An item beyond the page shows that there is a next page.
    """
    documents = [describe(item) for item in items[:limit]]
    page = that_fit(documents, MOST_PAGE) or documents[:1]
    has_more = len(items) > len(page)
    return Page(page, format_cursor(*cursor_of(items[len(page) - 1])) if has_more else None)


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
