"""Recognise JSON values one a line, and text that only looks like JSON, from the head of a file."""

import json
import re
from itertools import islice

from chalicelib.formats.json.units import WHITE, container_end
from chalicelib.reading.head import HEAD_SIZE, Head

_MOST_LINES = 100  # that are looked at
_FIRST = 10  # lines that may begin with a bracket and be none of JSON
_BRACKETED = re.compile(rb"[ \t]*(?P<enclosed>\[[^\[\]{}\"'\r]++\]|\{[^\[\]{}\"':\r]++\})(?P<rest>[^\r\n]*)")
_BEGINS_A_VALUE = re.compile(rb"[-+.0-9]|(?:true|false|null)\b")
_SURELY_JSON = re.compile(rb"[ \t]*(?:[\[{]\s*[\[{\"']|[\]}]|\"[^\"]*\"[ \t]*:)")
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


def is_bracketed_text(head: Head) -> bool:
    """Return whether the first lines begin with a text in brackets or braces, as no JSON does, and go on.

    So do headers such as `[id],name`, and the lines of logs. A text in braces that holds a colon may be a
    broken object, one in brackets before a comma that holds a comma or begins as a number a broken array.
    JSON in brackets counts if a text follows it, in the next lines as well: `[1234] started`.
    """
    lines = [line for line in head.text.split(b"\n", _FIRST)[:_FIRST] if line.strip(WHITE)]
    beginnings = [_BRACKETED.match(line) for line in lines]
    first = beginnings[0] if beginnings else None
    if first is None or any(map(_SURELY_JSON.match, lines)):
        return False
    inside, rest = first["enclosed"][1:-1].strip(WHITE), first["rest"].strip(WHITE)
    if not inside or rest in (b"", b",") or rest.startswith((b"]", b"}")):
        return False
    if rest.startswith(b","):
        is_value = first["enclosed"].startswith(b"[") and _BEGINS_A_VALUE.match(inside)
        return b"," not in inside and not is_value
    if not _is_json(first["enclosed"]):
        return True
    return len(lines) > 1 and all(beginnings) and not rest.startswith((b"[", b"{"))


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


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
