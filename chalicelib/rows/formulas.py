"""Keep spreadsheet programs from changing a text: put an apostrophe in front, and take it off.

They run a text that begins like a formula, and write a text that looks like a number, a date or a truth value
in their own way: `007` becomes 7, and `1.50` becomes 1.5, or the first of May. `escape` puts one apostrophe
before such a text, blanks, quotes and apostrophes in front of it passed over. So no two texts become the same
one, and `unescape` gives back each of them.
"""

import re
from functools import reduce

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

# What stands between the digits of numbers, dates and times
_SIGNS = ".,:;/\\-+%\u2019()[]#*_|~°^$€£¥₩₹\u2212\uff0e\uff0c\uff1a\uff0f年月日時时分秒년월일시분초"
_DIGITS = "0-9\uff10-\uff19"
# Words in them, and the beginnings of the names of months and weekdays, in the languages of most programs
_WORDS = "e|d|h|t|z|a|p|m|am|pm|utc|gmt|uhr|de|of|mo|di|mi|do|fr|sa|so|i|ii|iii|iv|v|vi|vii|viii|ix|x|xi|xii"
_BEGINNINGS_OF_NAMES = (
    "jan|feb|fév|mar|mär|mrt|apr|avr|abr|may|mai|mag|maj|mei|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt|out|"
    "nov|dec|dez|déc|dic|gen|ene|sty|lut|kwi|cze|lip|sie|wrz|paź|lis|gru|янв|фев|апр|мая|июн|июл|авг|сен|окт|ноя|"
    "дек|mon|tue|wed|thu|fri|sat|sun|lun|mer|jeu|ven|sam|dim"
)
_TRUTH = "true|false|wahr|falsch|vrai|faux|verdadero|falso|vero|waar|onwaar|prawda|fałsz|истина|ложь"

# The patterns are written in the common subset of Python's `re` and RE2, which Arrow uses. No text can be
# matched in two ways: between two words stands something else.
_PASSED = f"[{re.escape(_PASSED_OVER)}]"
_OTHER = f"[{re.escape(_SIGNS + _PASSED_OVER)}{_DIGITS}]"
_LETTERS = f"[^{re.escape(_SIGNS + _PASSED_OVER)}{_DIGITS}]*"


def _in_any_case(words: str) -> str:
    """Return a pattern of words divided by bars.

    Classes are much faster than `(?i)`: Python's `re` passes over words by their first class.
    """
    return "".join(f"[{letter}{letter.upper()}]" if letter != "|" else "|" for letter in words)


_WORD = f"(?:{_in_any_case(_WORDS)}|(?:{_in_any_case(_BEGINNINGS_OF_NAMES)}){_LETTERS})"

_FORMULA = f"^{_PASSED}*[{re.escape(BEGINNINGS)}]"
_TRUTH_VALUE = f"^{_PASSED}*(?:{_in_any_case(_TRUTH)}){_PASSED}*$"
_NUMBER_LIKE = f"^{_OTHER}*(?:{_WORD}{_OTHER}+)*{_WORD}?$"
_HAS_DIGIT = f"[{_DIGITS}]"
# Every program shows it as it is. Excel writes one of twelve digits with an exponent.
_PLAIN_INTEGER = "^(?:0|[1-9][0-9]{0,10})$"

_formula, _truth_value, _number_like, _plain_integer = (
    re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern).match
    for pattern in (_FORMULA, _TRUTH_VALUE, _NUMBER_LIKE, _PLAIN_INTEGER)
)
_has_digit = re.compile(_HAS_DIGIT).search


def escape(value: str) -> str:
    """Return a text that every spreadsheet program shows as it is."""
    return APOSTROPHE + value if _is_changed(value) else value


def unescape(value: str) -> str:
    """Invert :func:`escape`, also if some program has put blanks in front since.

    Any other text that it never returns stays as it is. (It returns none that begins with blanks before an
    apostrophe and such a text: blanks and apostrophes are passed over.)
    """
    text = value.lstrip(WHITESPACE)
    return text[1:] if text.startswith(APOSTROPHE) and _is_changed(text[1:]) else value


def _is_changed(value: str) -> bool:
    """Return whether a spreadsheet program may show the value as something else."""
    if _plain_integer(value):
        return False
    if _formula(value):
        return True
    return (_number_like if _has_digit(value) else _truth_value)(value) is not None


def unescape_column(column: pa.Array) -> pa.Array:
    """Return a column of strings with each value as :func:`unescape` returns it."""
    if APOSTROPHE.encode() not in content(column):
        return column
    text = pc.utf8_ltrim(column, characters=WHITESPACE)
    inner = pc.utf8_slice_codeunits(text, start=1)

    def has(pattern: str) -> pa.Array:
        return pc.match_substring_regex(inner, pattern)

    number = reduce(pc.and_, (has(_HAS_DIGIT), pc.invert(has(_PLAIN_INTEGER)), has(_NUMBER_LIKE)))
    is_changed = reduce(pc.or_, (has(_FORMULA), has(_TRUTH_VALUE), number))
    is_escaped = pc.and_(pc.starts_with(text, APOSTROPHE), is_changed)
    return pc.if_else(pc.fill_null(is_escaped, fill_value=False), inner, column)
