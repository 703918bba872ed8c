"""Canonical JSON: RFC 8785 (JCS), with numbers kept exact.

RFC 8785 prints numbers as ECMAScript prints doubles. A number that survives the trip through a double
is printed just so. One that does not (2**53 + 1, 0.1 followed by forty digits, 1e400) is laid out by
the same rules from its exact decimal digits, so that it neither collides with another number nor
changes. `1`, `1.0` and `1e0` are one number and print alike.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from chalicelib.rows.text import normalise

MAX_DEPTH = 100  # nested arrays and objects, the record itself included
MAX_DIGITS = 1000
MAX_EXPONENT = 400  # of ten; a double ends at 308
MAX_SHOWN = 100  # characters of a key in a message


class Unfit(ValueError):  # noqa: N818 - it is what the value is
    """The value cannot be part of a record; ``code`` is the reject's, ``str()`` its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# Escapes of RFC 8259 section 7 as RFC 8785 section 3.2.2.2 narrows them: only what must be, lower case.
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
    """Orders names by their UTF-16 code units (RFC 8785 section 3.2.3)."""
    return name.encode("utf-16-be", "surrogatepass")


def string(value: str) -> str:
    """``value`` as a JSON string. Raises Unfit for what Postgres or UTF-8 cannot hold."""
    if "\0" in value:
        raise Unfit("nul-character", "The record holds a NUL character, which text cannot hold.")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise Unfit("encoding-error", "The record holds half of a surrogate pair: broken Unicode.")
    return f'"{value.translate(_ESCAPES)}"'


def number(value: Decimal) -> str:
    """``value`` by the layout of ECMA-262's Number::toString. Raises Unfit beyond the limits above."""
    sign, digit_tuple, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise Unfit("json-syntax", "NaN and Infinity are not JSON numbers.")
    digits = "".join(map(str, digit_tuple)).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "0"
    # ECMA-262: the value is significant * 10**(point - len(significant))
    point = len(digits) + exponent
    if len(significant) > MAX_DIGITS or abs(point) > MAX_EXPONENT:
        raise _out_of_range()
    return ("-" if sign else "") + _layout(significant, point)


def _out_of_range() -> Unfit:
    return Unfit("number-out-of-range", "The record holds a number with too many digits to be stored.")


def _layout(digits: str, point: int) -> str:
    """ECMA-262, Number::toString, steps 7 to 11; k is ``len(digits)`` and n is ``point``."""
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
    """A record, its values normalised and missing ones left out, as canonical JSON.

    Takes what a JSON parser gives with every number a Decimal. Raises Unfit.
    """
    return _object(members, MAX_DEPTH)


def _object(members: Mapping[str, Any], depth: int) -> str:
    if depth == 0:
        raise Unfit("too-deep", f"The record is nested more than {MAX_DEPTH} levels deep.")
    kept: dict[str, str] = {}
    seen: set[str] = set()
    for raw_name, raw_value in members.items():
        name = normalise(raw_name)
        if name in seen:
            raise _twice(name)
        seen.add(name)
        value = normalise(raw_value) if isinstance(raw_value, str) else raw_value
        if value is not None and value != "":
            kept[name] = _value(value, depth - 1)
    return "{" + ",".join(f"{string(name)}:{kept[name]}" for name in sorted(kept, key=sort_key)) + "}"


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
    """Items keep their places, so a missing one stays: null as null, an empty text as an empty text."""
    if depth == 0:
        raise Unfit("too-deep", f"The record is nested more than {MAX_DEPTH} levels deep.")
    values = (normalise(item) if isinstance(item, str) else item for item in items)
    return "[" + ",".join(_value(value, depth - 1) for value in values) + "]"


def parse(text: str, noun: str = "This line") -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value in ``text`` (RFC 8259), numbers as Decimal. Raises Unfit; messages call it ``noun``."""
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise Unfit("too-deep", f"The record is nested more than {MAX_DEPTH} levels deep.") from None
    except json.JSONDecodeError as error:
        where = f"at character {error.pos + 1}"
        raise Unfit("json-syntax", f"{noun} is not valid JSON {where}: {error.msg}.") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _twice(name)
        members[name] = value
    return members


def _twice(name: str) -> Unfit:
    shown = name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}…"
    return Unfit("duplicate-key", f"The record holds the key {shown!r} twice.")


def _no_constant(name: str) -> Any:  # noqa: ANN401 - never returns
    raise Unfit("json-syntax", f"{name} is not a JSON value.")


def _decimal(lexeme: str) -> Decimal:
    try:
        return Decimal(lexeme)
    except InvalidOperation:  # an exponent beyond what even Decimal holds
        if not lexeme.lower().partition("e")[0].strip("-0."):
            return Decimal(0)
        raise _out_of_range() from None


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_decimal, parse_int=_decimal, parse_constant=_no_constant
)
