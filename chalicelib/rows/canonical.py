"""Print one record as canonical JSON: RFC 8785 (JCS), with numbers kept exact.

RFC 8785 prints numbers as ECMAScript prints doubles. A number that does not change on its way
through a double is printed like that. Any other (2**53 + 1, 0.1 followed by forty digits, 1e400) is laid out
by the same rules from its exact decimal digits, so that it neither changes nor collides with another number.
`1`, `1.0` and `1e0` are one number and print alike.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.rows.text import normalise, short_name

MAX_DEPTH = 100  # nested arrays and objects, the record itself included
MAX_DIGITS = 1000
MAX_EXPONENT = 400  # numbers are up to 10 to this power, and down to its inverse; a double ends at 308


class RecordRejected(ValueError):  # noqa: N818 - named for the outcome, which is not an error of the caller
    """A record cannot be loaded: the code, the message (``str()``) and the field of its reject."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


# Escapes of RFC 8259 section 7 as RFC 8785 section 3.2.2.2 narrows them: only where they must be, lower case.
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)} | {
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0C: "\\f",
    0x0D: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}
ESCAPES: Mapping[int, str] = _ESCAPES


def sort_key(name: str) -> bytes:
    """Return a key that orders names by their UTF-16 code units (RFC 8785 section 3.2.3)."""
    return name.encode("utf-16-be", "surrogatepass")


def string(value: str) -> str:
    """Return a text as a JSON string. Raises RecordRejected for text that Postgres or UTF-8 cannot hold."""
    if "\0" in value:
        raise RecordRejected("nul-character", "The record holds a NUL character, which text cannot hold.")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise RecordRejected("encoding-error", "The record holds half of a surrogate pair: broken Unicode.")
    return f'"{value.translate(_ESCAPES)}"'


def number(value: Decimal) -> str:
    """Return a number as ECMA-262's Number::toString lays it out.

    Raises RecordRejected for NaN, infinity and numbers beyond MAX_DIGITS and MAX_EXPONENT.
    """
    sign, digit_tuple, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise RecordRejected("json-syntax", "NaN and Infinity are not JSON numbers.")
    digits = "".join(map(str, digit_tuple)).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "0"
    # ECMA-262: the value is significant * 10**(point - len(significant))
    point = len(digits) + exponent
    if len(significant) > MAX_DIGITS or not _is_in_range(significant, point - 1):
        raise number_out_of_range()
    return ("-" if sign else "") + _layout(significant, point)


def _is_in_range(significant: str, exponent: int) -> bool:
    """Return whether the number is in range whose digits, with a point after the first, count 10^exponent."""
    if exponent == MAX_EXPONENT:
        return significant == "1"
    return -MAX_EXPONENT <= exponent < MAX_EXPONENT


def number_out_of_range() -> RecordRejected:
    """Return the rejection of a record with a number beyond MAX_DIGITS or MAX_EXPONENT."""
    return RecordRejected(
        "number-out-of-range", "The record holds a number with too many digits to be stored."
    )


def _layout(digits: str, point: int) -> str:
    """Follow ECMA-262, Number::toString, steps 7 to 11; k is ``len(digits)`` and n is ``point``."""
    most_zeros, most_leading = 21, 6
    if len(digits) <= point <= most_zeros:
        return digits.ljust(point, "0")
    if 0 < point <= most_zeros:
        return f"{digits[:point]}.{digits[point:]}"
    if -most_leading < point <= 0:
        return "0." + "0" * -point + digits
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def record(members: Mapping[str, Any]) -> str:
    """Return a record as canonical JSON, its values normalised and missing ones left out.

    ``members`` are JSON values as Python has them, with every number a Decimal. Raises RecordRejected.
    """
    return _object(members, MAX_DEPTH)


def _object(members: Mapping[str, Any], depth: int) -> str:
    if depth == 0:
        raise too_deep()
    printed: dict[str, str] = {}
    seen: set[str] = set()
    for raw_name, raw_value in members.items():
        name = normalise(raw_name)
        if name in seen:
            raise duplicate_key(name)
        seen.add(name)
        value = normalise(raw_value) if isinstance(raw_value, str) else raw_value
        if value is not None and value != "":
            try:
                printed[name] = _value(value, depth - 1)
            except RecordRejected as error:
                error.field = short_name(name)  # in the end, that of the record's own member
                raise
    return "{" + ",".join(f"{string(name)}:{printed[name]}" for name in sorted(printed, key=sort_key)) + "}"


def _value(value: Any, depth: int) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return string(value)
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case Decimal():
            return number(value)
        case dict():
            return _object(value, depth)
        case list():
            return _array(value, depth)
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def _array(items: list[Any], depth: int) -> str:
    """Print an array. A missing item keeps its place: null as null, an empty text as an empty text."""
    if depth == 0:
        raise too_deep()
    values = (normalise(item) if isinstance(item, str) else item for item in items)
    return "[" + ",".join(_value(value, depth - 1) for value in values) + "]"


def duplicate_key(name: str) -> RecordRejected:
    """Return the rejection of a record in which an object has two members of that name."""
    excerpt = short_name(name)
    return RecordRejected("duplicate-key", f"The record holds the key {excerpt!r} twice.", excerpt)


def too_deep() -> RecordRejected:
    """Return the rejection of a record that is nested more than MAX_DEPTH levels deep."""
    return RecordRejected("too-deep", f"The record is nested more than {MAX_DEPTH} levels deep.")
