"""Records inside an envelope: find them by their path (RFC 6901), and pass over what follows them.

What stands before the records and after them may be of any size: it is scanned, not kept.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chalicelib.core.errors import JobFailed
from chalicelib.formats.json.scanner import EndOfTextError, Scanner, text_of
from chalicelib.formats.json.units import Layout
from chalicelib.reading.blocks import FramingError
from chalicelib.rows.text import excerpt

LOOK = 1 << 20  # bytes of an object from which it is decided whether its members are records

_INDEX = re.compile(r"0|[1-9][0-9]*")
_MOST_NAMES = 10  # in a message
_SCALAR = "a single value"
_MALFORMED = (
    "The path of the records, {path}, could not be followed: the file is not valid JSON at byte {offset:,}."
)
_CUT_SHORT = "The file ends at byte {}, before the end of the envelope around the records: it was cut short."


class Place(NamedTuple):
    """Where the records of a file begin, as an offset in the text and the number of lines before it."""

    layout: Layout
    offset: int
    line: int


def tokens_of(pointer: str) -> tuple[str, ...]:
    """Return the names in a JSON pointer (RFC 6901)."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def find_records(pieces: Iterator[bytes], start: int, pointer: str) -> Place:
    """Return where the records at ``pointer`` begin. ``pieces``: the text from its offset ``start`` on.

    A list holds records, and so does an object whose values are all objects, as far as its first LOOK bytes
    show; any other object is one record. Raises JobFailed if nothing is there.
    """
    scanner = Scanner(pieces, start)
    try:
        for depth, token in enumerate(tokens_of(pointer)):
            _step_to(scanner, token, pointer, depth)
        return _place(scanner, pointer)
    except EndOfTextError:
        where = f"at byte {scanner.end:,}, before the records at {_shown(pointer)}"
        raise JobFailed("truncated-file", f"The file ends {where}: it was cut short.") from None


def _step_to(scanner: Scanner, token: str, pointer: str, depth: int) -> None:
    """Move to the value that ``token`` names in the value that begins here."""
    parent = pointer.split("/")[1 : depth + 1]
    first = _peek(scanner)
    if first == b"{":
        found = _names_until(scanner, token, pointer)
        if found is not None:
            raise _not_found(pointer, parent, _members(found))
    elif first == b"[":
        count = _items_until(scanner, token, pointer)
        if count is not None:
            raise _not_found(pointer, parent, f"a list of {count:,} values")
    else:
        raise _not_found(pointer, parent, _SCALAR)


def _names_until(scanner: Scanner, token: str, pointer: str) -> list[str] | None:
    """Move to the value of the member that is called ``token``; None if there is one, else the names."""
    names: list[str] = []
    scanner.take()
    if scanner.peek() == b"}":
        return names
    while True:
        name = _read_name(scanner)
        if name is None:
            raise _malformed(scanner, pointer)
        text = text_of(name)
        if text == token:
            return None
        if text is not None and len(names) <= _MOST_NAMES:
            names.append(text)
        scanner.skip_value()
        match _peek(scanner):
            case b",":
                scanner.take()
            case b"}":
                return names
            case _:
                raise _malformed(scanner, pointer)


def _read_name(scanner: Scanner) -> bytes | None:
    """Pass over a member's name and its colon; return the name as :meth:`Scanner.name` does.

    None if no name is here. Raises EndOfTextError.
    """
    if _peek(scanner) != b'"':
        return None
    name = scanner.name()
    scanner.skip_string()
    if _peek(scanner) != b":":
        return None
    scanner.take()
    return name


def _peek(scanner: Scanner) -> bytes:
    first = scanner.peek()
    if not first:
        raise EndOfTextError
    return first


def _items_until(scanner: Scanner, token: str, pointer: str) -> int | None:
    """Move to the item of a list at the index ``token``; None if there is one, else the number of items."""
    index = int(token) if _INDEX.fullmatch(token) else -1
    count = 0
    scanner.take()
    while scanner.peek() != b"]":
        if count == index:
            return None
        scanner.skip_value()
        count += 1
        match _peek(scanner):
            case b",":
                scanner.take()
            case b"]":
                return count
            case _:
                raise _malformed(scanner, pointer)
    return count


def _place(scanner: Scanner, pointer: str) -> Place:
    first = _peek(scanner)
    if first == b"[":
        scanner.take()
        return Place(Layout.ARRAY, scanner.offset, scanner.line)
    if first != b"{":
        raise _not_found(pointer, pointer.split("/")[1:], _SCALAR)
    alone = Place(Layout.SINGLE, scanner.offset, scanner.line)
    scanner.take()
    members = Place(Layout.MEMBERS, scanner.offset, scanner.line)
    return members if _holds_objects_only(scanner, alone.offset + LOOK) else alone


def _holds_objects_only(scanner: Scanner, limit: int) -> bool:
    """Return whether the object whose `{` was passed over has no value but objects before the limit.

    Where it is broken, what comes before that decides.
    """
    scanner.limit = limit
    count = 0
    try:
        while (first := scanner.peek()) not in (b"}", b""):
            if first == b",":
                scanner.take()
                continue
            is_named = _read_name(scanner) is not None
            first = scanner.peek()
            if scanner.offset >= limit:
                break
            if not is_named:
                return count > 0
            if first != b"{":
                return False
            scanner.skip_value()
            count += 1
    except EndOfTextError:  # or the limit
        return True
    return True


def after_records(pieces: Iterator[bytes], tokens: Sequence[str]) -> Iterator[bytes]:
    """Pass over what follows the records in the values around them, which ``tokens`` name; yield the rest.

    The first thing there that is not valid JSON, or has the name of the records once more, ends that. Raises
    FramingError if the text ends before the values do.
    """
    scanner = Scanner(pieces)
    try:
        if all(_leave(scanner, token) for token in reversed(tokens)):
            scanner.peek()
    except EndOfTextError:
        raise FramingError("truncated-file", _CUT_SHORT, scanner.end) from None
    yield from scanner.rest()


def _leave(scanner: Scanner, token: str) -> bool:
    """Move behind the object or list that is around what was passed over; return whether that is possible."""
    while True:
        match _peek(scanner):
            case b"}" | b"]":
                scanner.take()
                return True
            case b",":
                if not _skip_member(scanner, token):
                    return False
            case _:
                return False


def _skip_member(scanner: Scanner, token: str) -> bool:
    """Pass over a comma, and the member or item after it; return False if it is called ``token``."""
    scanner.take()
    if scanner.peek() == b'"':
        if text_of(scanner.name()) == token:
            return False
        scanner.skip_string()
        if scanner.peek() != b":":
            return True  # an item
        scanner.take()
    scanner.skip_value()
    return True


def _members(names: list[str]) -> str:
    if not names:
        return "an empty object"
    shown = ", ".join(repr(excerpt(name.encode())) for name in names[:_MOST_NAMES])
    return f"an object with the members {shown}" + (" and others" if len(names) > _MOST_NAMES else "")


def _not_found(pointer: str, parent: Sequence[str], found: str) -> JobFailed:
    at = f"at {_shown(''.join(f'/{token}' for token in parent))}" if parent else "at the top"
    return JobFailed(
        "records-not-found", f"There is no list of records at {_shown(pointer)}: {at} is {found}."
    )


def _malformed(scanner: Scanner, pointer: str) -> JobFailed:
    return JobFailed("json-syntax", _MALFORMED.format(path=_shown(pointer), offset=scanner.offset))


def _shown(pointer: str) -> str:
    return pointer or '""'
