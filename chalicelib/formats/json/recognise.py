"""Recognise JSON values one a line, from the head of a file."""

import json
import re
from itertools import islice

from chalicelib.formats.json.units import WHITE, container_end
from chalicelib.reading.head import HEAD_SIZE, Head

_MOST_LINES = 100  # that are looked at
_LINE = re.compile(rb"[^\n]*+")


def begins_lines(head: Head, *, of_any_arrays: bool) -> bool:
    """Return whether the file begins with an object or array that is alone in its line, but for a comma.

    An array alone is not enough: another must begin the next line. Arrays of objects, which may be lists of
    records one after another, count with ``of_any_arrays``.

    A first object also counts that breaks off where no JSON writer breaks a line, if the next line begins
    another.
    """
    text = head.text.lstrip(WHITE + b",")
    first, _, rest = text.partition(b"\n")
    rest = rest.lstrip(WHITE + b",")
    if text.startswith(b"["):
        is_table = of_any_arrays or b"{" not in first
        return is_table and _is_whole(first) and rest.startswith(b"[") and _is_whole(rest.partition(b"\n")[0])
    if not text.startswith(b"{"):
        return False
    if container_end(first, 0, len(first)) is not None:
        return _is_whole(first)
    breaks_off = not first.rstrip(WHITE).endswith((b"{", b"[", b":", b","))
    return breaks_off and rest.startswith(b"{")


def _is_whole(line: bytes) -> bool:
    """Return whether the line holds the object or array that begins it, and nothing else but a comma."""
    end = container_end(line, 0, len(line))
    return end is not None and line[end:].strip(WHITE) in (b"", b",")


def are_scalars(head: Head) -> bool:
    """Return whether each of the first lines is a JSON text, a number, true, false or null."""
    text = head.text
    if len(head.data) >= HEAD_SIZE:  # the last line may go on
        text = text[: text.rfind(b"\n") + 1]
    lines = (match[0] for match in _LINE.finditer(text) if match[0].strip(WHITE))
    first = list(islice(lines, _MOST_LINES))
    return bool(first) and all(map(_is_scalar, first))


def _is_scalar(line: bytes) -> bool:
    try:
        return not isinstance(json.loads(line, parse_int=str, parse_constant=_refuse), dict | list)
    except (ValueError, RecursionError):
        return False


def _refuse(name: str) -> None:
    raise ValueError(name)
