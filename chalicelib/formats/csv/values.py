"""Recognise cells that hold values of a type (numbers, dates, e-mail addresses …) rather than words."""

import re
from enum import StrEnum
from functools import lru_cache

_SIGN = r"[+\-\u2212]?"
_DIGITS = r"(?:[0-9]+|[0-9]{1,3}(?:(?:[.,'\u2019 \xa0\u202f])[0-9]{3})+)"
_AMOUNT = rf"{_SIGN}(?:{_DIGITS}(?:[.,][0-9]+)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?"
_UNIT = (
    r"(?:[kcm]?m[²³23]?|[km]?g|t|m?l|m?s|min|h|°[CF]|k?Wh?|[kM]?V|[kMG]?Hz|[KMGT]B|bar|h?Pa|km/h|m/s|mph"
    r"|ft|in|lbs?|oz)"
)
_CURRENCY = r"(?:[$€£¥₹]|(?-i:[A-Z]{3}))"
_DAY = r"[0-9]{1,4}(?P<between>[-/.])[0-9]{1,2}(?P=between)[0-9]{1,4}\.?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_NAMED_DAY = rf"[0-9]{{1,2}}[- ]{_MONTH}\.?[- ,]*[0-9]{{2,4}}|{_MONTH}\.? [0-9]{{1,2}},? [0-9]{{4}}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?[ap]\.?m\.?)?"
_ZONE = r"(?: ?(?:z|utc|gmt|[+-][0-9]{2}:?[0-9]{2}))?"


class Kind(StrEnum):
    """The type that a cell seems to have."""

    EMPTY = "empty"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    EMAIL = "email"
    ADDRESS = "address"  # a URL or an IP address
    CODE = "code"  # a UUID, a telephone number, another identifier of letters and digits, or JSON
    FLAG = "flag"
    TEXT = "text"


_PATTERNS = (
    (Kind.NUMBER, rf"{_CURRENCY}? ?{_AMOUNT}-? ?(?:%|{_CURRENCY}|{_UNIT})?"),
    (Kind.DATE, rf"(?:{_DAY}|{_NAMED_DAY})(?:[ T]+{_CLOCK}{_ZONE})?|[0-9]{{8}}T[0-9]{{6}}Z?"),
    (Kind.TIME, rf"{_CLOCK}{_ZONE}"),
    (Kind.EMAIL, r"[^\s@,;|]+@[^\s@,;|]+\.[^\s@,;|]+"),
    (Kind.ADDRESS, r"(?:https?|ftp|s3|file)://[^\s;|,]+|(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?"),
    (
        Kind.ADDRESS,
        r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?=.*::)[0-9a-f:]{3,39}",
    ),
    (Kind.CODE, r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?|(?-i:[A-Z]{1,5}-?[0-9]{2,})"),
    # a telephone number, rather than two decimal fractions
    (Kind.CODE, r"(?![0-9]+\.[0-9]+ +[0-9]+\.)(?:\+|\(?0)[0-9 ()/.-]{5,20}[0-9]"),
    (Kind.CODE, r"\{.*\".*\}|\[.*[\",].*\]"),
    (Kind.FLAG, r"true|false"),
)
_KINDS = {f"is{number}": kind for number, (kind, _) in enumerate(_PATTERNS)}
# All in one, as a group each: the first that matches decides.
_value = re.compile(
    "|".join(f"(?P<{name}>{pattern})" for name, (_, pattern) in zip(_KINDS, _PATTERNS, strict=True)),
    re.IGNORECASE | re.ASCII,
).fullmatch

# Cells that stand for a missing value.
_MISSING = frozenset(
    {
        "",
        "-",
        "--",
        "n/a",
        "na",
        "#n/a",
        "null",
        "none",
        "nil",
        "nan",
        "inf",
        "-inf",
        "\\n",
        "?",
        ".",
        "unknown",
    }
)


@lru_cache(maxsize=1 << 16)
def kind_of(cell: str) -> Kind:
    """Return the kind of a cell without white space around it."""
    if cell.lower() in _MISSING:
        return Kind.EMPTY
    first = cell[0]
    if len(cell) > _LONGEST or (first.isalpha() and len(cell) > 1 and cell.isalpha() and len(cell) > _FLAG):
        return Kind.TEXT
    match = _value(cell)
    return _KINDS[match.lastgroup] if match and match.lastgroup else Kind.TEXT


_LONGEST = 200  # characters; longer cells are text
_FLAG = 5  # characters; longer words are not flags


def looks_like_value(cell: str) -> bool:
    """Return whether the cell holds a value of a type rather than a word or nothing."""
    return kind_of(cell.strip()) not in (Kind.EMPTY, Kind.TEXT)
