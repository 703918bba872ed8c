"""Rows that an earlier version stored are read as they were meant, and written again in the present form."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.backends.postgres.mappers import dialect_column, dialect_of, options_column, options_of
from chalicelib.core.model import RULES, Dialect, ExtraCells, Format, Options, ShortRows

COMMON = {"data_start": 4, "encoding": "utf-8", "bom": False, "recoded": False, "compression": None}
NAMES = {"recoded": "transcoded"}  # that have changed since
# The column `detected` as version 0.1.0 wrote it.
STORED: list[tuple[dict[str, Any], Dialect]] = [
    (
        {
            **COMMON,
            "format": "csv",
            "columns": ["a", "b"],
            "delimiter": ";",
            "quote": '"',
            "escape": None,
            "comment": None,
            "decimal": ",",
            "date_order": "DMY",
            "missing_values": ["-", "n/a"],
        },
        Dialect(
            Format.CSV,
            4,
            columns=("a", "b"),
            delimiter=";",
            decimal=",",
            date_order="DMY",
            missing_values=("-", "n/a"),
        ),
    ),
    ({**COMMON, "format": "ndjson"}, Dialect(Format.NDJSON, 4)),
    (
        {**COMMON, "format": "json", "encoding": "utf-16-le", "bom": True, "recoded": True, "array": True},
        Dialect(Format.JSON, 4, encoding="utf-16-le", bom=True, transcoded=True, array=True),
    ),
]


@pytest.mark.parametrize(("stored", "dialect"), STORED, ids=["csv", "ndjson", "json"])
def test_a_dialect_that_an_earlier_version_stored_is_read_as_it_was_meant(
    stored: dict[str, Any], dialect: Dialect
) -> None:
    """It has the first rules, and what it does not name is as it was then."""
    assert dialect_of(stored) == dialect
    assert (dialect.rules, dialect.data_line, dialect.header) == (1, None, True)
    assert (dialect.short_rows, dialect.extra_cells) == (ShortRows.REJECT, ExtraCells.REJECT)
    assert (dialect.crlf, dialect.skip_initial_space) == (False, False)
    assert (dialect.records, dialect.decimal_columns) == (None, None)
    written = dialect_column(dialect).obj
    assert dialect_of(written) == dialect
    assert {name: written[NAMES.get(name, name)] for name in stored} == stored
    assert "recoded" not in written
    assert written["rules"] == 1


DIALECTS = st.builds(
    Dialect,
    st.sampled_from(Format),
    st.integers(0, 99),
    data_line=st.none() | st.integers(0, 9),
    rules=st.integers(1, RULES),
)


@given(DIALECTS)
def test_a_dialect_comes_back_as_it_was_stored(dialect: Dialect) -> None:
    assert dialect_of(dialect_column(dialect).obj) == dialect


OPTIONS = st.builds(
    Options,
    delimiter=st.none() | st.sampled_from([";", "\t"]),
    quote=st.none() | st.sampled_from(["", "'"]),
    encoding=st.none() | st.just("cp1252"),
    header=st.booleans(),
    skip_lines=st.integers(0, 9),
    decimal=st.sampled_from(".,"),
    missing_values=st.lists(st.text(max_size=3), max_size=3).map(tuple),
)


@given(OPTIONS)
def test_options_come_back_as_they_were_stored(options: Options) -> None:
    column = options_column(options).obj
    assert options_of(column) == options
    assert all(getattr(options, name) != getattr(Options(), name) for name in column)


def test_options_that_were_not_set_are_not_stored() -> None:
    assert options_column(Options()).obj == {}
    assert options_column(replace(Options(), quote="")).obj == {"quote": ""}
