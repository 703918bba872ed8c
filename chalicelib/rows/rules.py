"""What a client may declare about the values of a CSV file, beyond what values show by themselves.

The specification is :func:`apply`, value by value; :mod:`clean` follows it column-wise. Patterns are
written in the common subset of Python's `re` and RE2, which Arrow uses.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

from chalicelib.core.model import Dialect

_DAY, _MONTH, _YEAR = r"(?P<day>[0-9]{1,2})", r"(?P<month>[0-9]{1,2})", r"(?P<year>[0-9]{4})"
_SEPARATORS = "/.-"
_TIME = r"(?:[ T](?P<time>(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?))?"
# Days that exist, each month with its own number of them; 29 February in any year.
_REAL_DAYS = re.compile(
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9])"
)
_PARTS = {"D": _DAY, "M": _MONTH, "Y": _YEAR}

DECIMAL_COMMA = r"^([+-]?[0-9]+),([0-9]+)$"


@dataclass(frozen=True)
class Rules:
    """A file's declared rules."""

    missing: frozenset[str] = field(default_factory=frozenset)
    decimal_comma: bool = False
    date_order: str | None = None

    @classmethod
    def of(cls, dialect: Dialect) -> "Rules":
        """The rules declared for a file."""
        return cls(frozenset(dialect.missing_values), dialect.decimal == ",", dialect.date_order)

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """Patterns of dates in the declared order, one for each separator, with named groups."""
        if self.date_order is None:
            return ()
        parts = [_PARTS[letter] for letter in self.date_order]
        return tuple(f"^{re.escape(it).join(parts)}{_TIME}$" for it in _SEPARATORS)


NONE = Rules()


def apply(value: str, rules: Rules) -> str:
    """A normalised value under the rules; empty when it is missing."""
    if value in rules.missing:
        return ""
    if rules.decimal_comma:
        value = re.sub(DECIMAL_COMMA, r"\1.\2", value)
    for pattern in rules.dates:
        if found := re.search(pattern, value):
            return iso(value, found["year"], found["month"], found["day"], found["time"])
    return value


def iso(value: str, year: str, month: str, day: str, time: str | None) -> str:
    """The date in ISO 8601; ``value`` as it is if there is no such day."""
    month_day = f"{month:0>2}-{day:0>2}"
    if not _REAL_DAYS.fullmatch(month_day):
        return value
    return f"{year}-{month_day}" + (f"T{time}" if time else "")
