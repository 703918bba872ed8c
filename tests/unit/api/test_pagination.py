"""Pages of a list."""

import pytest
from chalice.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.api.pagination import format_cursor, page_of, parse_cursor
from chalicelib.api.sizes import MOST_PAGE
from tests.support.api_client import assert_problem

BIGINT = 10**18 - 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("limit=000001999999", "limit"),
        ("limit=999999999", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=1.2", "cursor"),
        ("cursor=%C2%B2", "cursor"),
        (f"cursor={BIGINT + 1}", "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(client: Client, query: str, field: str) -> None:
    assert_problem(client.http.get(f"/jobs?{query}"), 400, field=field)


@given(st.lists(st.integers(0, BIGINT), min_size=1, max_size=3))
def test_a_cursor_comes_back_as_it_was_given(numbers: list[int]) -> None:
    assert parse_cursor({"cursor": format_cursor(*numbers)}, length=len(numbers)) == tuple(numbers)


def pages(texts: list[str], limit: int) -> list[list[str]]:
    """Return the pages that a client sees that goes from one to the next."""
    found: list[list[str]] = []
    after: int | None = 0
    while after is not None:
        rest = list(enumerate(texts, 1))[after:]
        page = page_of(rest[: limit + 1], limit, lambda item: {"text": item[1]}, lambda item: (item[0],))
        found.append([document["text"] for document in page.documents])
        after = int(page.next_cursor) if page.next_cursor else None
    return found


@pytest.mark.parametrize(
    ("texts", "found"),
    [([], [[]]), (["a", "b"], [["a", "b"]]), (["a", "b", "c"], [["a", "b"], ["c"]])],
)
def test_one_item_more_than_the_limit_means_a_next_page(texts: list[str], found: list[list[str]]) -> None:
    assert pages(texts, 2) == found


@settings(max_examples=20)
@given(st.lists(st.sampled_from([1, 1000, MOST_PAGE // 3, MOST_PAGE]), max_size=6), st.integers(1, 5))
def test_pages_have_all_items_once_however_long_they_are(lengths: list[int], limit: int) -> None:
    texts = ["x" * length for length in lengths]
    found = pages(texts, limit)
    assert [text for page in found for text in page] == texts
    assert all(0 < len(page) <= limit for page in found[:-1])
    assert all(len(page) == 1 or sum(map(len, page)) <= MOST_PAGE for page in found)
