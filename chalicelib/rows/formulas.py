"""Keep spreadsheet programs from taking a text for a formula: put an apostrophe in front, and take it off.

`escape` puts one apostrophe before a text that begins like a formula, blanks, quotes and apostrophes in
front of it passed over. So no two texts become the same one, and `unescape` gives back each of them.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows.columns import content
from chalicelib.rows.text import WHITESPACE

APOSTROPHE = "'"

# OWASP's list of beginnings (https://owasp.org/www-community/attacks/CSV_Injection), the full-width ones of
# East Asian programs included.
BEGINNINGS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
# What programs trim or take off before they look at a text, and what is invisible there.
_PASSED_OVER = (
    f'{WHITESPACE}"{APOSTROPHE}\u180e\u200b\u2060\ufeff{"".join(map(chr, (*range(1, 9), *range(14, 32))))}'
)

# The patterns are written in the common subset of Python's `re` and RE2, which Arrow uses.
_FORMULA = f"[{re.escape(_PASSED_OVER)}]*[{re.escape(BEGINNINGS)}]"
_begins_formula = re.compile(_FORMULA)
# Behind blanks, too, which some writers put between cells. `escape` returns no text that begins with them.
_ESCAPED = f"^([{re.escape(WHITESPACE)}]*){APOSTROPHE}({_FORMULA})"
_is_escaped = re.compile(_ESCAPED)


def escape(value: str) -> str:
    """Return a text that no spreadsheet program takes for a formula."""
    return APOSTROPHE + value if _begins_formula.match(value) else value


def unescape(value: str) -> str:
    """Invert :func:`escape`, also if blanks have been put in front since.

    Any other text that it never returns stays as it is.
    """
    return _is_escaped.sub(r"\1\2", value, count=1)


def unescape_column(column: pa.Array) -> pa.Array:
    """Return a column of strings with each value as :func:`unescape` returns it."""
    if APOSTROPHE.encode() not in content(column):
        return column
    return pc.replace_substring_regex(column, _ESCAPED, r"\1\2")
