"""Find the columns of a CSV file that hold numbers with a decimal comma.

A column is decided once, from the head, and kept with the dialect: `1.234` cannot be read by itself.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows import decimals
from chalicelib.rows.declared import matches
from chalicelib.rows.normalise import normalise_column

MAX_RECORDS = 10_000  # that are looked at
MOST_EXCEPTIONS = 0.1  # of a column's values, for it to be one of numbers, if it shows decimal commas
_FEW_EXCEPTIONS = 0.01  # in any other column, and of codes such as `A-7`: `1.234` may be a code as well
_SHOWING = 0.5  # of the values: they can only be numbers with a decimal comma

# Texts that stand for a missing value in many files, in small letters: neither numbers nor anything else.
_PLACEHOLDERS = (
    *("na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "missing", "unknown", "#nv", "n.v.", "n/v"),
    *("k.a.", "s.o.", "b.d.", "n.d.", "nd", "s/d", "inf", "-inf", "+inf", "#div/0!", "#value!", "#wert!"),
)
_DIGIT = re.compile("[0-9]")
_NO_CONTENT = r"^[^\pL\pN]*$"  # such as a dash

# Numbers in a form that telephone numbers, postal codes and IP addresses share.
_BYTE = "(?:1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_SHARED_FORM = rf"^(?:[+-]?[0-9]{{1,3}}(?: [0-9]{{3}})+|{_BYTE}(?:\.{_BYTE}){{3}})$"
_CODE = r"^\pL\S*[0-9]"
_PROOF = "(?:,[0-9]|^[0-9]{1,3}$)"  # in a number: that shared forms beside it are numbers


class _Evidence(NamedTuple):
    """How many values of a column there are, and how many of each kind."""

    values: int
    numbers: int  # with a decimal comma or without decimals, in a form that only numbers have
    only_comma: int  # of these, those that are none with a decimal point
    only_point: int  # numbers with a decimal point that are none with a decimal comma
    ambiguous: int  # such as `1.234`
    shared_form: int
    proof: int
    codes: int  # a letter first, and a digit

    @property
    def is_numbers(self) -> bool:
        """Whether the column is one of numbers with a decimal comma.

        The decimal comma must not be outnumbered by decimal points, and values with a decimal point are
        exceptions where values have two meanings.
        """
        fitting = self.numbers + (self.shared_form if self.proof else 0)
        exceptions = self.values - fitting - (0 if self.ambiguous else self.only_point)
        shows_numbers = (
            self.only_comma >= self.values * _SHOWING and self.codes <= self.values * _FEW_EXCEPTIONS
        )
        most = MOST_EXCEPTIONS if shows_numbers else _FEW_EXCEPTIONS
        return fitting > 0 and self.only_comma >= self.only_point and exceptions <= self.values * most


def decimal_columns(
    rows: Sequence[Sequence[str]], columns: Sequence[str], missing: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the columns whose values in the head's records are numbers with a decimal comma.

    ``rows`` are the cells of whole records, of which the first MAX_RECORDS are looked at; ``missing`` are the
    texts that are declared to mean no value. A column without values is none of numbers.
    """
    rows = rows[:MAX_RECORDS]
    sample = [row for row in rows if len(row) == len(columns)] or rows
    if len(sample) > 1 and not any(_DIGIT.search(cell) for cell in sample[0]):
        sample = sample[1:]  # a second line of the header, such as units
    found = {place for place, evidence in _evidence(sample, missing) if evidence.is_numbers}
    return tuple(name for place, name in enumerate(columns) if place in found)


def _evidence(rows: Sequence[Sequence[str]], missing: Collection[str]) -> Iterator[tuple[int, _Evidence]]:
    """Yield the place of each column that has values, and its evidence.

    All columns are looked at together: there may be thousands of them.
    """
    cells = pa.table(
        {
            "place": pa.array([place for row in rows for place in range(len(row))], pa.int32()),
            "value": normalise_column(pa.array([cell for row in rows for cell in row], pa.string())),
        }
    )
    cells = cells.filter(pc.invert(_is_absent(cells["value"], missing)))
    value = cells["value"]
    is_shared, is_comma, is_point = (
        matches(value, pattern) for pattern in (_SHARED_FORM, decimals.NUMBER, decimals.NUMBER_WITH_POINT)
    )
    is_comma, is_point = pc.and_not(is_comma, is_shared), pc.and_not(is_point, is_shared)
    kinds = (
        value.is_valid(),
        is_comma,
        pc.and_not(is_comma, is_point),
        pc.and_not(is_point, is_comma),
        pc.and_(pc.and_(is_comma, is_point), matches(value, "[.,]")),
        is_shared,
        pc.and_(is_comma, matches(value, _PROOF)),
        matches(value, _CODE),
    )
    # The functions' layer has no Acero, which groups tables.
    counts = [_by_place(cells["place"].filter(kind)) for kind in kinds]
    for place in sorted(counts[0]):
        yield place, _Evidence(*(count.get(place, 0) for count in counts))


def _by_place(places: pa.ChunkedArray) -> dict[int, int]:
    """Return how often each place occurs."""
    return {row["values"]: row["counts"] for row in pc.value_counts(places).to_pylist()}


def _is_absent(values: pa.Array, missing: Collection[str]) -> pa.Array:
    """Return which values are missing or stand for a missing value."""
    is_declared = pc.is_in(values, pa.array(sorted(missing), pa.string()))
    is_placeholder = pc.is_in(pc.utf8_lower(values), pa.array(_PLACEHOLDERS, pa.string()))
    absent = pc.or_(pc.or_(is_declared, is_placeholder), matches(values, _NO_CONTENT))
    return pc.or_(absent, values.is_null())
