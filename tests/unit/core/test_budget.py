"""The budget for rejects: exact for all numbers, and declared as clients write it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.budget import Budget, OnFailure
from chalicelib.core.completion import too_many_rejects
from chalicelib.core.model import Tally

TALLIES = st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)).map(
    lambda them: Tally(records=max(them), rejected=min(them))
)
SHARES = st.integers(0, 10**6)


def tally(rejected: int, records: int) -> Tally:
    return Tally(records=records, rejected=rejected)


@given(limit=st.integers(0, 10**15), counts=TALLIES, at_end=st.booleans())
def test_a_number_is_exceeded_by_more_rejects(limit: int, counts: Tally, at_end: bool) -> None:
    assert Budget(limit).is_exceeded(counts, at_end=at_end) == (counts.rejected > limit)


@given(limit=SHARES, counts=TALLIES, at_end=st.booleans())
def test_a_share_is_exceeded_by_a_larger_fraction(limit: int, counts: Tally, at_end: bool) -> None:
    share = Fraction(counts.rejected, counts.records) if counts.records else Fraction(0)
    is_compared = at_end or counts.records >= 1000
    expected = is_compared and share > Fraction(limit, 10**6)
    assert Budget(limit, is_share=True).is_exceeded(counts, at_end=at_end) == expected


@given(limit=SHARES, records=st.integers(1, 10**15))
def test_the_border_of_a_share_is_within_it(limit: int, records: int) -> None:
    """Hold for numbers of records with which a floating-point quotient would be on the wrong side."""
    budget = Budget(limit, is_share=True)
    most = limit * records // 10**6
    assert not budget.is_exceeded(tally(most, records), at_end=True)
    if most < records:
        assert budget.is_exceeded(tally(most + 1, records), at_end=True)


@given(st.builds(Budget, SHARES, is_share=st.just(value=True)) | st.builds(Budget, st.integers(0, 10**15)))
def test_a_declaration_gives_the_budget_again(budget: Budget) -> None:
    assert Budget.parse(budget.declaration) == budget


@given(whole=st.integers(0, 99), decimals=st.text("0123456789", max_size=4))
def test_a_percentage_means_what_its_digits_say(whole: int, decimals: str) -> None:
    text = f"{whole}.{decimals}" if decimals else f"{whole}"
    assert Budget.parse(f"{text}%") == Budget(int(Fraction(text) * 10**4), is_share=True)


@pytest.mark.parametrize(
    "text", ["", "%", "5", "-1%", "100.1%", "101%", "1.23456%", ".5%", "5 %", "5%\n", "\u0665%"]
)
def test_other_texts_are_no_percentage(text: str) -> None:
    with pytest.raises(ValueError, match="percentage"):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("budget", "fate", "rows"),
    [(Budget(1000), OnFailure.KEEP, "is kept"), (Budget(1000), OnFailure.UNDO, "is removed again")],
)
def test_the_message_says_how_many_why_and_what_to_do(budget: Budget, fate: OnFailure, rows: str) -> None:
    error = too_many_rejects(budget, tally(1203, 50_000), {"b": 3, "a": 1000, "c": 200, "d": 0}, fate)
    assert error.code == "too-many-rejects"
    assert error.message == (
        "1,203 of the 50,000 records read were rejected, most often as a (1,000), c (200), b (3); at most "
        f"1,000 may be (max_rejects). What was loaded {rows}. Look at the rejected records, then correct the "
        "file, or retry the job with a larger max_rejects."
    )
    share = too_many_rejects(Budget(5000, is_share=True), tally(1, 1), {"a": 1}, fate)
    assert share.message.startswith(
        "1 of the 1 records read was rejected, most often as a (1); at most 0.5% may"
    )
