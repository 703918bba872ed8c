"""Possessive repetition: the two forms match alike, and neither gives a round back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.reading.patterns import repeated

PIECES = ["ab?c", "a", "ab|a", "ba?+(?!c)", "[ab]++c", "c|"]


@pytest.mark.parametrize("count", ["*", "+", "?", "{2,3}", "{,2}"])
@given(piece=st.sampled_from(PIECES), text=st.text(st.sampled_from("abc"), max_size=12))
def test_the_atomic_form_matches_what_greedy_rounds_match(count: str, piece: str, text: str) -> None:
    """A greedy repetition of atomic rounds matches the same where nothing behind it makes it give back."""
    atomic = re.match(repeated(piece, count, is_exact=False), text)
    greedy = re.match(f"(?:(?>{piece})){count}", text)
    own = re.match(repeated(piece, count), text)
    assert [match and match.span() for match in (atomic, own)] == [greedy and greedy.span()] * 2


@pytest.mark.parametrize("is_exact", [None, False])
def test_a_failed_round_takes_nothing(is_exact: bool | None) -> None:
    pattern = repeated(b"ab?c") if is_exact is None else repeated(b"ab?c", is_exact=is_exact)
    assert re.fullmatch(pattern + b"a", b"aca")
    assert not re.fullmatch(pattern + b"c", b"acac")
