"""Parse one JSON record with Python's `json`: the specification for records that are read together."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from chalicelib.formats.interface import Reason
from chalicelib.rows.canonical import RecordRejected, duplicate_key, number_out_of_range, too_deep

NOT_AN_OBJECT = Reason("not-an-object", "The record is JSON, but not an object in braces { }.")


def parse_record(raw: bytes) -> dict[str, Any]:
    """Return the object in ``raw``, with every number a Decimal. Raises RecordRejected."""
    if b"\0" in raw:
        raise RecordRejected("nul-character", "The record holds a NUL character, which text cannot hold.")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise RecordRejected(
            "encoding-error", "The record is not valid UTF-8; was the file saved in another encoding?"
        ) from None
    value = parse(text.strip(" \t\r"))
    if not isinstance(value, dict):
        raise RecordRejected(*NOT_AN_OBJECT)
    return value


def parse(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value in ``text`` (RFC 8259), with every number a Decimal. Raises RecordRejected."""
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise too_deep() from None
    except json.JSONDecodeError as error:
        where = f"at character {error.pos + 1}"
        raise RecordRejected("json-syntax", f"The record is not valid JSON {where}: {error.msg}.") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise duplicate_key(name)
        members[name] = value
    return members


def _no_constant(name: str) -> Any:  # noqa: ANN401 - never returns
    raise RecordRejected("json-syntax", f"The record holds {name}, which is not a JSON value.")


def _decimal(lexeme: str) -> Decimal:
    try:
        return Decimal(lexeme)
    except InvalidOperation:  # an exponent beyond the range of Decimal
        if not lexeme.lower().partition("e")[0].strip("-0."):
            return Decimal(0)
        raise number_out_of_range() from None


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_decimal, parse_int=_decimal, parse_constant=_no_constant
)
