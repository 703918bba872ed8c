"""Pages of a list."""

import json
from typing import Any

import pytest
from chalice.test import Client
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.pagination import count_that_fits, format_cursor, page_of, parse_cursor
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


@pytest.mark.parametrize(
    ("found", "items", "next_cursor"),
    [([], [], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], "2")],
)
def test_one_item_more_than_the_limit_means_a_next_page(
    found: list[int], items: list[int], next_cursor: Any
) -> None:
    page = page_of(found, 2, lambda item: (item,))
    assert (page.items, page.next_cursor) == (items, next_cursor)


DOCUMENTS = st.lists(st.fixed_dictionaries({"message": st.text(), "line": st.integers() | st.none()}))


@given(documents=DOCUMENTS, most=st.integers(0, 2000))
def test_a_page_is_cut_where_an_answer_of_lambda_would_be_too_large(
    documents: list[dict[str, Any]], most: int
) -> None:
    def size(count: int) -> int:
        return len(json.dumps(json.dumps(documents[:count])))

    count = count_that_fits(documents, most)
    quotes = 2  # around the text
    assert count <= 1 or size(count) <= most + quotes
    if count < len(documents):
        assert size(count + 1) > most
        assert count >= 1
