"""Tell whether a file's only record looks like an envelope around the records that were meant."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from chalicelib.core.warnings import FileWarning
from chalicelib.formats.json.scanner import EndOfTextError, Scanner
from chalicelib.reading.head import HEAD_SIZE, Head
from chalicelib.reading.lines import count_lines
from chalicelib.rows.canonical import MAX_DEPTH

ENVELOPE = "json-envelope"

MANY = 10  # records in a list that are told of whatever else the file holds
_DEEPEST = 8  # names in a path
_LONGEST_PATH = 1000  # characters: of a path that can be declared
_MOST_SHOWN = 3
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]"]', re.DOTALL)
_CLOSING = {b"{": b"}", b"[": b"]"}
_OPENED = frozenset(_CLOSING.values())


class _Candidate(NamedTuple):
    """What may be a list of records: its path, and how many records and values the head shows of it."""

    pointer: str
    records: int
    values: int


def envelope_warnings(head: Head) -> Sequence[FileWarning]:
    """Return the warning that the only record of the file holds a list of records, if it looks so.

    A record may well hold a list of others. So the list must have several, and be either long or hold
    most of the values, unless the record does not end in the head.
    """
    text, is_cut = head.text, len(head.data) >= HEAD_SIZE
    pointer, only = _only_object(text, is_cut=is_cut)
    if only is None:
        return ()
    raw, is_whole = only
    try:
        value = json.loads(
            raw.decode(head.text_encoding, "replace"), strict=False, parse_int=str, parse_float=str
        )
    except (ValueError, RecursionError):
        return ()
    half = _count_values(value) / 2
    candidates = sorted(_candidates(value, pointer), key=lambda candidate: -candidate.records)
    found = [it for it in candidates if not is_whole or it.records >= MANY or it.values > half]
    if not found:
        return ()
    offset = len(head.data) - len(text)
    example = ", ".join(_shown(candidate, is_whole=is_whole) for candidate in found[:_MOST_SHOWN])
    return [FileWarning(ENVELOPE, 1, offset, example, record=0, line=count_lines(head.data[:offset]))]


def _only_object(text: bytes, *, is_cut: bool) -> tuple[str, tuple[bytes, bool] | None]:
    """Return the path of the object that is the only record of a text, the object, and whether it is whole.

    ``is_cut``: the text goes on. An object that does not end in it is closed after its last whole value.
    """
    scanner, pointer = Scanner(iter([text])), ""
    if scanner.peek() == b"[":
        scanner.take()
        pointer = "/0"
    if scanner.peek() != b"{":
        return pointer, None
    begin = scanner.offset
    try:
        scanner.skip_value()
    except EndOfTextError:
        closed = _closed(text[begin:]) if is_cut else None
        return pointer, None if closed is None else (closed, False)
    end = scanner.offset
    if scanner.peek() == b",":
        scanner.take()
    follows = scanner.peek()
    return pointer, None if follows not in (b"", b"]") else (text[begin:end], True)


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


def _candidates(value: Any, pointer: str) -> Iterator[_Candidate]:  # noqa: ANN401 - any JSON value
    """Yield the lists of several objects in a value, and the objects whose members look like records."""
    if pointer.count("/") > _DEEPEST or len(pointer) > _LONGEST_PATH:
        return
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    objects = [item for item in items if isinstance(item, dict)]
    if len(objects) > 1 and (
        2 * len(objects) > len(items) if isinstance(value, list) else _are_alike(items, objects)
    ):
        yield _Candidate(pointer, len(objects), _count_values(value))
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _candidates(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")


def _are_alike(items: Sequence[Any], objects: Sequence[dict[str, Any]]) -> bool:
    """Return whether all items are objects, and most of them share a name."""
    if len(objects) < len(items):
        return False
    names: dict[str, int] = {}
    for item in objects:
        for name in item:
            names[name] = names.get(name, 0) + 1
    return 2 * max(names.values(), default=0) > len(objects)


def _count_values(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Return the number of texts, numbers and literals in a value."""
    count, rest = 0, [value]
    while rest:
        match rest.pop():
            case dict() as members:
                rest += members.values()
            case list() as items:
                rest += items
            case _:
                count += 1
    return count


def _shown(candidate: _Candidate, *, is_whole: bool) -> str:
    least = "" if is_whole else "at least "
    path = candidate.pointer or '""'
    return f"{path}: {least}{candidate.records:,} records"
