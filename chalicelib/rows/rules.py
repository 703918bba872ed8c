"""Rules that an upload declares for the values of its CSV file, beyond :mod:`chalicelib.rows.text`.

:func:`apply` is the specification, value by value; :mod:`chalicelib.rows.declared` follows it column-wise.
Patterns are written in the common subset of Python's `re` and RE2, which Arrow uses.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from chalicelib.core.model import Dialect
from chalicelib.rows import decimals

_DAY, _MONTH, _YEAR = r"(?P<day>[0-9]{1,2})", r"(?P<month>[0-9]{1,2})", r"(?P<year>[0-9]{4})"
_SEPARATORS = "/.-"
_TIME = r"(?:[ T](?P<time>(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?))?"
# Days that exist, month by month; 29 February in any year.
_REAL_DAYS = re.compile(
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9])"
)
_DATE_FIELDS = {"D": _DAY, "M": _MONTH, "Y": _YEAR}

DECIMAL_COMMA = r"^([+-]?[0-9]+),([0-9]+)$"  # under Decimals.EACH

# Warnings; chalicelib.core.warnings has their sentences.
NOT_APPLIED = "decimal-not-applied"
NUMBER_IN_TEXT = "number-in-text-column"


class Decimals(Enum):
    """The treatment of numbers with a decimal comma in a column."""

    LEAVE = "leave"  # no decimal comma is declared
    EACH = "each"  # under reading rules 1: on a value's own evidence, in any column
    READ = "read"  # the column is one of numbers
    TELL = "tell"  # the column is another one: its values are left unchanged


@dataclass(frozen=True)
class Rules:
    """The rules that are declared for the values of a column."""

    missing: frozenset[str] = field(default_factory=frozenset)
    decimals: Decimals = Decimals.LEAVE
    date_order: str | None = None

    @classmethod
    def of(cls, dialect: Dialect, column: str) -> "Rules":
        """Return the rules that a dialect declares for a column."""
        return cls(frozenset(dialect.missing_values), _decimals(dialect, column), dialect.date_order)

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """Patterns of dates in the declared order, one for each separator, with named groups."""
        if self.date_order is None:
            return ()
        fields = [_DATE_FIELDS[letter] for letter in self.date_order]
        return tuple(f"^{re.escape(separator).join(fields)}{_TIME}$" for separator in _SEPARATORS)


def _decimals(dialect: Dialect, column: str) -> Decimals:
    if dialect.decimal != ",":
        return Decimals.LEAVE
    if dialect.decimal_columns is None:
        return Decimals.EACH
    return Decimals.READ if column in dialect.decimal_columns else Decimals.TELL


NONE = Rules()


def apply(value: str, rules: Rules) -> str:
    """Apply the rules to a normalised value. An empty result means that the value is missing."""
    if value in rules.missing:
        return ""
    if rules.decimals is Decimals.EACH:
        value = re.sub(DECIMAL_COMMA, r"\1.\2", value)
    if rules.decimals is Decimals.READ:
        value = decimals.plain(value) or value
    for pattern in rules.dates:
        if match := re.search(pattern, value):
            return iso(value, match["year"], match["month"], match["day"], match["time"])
    return value


def warning(value: str, rules: Rules) -> str | None:
    """Return the code of the warning that a normalised value is worth, or None."""
    if not value or value in rules.missing:
        return None
    if rules.decimals is Decimals.READ and decimals.plain(value) is None:
        return NOT_APPLIED
    if rules.decimals is Decimals.TELL and decimals.is_evident(value):
        return NUMBER_IN_TEXT
    return None


def iso(value: str, year: str, month: str, day: str, time: str | None) -> str:
    """Return the date in ISO 8601, or ``value`` itself if there is no such day."""
    month_day = f"{month:0>2}-{day:0>2}"
    if not _REAL_DAYS.fullmatch(month_day):
        return value
    return f"{year}-{month_day}" + (f"T{time}" if time else "")
