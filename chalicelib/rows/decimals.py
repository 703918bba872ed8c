"""Read one number with a decimal comma: the specification that :mod:`chalicelib.rows.declared` follows.

The head decides whether a column is one of numbers: see :mod:`chalicelib.formats.csv.detection.decimals`.
"""

import re

MINUS = "\u2212"  # the typographic minus sign
# What sets groups of three digits apart beside the point: the blank, the no-break space, the thin space, the
# narrow no-break space, and the apostrophe of Switzerland in both its forms.
_GROUP_MARKS = (" ", "\xa0", "\u2009", "\u202f", "'", "\u2019")
SEPARATORS = (".", *_GROUP_MARKS)  # of groups in a number with a decimal comma

# The patterns below are written in the common subset of Python's `re` and RE2, which Arrow uses.

_SIGN = f"[+{MINUS}-]?"
_EXPONENT = "(?:[eE][+-]?[0-9]{1,3})?"


def _grouped(*separators: str) -> str:
    """Return the pattern of an integer with one of the separators between all its groups of three digits."""
    groups = "|".join(f"(?:{re.escape(separator)}[0-9]{{3}})+" for separator in separators)
    return f"[1-9][0-9]{{0,2}}(?:{groups})"


def _number(decimal: str, point: str) -> str:
    """Return the pattern of a number, given its decimal mark and the mark that stands between groups."""
    mark = re.escape(decimal)
    plain = f"(?:[0-9]+(?:{mark}[0-9]+)?|{mark}[0-9]+)"
    grouped = f"{_grouped(point, *_GROUP_MARKS)}(?:{mark}[0-9]+)?"
    return f"^(?:{_SIGN}(?:{plain}{_EXPONENT}|{grouped})|(?:{plain}|{grouped})-)$"


NUMBER = _number(",", ".")
NUMBER_WITH_POINT = _number(".", ",")  # the same, written with a decimal point
# Numbers that no other text looks like: with a decimal comma, or with points between their groups. (More
# points may be those of an IP address, blanks those of a telephone number or a postal code.)
EVIDENT_NUMBER = (
    f"^{_SIGN}(?:(?:[0-9]*|{_grouped(*SEPARATORS)}),[0-9]+{_EXPONENT}|"
    r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,2})$"
)

_number_with_comma = re.compile(NUMBER)
_evident_number = re.compile(EVIDENT_NUMBER)


def plain(value: str) -> str | None:
    """Return a number with a decimal comma as a plain number: `-1.234,50` → `-1234.50`.

    The digits and a plus sign stay as they are, the minus sign becomes an ASCII one in front. Returns None
    for a text that is no such number.
    """
    if not _number_with_comma.fullmatch(value):
        return None
    for separator in SEPARATORS:
        value = value.replace(separator, "")
    value = value.replace(",", ".").replace(MINUS, "-")
    return "-" + value[:-1] if value.endswith("-") else value


def is_evident(value: str) -> bool:
    """Return whether a text looks like a number with a decimal comma, whatever its column holds."""
    return _evident_number.fullmatch(value) is not None
