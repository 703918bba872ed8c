"""Numbers with a decimal comma: the rule for one value, and that columns follow it."""

import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format
from chalicelib.rows import decimals, rules
from chalicelib.rows.declared import Applied, Finding, apply_rules
from chalicelib.rows.rules import NOT_APPLIED, NUMBER_IN_TEXT, Decimals, Rules
from chalicelib.rows.text import normalise
from tests.support import european_numbers as european
from tests.support.european_numbers import Style, Written
from tests.support.examples import many

NUMBERS = {
    "1,50": "1.50",
    "1.234": "1234",
    "1.234,56": "1234.56",
    "-12.000": "-12000",
    "10 237,65": "10237.65",
    "1.234.567": "1234567",
    "1\xa0234,5": "1234.5",
    "1\u202f234\u202f567": "1234567",
    "1\u2009234": "1234",
    "1'234,50": "1234.50",
    "1\u2019234": "1234",
    "+1,50": "+1.50",
    "\u221212,5": "-12.5",
    "12,50-": "-12.50",
    "1.234-": "-1234",
    ",5": ".5",
    "0,05": "0.05",
    "12": "12",
    "007": "007",
    "0012,50": "0012.50",
    "1,5E-03": "1.5E-03",
    "123456789012345678901234567890,1": "123456789012345678901234567890.1",
}
TEXTS = (
    *("", "-", ",", ".", "5,", "1,2,3", "--5", "-5-", "+5-", "- 5", "1 ,5", "0x1F", "NA", "A-7", "12,5 kg"),
    *("0.123", "12.5", "1234.567", "1.2345", "1.23", "01.234", "0.000", "1.234 567", "1.234'567", "1,234.56"),
    *("01.03.2025", "1.3.2025", "12:30", "030 123 456", "1 23", "1  234", "1..234", "1.234.5", "12,50 €"),
    *("1.234E5", "1,5E", "1,5E1234", "\u0661,5", "\uff11", "1\n", "1,5\n", "(12,50)", "12,5%", "1,5\x00"),
)


def read(value: str) -> str:
    return rules.apply(value, Rules(decimals=Decimals.READ))


@pytest.mark.parametrize(("value", "plain"), NUMBERS.items())
def test_each_number_is_read(value: str, plain: str) -> None:
    assert read(value) == plain
    assert rules.warning(value, Rules(decimals=Decimals.READ)) is None


@pytest.mark.parametrize("value", [text for text in TEXTS if text])
def test_each_other_text_stays_and_is_told(value: str) -> None:
    assert read(value) == value
    assert rules.warning(value, Rules(decimals=Decimals.READ)) == NOT_APPLIED


@given(st.one_of(european.numbers(), european.columns().map(lambda column: column[0])))
@example(Style("").write(Decimal("-0.00")))
def test_a_number_in_any_style_is_read_digit_by_digit(written: Written) -> None:
    assert read(written.text) == written.plain
    assert Decimal(written.plain) == Decimal(read(written.text))


PIECES = (
    *("1", "0", "12", "234", "567", "1234", ".", ",", " ", "-", "+", "\u2212", "'", "\u2019", "\xa0"),
    *("\u202f", "\u2009", "E", "e", "A", "€", "\n", "-12.000", "1,5", ".234", " 237", ",65", "192.168"),
)
VALUES = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
    european.numbers().map(lambda written: written.text),
    st.sampled_from([*NUMBERS, *TEXTS]),
    st.text(min_size=1, max_size=5),
).map(normalise)


@settings(max_examples=many(500))
@given(VALUES)
def test_what_is_no_number_stays_and_what_is_one_keeps_its_digits(value: str) -> None:
    plain = decimals.plain(value)
    if plain is None:
        assert read(value) == value
    else:
        assert re.fullmatch(r"[+-]?[0-9]*(\.[0-9]+)?([eE][+-]?[0-9]+)?", plain)
        assert re.findall("[0-9]", plain) == re.findall("[0-9]", value)
        assert plain.count(".") == value.count(",") <= 1


@settings(max_examples=many(500))
@given(VALUES)
@example("1.234")
@example("1 234,5")
@example(",5")
def test_what_looks_like_a_number_is_one_that_would_be_changed(value: str) -> None:
    if decimals.is_evident(value):
        assert decimals.plain(value) not in (None, value)


DATES = st.builds(
    lambda separator, fields, time: separator.join(fields) + time,
    st.sampled_from("./-"),
    st.permutations(["24", "9", "2025"]) | st.permutations(["24", "12", "2025"]),
    st.sampled_from(["", " 10:11"]),
)


@given(DATES, st.sampled_from(["DMY", "MDY", "YMD"]))
def test_no_date_is_a_number(value: str, order: str) -> None:
    assert decimals.plain(value) is None
    both = rules.apply(value, Rules(decimals=Decimals.READ, date_order=order))
    assert both == rules.apply(value, Rules(date_order=order))


@settings(max_examples=many(200))
@given(european.amounts(), st.sampled_from(["", ",", " ", "'"]))
def test_the_other_pattern_is_that_of_the_decimal_point(number: Decimal, group_mark: str) -> None:
    text = f"{number:,f}".replace(",", group_mark)
    assert re.fullmatch(decimals.NUMBER_WITH_POINT, text)


COLUMN_VALUES = VALUES.map(lambda value: value or None)  # a missing value is null


def expected(values: list[str | None], declared: Rules) -> Applied:
    """Apply the rules value by value."""
    present = [(row, value) for row, value in enumerate(values) if value is not None]
    told = [(row, code) for row, value in present if (code := rules.warning(value, declared))]
    applied = [None if value is None else rules.apply(value, declared) or None for value in values]
    return Applied(applied, Finding(told[0][1], len(told), told[0][0]) if told else None)


@settings(max_examples=many(500))
@given(
    st.lists(COLUMN_VALUES, max_size=6),
    st.builds(
        Rules,
        missing=st.sampled_from([frozenset(), frozenset({"-", "1,5", "12"})]),
        decimals=st.sampled_from(Decimals),
        date_order=st.sampled_from([None, "DMY"]),
    ),
)
@example(["1,5", None, "1.234-"], Rules(decimals=Decimals.READ))
@example(["1,5-", "A"], Rules(decimals=Decimals.READ))
@example(["12", "7"], Rules(decimals=Decimals.READ))
@example(["1,5"], Rules(frozenset({"1,5"}), Decimals.READ))
@example(["01.03.2025", "1,5"], Rules(decimals=Decimals.READ, date_order="DMY"))
@example(["A-7", "12,5", "1.234", "192.168.100.200"], Rules(decimals=Decimals.TELL))
def test_columns_follow_the_rule_for_single_values(values: list[str | None], declared: Rules) -> None:
    found = apply_rules(pa.array(values, pa.string()), declared)
    assert found._replace(values=found.values.to_pylist()) == expected(values, declared)


@given(st.lists(COLUMN_VALUES, min_size=4, max_size=6), st.sampled_from(Decimals))
def test_a_slice_of_a_column_follows_it_too(values: list[str | None], treatment: Decimals) -> None:
    declared = Rules(decimals=treatment)
    found = apply_rules(pa.array(values, pa.string()).slice(1, 2), declared)
    assert found._replace(values=found.values.to_pylist()) == expected(values[1:3], declared)


def test_a_text_column_tells_what_only_numbers_look_like() -> None:
    values = ["12,5", "3,40", "A-7", "1.234", "192.168.100.200", "75 001", "12", "1,2,3", "01.03.2025"]
    found = apply_rules(pa.array(values), Rules(decimals=Decimals.TELL))
    assert found == Applied(pa.array(values), Finding(NUMBER_IN_TEXT, 3, 0))


@pytest.mark.parametrize(
    ("decimal", "columns", "treatment"),
    [
        (".", None, Decimals.LEAVE),
        (",", None, Decimals.EACH),  # a job that began under reading rules 1
        (",", ("a",), Decimals.READ),
        (",", ("b",), Decimals.TELL),
        (",", (), Decimals.TELL),
    ],
)
def test_the_dialect_says_how_a_column_is_treated(
    decimal: str, columns: tuple[str, ...] | None, treatment: Decimals
) -> None:
    dialect = Dialect(Format.CSV, 0, columns=("a", "b"), decimal=decimal, decimal_columns=columns)
    assert Rules.of(dialect, "a").decimals is treatment


def test_under_the_first_rules_a_value_is_read_on_its_own_evidence() -> None:
    values = ["1,50", "+7,5", "1.234", "1.234,56", "A-7"]
    found = apply_rules(pa.array(values), Rules(decimals=Decimals.EACH))
    assert found.values.to_pylist() == ["1.50", "+7.5", "1.234", "1.234,56", "A-7"]
    assert found.finding is None
