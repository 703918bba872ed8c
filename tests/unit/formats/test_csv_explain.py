"""Records with a cell too many or too few: the column that the message names."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format, Reject
from tests.support.pipeline import look, outcome

COLUMNS = ("id", "name", "born", "city", "country", "mail")
TYPED = ("id", "born", "mail")
words = st.text(st.sampled_from("abcdefgh xyzäéж"), min_size=1, max_size=8).map(str.strip).filter(bool)
rows = st.tuples(
    st.integers(1, 10**6).map(str),
    words,
    st.dates().map(str),
    words,
    words,
    words.map(lambda w: f"{len(w)}@x.org"),
)


def rejects(text: str, dialect: Dialect) -> list[Reject]:
    found = outcome(text.encode(), dialect)
    return [reject for block in found.blocks for reject in block.rejects]


def file_of(table: Sequence[Sequence[str]], record: Sequence[str], delimiter: str = ",") -> str:
    return "".join(delimiter.join(cells) + "\n" for cells in [COLUMNS, *table, record])


def dialect_of(text: str) -> Dialect:
    return look(text.encode(), Format.CSV, delimiter=",", quote='"', escape="", header=True, skip_lines=0)


@given(
    table=st.lists(rows, min_size=5, max_size=9),
    column=st.sampled_from(COLUMNS),
    pieces=st.lists(words, min_size=2, max_size=4),
)
def test_a_divided_cell_is_found_or_none_is_named(
    table: list[tuple[str, ...]], column: str, pieces: list[str]
) -> None:
    """A text between columns of values is found; of two texts side by side, neither is."""
    record = list(table[0])
    at = COLUMNS.index(column)
    record[at : at + 1] = pieces
    text = file_of(table, record)
    (reject,) = rejects(text, dialect_of(text))
    assert reject.code == "extra-cell"
    assert reject.field in ({"name": ("name",), "city": (None,), "country": (None,)}.get(column, (None,)))
    if reject.field is not None:
        assert f"in column `{column}`: `{','.join(pieces)}`." in reject.message


@given(
    table=st.lists(rows, min_size=5, max_size=9),
    column=st.sampled_from(["name", "city", "country"]),
    pieces=st.tuples(words, words),
)
def test_a_blank_shows_which_of_two_texts_was_divided(
    table: list[tuple[str, ...]], column: str, pieces: tuple[str, str]
) -> None:
    record = list(table[0])
    at = COLUMNS.index(column)
    record[at : at + 1] = [pieces[0], f" {pieces[1]}"]
    text = file_of(table, record)
    (reject,) = rejects(text, dialect_of(text))
    assert reject.field == column


@given(table=st.lists(rows, min_size=5, max_size=9), column=st.sampled_from(COLUMNS))
def test_a_missing_cell_is_found_or_none_is_named(table: list[tuple[str, ...]], column: str) -> None:
    record = list(table[0])
    del record[COLUMNS.index(column)]
    text = file_of(table, record)
    (reject,) = rejects(text, dialect_of(text))
    assert reject.code == "missing-cell"
    assert reject.field in (None, column)


@pytest.mark.parametrize(
    ("record", "field", "message"),
    [
        ("7,Ada,1815-12-10,York, UK,Europe,a@x.org", "city", "comma in column `city`: `York, UK`."),
        ("7,Ada,Lovelace,1815-12-10,York,UK,a@x.org", "name", "comma in column `name`: `Ada,Lovelace`."),
        ("7,Ada,1815-12-10,York,,UK,a@x.org", None, "The record has 7 cells; the header has 6."),
        ("7,Ada,1815-12-10,York,UK", "mail", "The cell of column `mail` seems to be missing."),
        ("Ada,1815-12-10,York,UK,a@x.org", "id", "The cell of column `id` seems to be missing."),
        ("7,1815-12-10,York,UK,a@x.org", None, "The record has 5 cells; the header has 6."),
        ("7,Ada,1815-12-10,York,UK,x,y,z,a@x.org", None, "The record has 9 cells; the header has 6."),
    ],
)
def test_the_message_says_what_seems_to_be_wrong(record: str, field: str | None, message: str) -> None:
    good = [[str(n), "Ada", f"18{n}-01-01", "York", "UK", f"{n}@x.org"] for n in range(10, 16)]
    text = file_of(good, record.split(","))
    (reject,) = rejects(text, dialect_of(text))
    assert reject.field == field
    assert reject.message.endswith(message)


def test_names_and_values_are_cut() -> None:
    name = "city" * 100
    good = "".join(f"{n},York,{n}\n" for n in range(6))
    text = f"id,{name},age\n{good}1,{'x' * 500}, UK,7\n"
    (reject,) = rejects(text, dialect_of(text))
    assert reject.field == name[:100] + "…"
    assert len(reject.message) < 400


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ("21,Bo,1,250", None),  # a number with a comma, or a name with one
        ("21,Bo,,250", None),
        ("21,York, UK,250", "name"),
    ],
)
def test_a_divided_number_is_possible(record: str, field: str | None) -> None:
    good = "".join(f"{n},Bo,{n}50\n" for n in range(10, 20))
    text = f"id,name,amount\n{good}{record}\n"
    assert [reject.field for reject in rejects(text, dialect_of(text))] == [field]


def test_a_blank_shows_nothing_where_blanks_are_usual() -> None:
    good = "Ann,York\nBob, Cork\n" * 5
    text = f"name,city\n{good}Cy, York,UK\n"
    assert [reject.field for reject in rejects(text, dialect_of(text))] == [None]
