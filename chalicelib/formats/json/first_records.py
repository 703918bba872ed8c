"""Cut the first records from the head of a JSON or NDJSON file, also a first one that does not end in it."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.formats.json.scanner import EndOfTextError, Scanner
from chalicelib.reading.patterns import repeated
from chalicelib.rows.canonical import MAX_DEPTH

MOST_RECORDS = 100

_TOKEN = re.compile(rb'"[^"\\]*+' + repeated(rb'\\.[^"\\]*+') + rb'"|[{}\[\]"]', re.DOTALL)
_CLOSING = {b"{": b"}", b"[": b"]"}
_OPENED = frozenset(_CLOSING.values())


class FirstRecords(NamedTuple):
    """The first records of a file, as JSON, and the path of the first one."""

    pointer: str
    records: Sequence[bytes]
    is_only: bool = False  # the file has no more than one
    is_whole: bool = True  # the only one ends in the head


def first_records(text: bytes, *, is_cut: bool) -> FirstRecords:
    """Return the objects that begin a text, or the list that begins it.

    ``is_cut``: the text goes on. A first object that does not end in it is closed after its last whole value.
    """
    scanner, pointer, records = Scanner(iter([text])), "", list[bytes]()
    if scanner.peek() == b"[":
        scanner.take()
        pointer = "/0"
    while scanner.peek() == b"{" and len(records) < MOST_RECORDS:
        begin = scanner.offset
        try:
            scanner.skip_value()
        except EndOfTextError:
            closed = _closed(text[begin:]) if is_cut and not records else None
            is_only = closed is not None
            return FirstRecords(pointer, [closed] if closed else records, is_only=is_only, is_whole=False)
        records.append(text[begin : scanner.offset])
        if scanner.peek() == b",":
            scanner.take()
    return FirstRecords(pointer, records, is_only=len(records) == 1 and scanner.peek() in (b"", b"]"))


def _closed(text: bytes) -> bytes | None:
    """Return a value that breaks off, closed after the last whole object or list in it.

    None if there is none or the value is too deep.
    """
    closing: list[bytes] = []
    end = depth = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in _CLOSING:
            closing.append(_CLOSING[mark])
            if len(closing) > MAX_DEPTH:
                return None
        elif mark in _OPENED:
            closing.pop()
            end, depth = token.end(), len(closing)
        elif mark == b'"':  # a string that breaks off
            break
    return text[:end] + b"".join(reversed(closing[:depth])) if end else None
