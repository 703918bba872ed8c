"""Words and numbers for people."""

import os
import shlex
import unicodedata
from datetime import UTC, datetime

from rich.filesize import decimal

# Control characters drive a terminal (colours, titles, clearing, typing for the user); format characters
# reverse or hide text. Lone surrogates cannot be written at all.
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MINUTE, _HOUR = 60, 3600
_SHOW_TENTHS = 10  # seconds


def safe(text: object) -> str:
    """``text`` as one line that a terminal can only show: what could do more is written as an escape."""
    return "".join(_escaped(c) if unicodedata.category(c) in _UNSAFE else c for c in str(text))


def quoted(argument: object) -> str:
    """``argument`` as a shell takes it, in characters that a terminal can only show."""
    text = str(argument)
    if safe(text) == text:
        return shlex.quote(text)
    # What POSIX calls dollar-single-quotes. Octal: unlike \x it ends after three digits in every shell.
    return f"$'{''.join(_plain(byte) for byte in os.fsencode(text))}'"


def _plain(byte: int) -> str:
    character = chr(byte)
    kept = character.isascii() and character.isprintable() and character not in "'\\"
    return character if kept else f"\\{byte:03o}"


def _escaped(character: str) -> str:
    code = ord(character)
    width = 2 if code <= 0xFF else 4 if code <= 0xFFFF else 8  # noqa: PLR2004 - the widths of \x, \u, \U
    return _NAMED.get(character, f"\\{'xuuU'[width // 2 - 1]}{code:0{width}x}")


def shortened(text: str, limit: int) -> str:
    """``text``, with its middle left out if it has more than ``limit`` characters."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def number(value: float) -> str:
    """4021.3 → 4,021."""
    return f"{value:,.0f}"


def size(count: float) -> str:
    """Bytes: 21500000 → 21.5 MB."""
    return decimal(int(count))


def duration(seconds: float) -> str:
    """4.21 → 4.2 s, 125 → 2 min 5 s, 7500 → 2 h 5 min."""
    if seconds < _SHOW_TENTHS:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in one unit: 45s, 3m, 5h, 12d."""
    seconds = max(int((now - moment).total_seconds()), 0)
    for unit, length in (("d", 24 * _HOUR), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def instant(moment: datetime) -> str:
    """2025-11-23 14:21:07Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
