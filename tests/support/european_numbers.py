"""Numbers as people in Europe write them, with a decimal comma, and as plain numbers."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from hypothesis import strategies as st

GROUP_MARKS = {
    "German": ".",
    "French": "\u202f",  # the narrow no-break space
    "Polish": "\xa0",
    "typed": " ",
    "typeset": "\u2009",
    "Swiss": "\u2019",
    "Swiss, typed": "'",
    "none": "",
}
MINUS = "\u2212"


class Written(NamedTuple):
    """A number as it was written, and the same as a plain number."""

    text: str
    plain: str


@dataclass(frozen=True)
class Style:
    """How a number is written."""

    group_mark: str = "."  # empty: digits are not grouped
    minus: str = "-"
    is_minus_behind: bool = False  # as SAP writes it: `12,50-`
    plus: str = ""

    def write(self, number: Decimal) -> Written:
        """Write a number with all its decimals."""
        plain = f"{abs(number):f}"
        integer, _, decimals = plain.partition(".")
        if self.group_mark:
            integer = f"{int(integer):,}".replace(",", self.group_mark)
        text = f"{integer},{decimals}" if decimals else integer
        if not number.is_signed():
            return Written(self.plus + text, self.plus + plain)
        signed = f"{text}-" if self.is_minus_behind else f"{self.minus}{text}"
        return Written(signed, f"-{plain}")


def styles() -> st.SearchStrategy[Style]:
    """Return all styles."""
    return st.builds(
        Style,
        group_mark=st.sampled_from(sorted(GROUP_MARKS.values())),
        minus=st.sampled_from(["-", MINUS]),
        is_minus_behind=st.booleans(),
        plus=st.sampled_from(["", "", "+"]),
    )


def amounts(*, min_places: int = 0, max_places: int = 4) -> st.SearchStrategy[Decimal]:
    """Return numbers with so many decimals, small ones and large ones, trailing zeros included."""
    return st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places),
        st.integers(-999, 999) | st.integers(-(10**12), 10**12),
        st.integers(min_places, max_places),
    )


def numbers(
    style: st.SearchStrategy[Style] | None = None, *, min_places: int = 0, max_places: int = 4
) -> st.SearchStrategy[Written]:
    """Return numbers, each in a style of its own unless ``style`` has one only."""
    amount = amounts(min_places=min_places, max_places=max_places)
    return st.builds(lambda it, number: it.write(number), styles() if style is None else style, amount)


def columns(*, min_size: int = 1, max_size: int = 20) -> st.SearchStrategy[list[Written]]:
    """Return columns of numbers, each column in one style and with a number that has decimals."""
    return styles().flatmap(
        lambda style: st.builds(
            lambda values, last: [*values, last],
            st.lists(numbers(st.just(style)), min_size=min_size - 1, max_size=max_size - 1),
            numbers(st.just(style), min_places=1),
        )
    )
