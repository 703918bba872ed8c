"""Normalise one text: the specification that :mod:`chalicelib.rows.normalise` follows column-wise.

A value is changed only on its own evidence, never by a guess. See `docs/reference/records.md`.
"""

import re
import unicodedata
from itertools import groupby

# The characters with the Unicode property White_Space (PropList.txt).
WHITESPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

# The patterns below are written in the common subset of Python's `re` and RE2, which Arrow uses.

# HTML Standard, "valid e-mail address", with at least one dot in the domain.
EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$"

_MONTH_DAY = (
    r"(?:(0[13578]|1[02]){0}(0[1-9]|[12][0-9]|3[01])"
    r"|(0[469]|11){0}(0[1-9]|[12][0-9]|30)"
    r"|(02){0}(0[1-9]|[12][0-9]))"
)
_MONTH_DAY_SLASH = _MONTH_DAY.format("/")
_MONTH_DAY_DASH = _MONTH_DAY.format("-")
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"

# Year-first dates with two-digit months and days have one reading. (pattern, replacement)
DATES = (
    # 2025/09/24 → 2025-09-24; the groups of the branches that did not match are empty
    (rf"^([0-9]{{4}})/{_MONTH_DAY_SLASH}$", r"\1-\2\4\6-\3\5\7"),
    # 2025/09/24 10:11 → 2025-09-24T10:11, 2025-09-24 10:11:12.5 Z → 2025-09-24T10:11:12.5Z
    (rf"^([0-9]{{4}})/{_MONTH_DAY_SLASH}[ T]({_TIME}) ?({_ZONE})$", r"\1-\2\4\6-\3\5\7T\8\9"),
    (rf"^([0-9]{{4}})-{_MONTH_DAY_DASH}[ T]({_TIME}) ?({_ZONE})$", r"\1-\2\4\6-\3\5\7T\8\9"),
)
# The beginning of all DATES: one match rules out most values.
DATE_LIKE = r"^[0-9]{4}(?:/[0-9]{2}/[0-9]{2}|-[0-9]{2}-[0-9]{2}[ T])"

_email = re.compile(EMAIL)
_date_like = re.compile(DATE_LIKE)
_dates = tuple((re.compile(pattern), replacement) for pattern, replacement in DATES)


# Ordering combining marks takes time that grows with the square of their number, so longer runs of them are
# left as they are. No script needs them; UAX #15 (Stream-Safe Text Format) allows 30.
LONGEST_RUN = 500


def may_be_slow(value: str) -> bool:
    """Return whether the value has a run of combining marks that is too long to be brought into NFC."""
    if len(value) <= LONGEST_RUN:
        return False
    runs = groupby(value, lambda char: unicodedata.combining(char) > 0)
    return any(is_mark and sum(1 for _ in run) > LONGEST_RUN for is_mark, run in runs)


def normalise(value: str) -> str:
    """Return a text in Unicode NFC, trimmed, e-mail addresses in lower case, year-first dates in ISO 8601.

    An empty result means that the value is missing. ``normalise(normalise(v)) == normalise(v)``.
    """
    if not value.isascii() and not may_be_slow(value):
        value = unicodedata.normalize("NFC", value)
    value = value.strip(WHITESPACE)
    if "@" in value and _email.match(value):
        return value.lower()
    if _date_like.match(value):
        for pattern, replacement in _dates:
            if pattern.match(value):
                return pattern.sub(replacement, value)
    return value


_LONGEST_NAME = 100  # characters


def short_name(name: str) -> str:
    """Return the name of a column or a key as rejects show it: cut if it is long.

    What a column of the database or a terminal cannot take (NUL, other control characters, half of a
    surrogate pair) is escaped.
    """
    shown = name[:_LONGEST_NAME].encode("utf-8", "backslashreplace").decode().translate(_CONTROLS)
    return shown if len(name) <= _LONGEST_NAME else f"{shown}…"


# Control characters of C0 and C1 except the tab and line endings: a terminal would obey them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}


def excerpt(raw: bytes, limit: int = 500) -> str:
    """Return the first ``limit`` bytes of a record as text that a column and a terminal can take."""
    readable = raw[:limit].rstrip(b"\r\n").decode("utf-8", "backslashreplace").translate(_CONTROLS)
    return readable + " …" if len(raw) > limit else readable
