"""Tell values, such as numbers and dates, from other texts."""

import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:[ ,.'][0-9]{3})+|[0-9]+)?(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?%?")
_DATE = re.compile(
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2}))"
    r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)?"
)
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?")


def looks_like_value(cell: str) -> bool:
    """Return whether a cell holds a number, a date or a time."""
    cell = cell.strip()
    if not any(char.isdigit() for char in cell):
        return False
    return any(pattern.fullmatch(cell) for pattern in (_NUMBER, _DATE, _TIME))
