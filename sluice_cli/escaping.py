"""Make untrusted text safe for terminals and shells."""

import os
import shlex
import unicodedata

# Control characters drive a terminal (colours, titles, clearing, typing for the user); format characters
# reverse or hide text. Lone surrogates cannot be written at all.
_UNSAFE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def safe(text: object) -> str:
    """Return ``text`` as one line of printable characters, with all others as backslash escapes."""
    string = str(text)
    if string.isprintable():  # no character of the unsafe categories is, and nearly all texts are
        return string
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE_CATEGORIES else c for c in string)


def shell_quoted(argument: object) -> str:
    """Return ``argument`` quoted for a shell, in printable characters."""
    text = str(argument)
    if safe(text) == text:
        return shlex.quote(text)
    # What POSIX calls dollar-single-quotes. Octal: unlike \x it ends after three digits in every shell.
    return f"$'{''.join(_octal_escape(byte) for byte in os.fsencode(text))}'"


def _octal_escape(byte: int) -> str:
    character = chr(byte)
    is_plain = character.isascii() and character.isprintable() and character not in "'\\"
    return character if is_plain else f"\\{byte:03o}"


def _escape(character: str) -> str:
    code = ord(character)
    width = 2 if code <= 0xFF else 4 if code <= 0xFFFF else 8  # noqa: PLR2004 - the widths of \x, \u, \U
    return _SHORT_ESCAPES.get(character, f"\\{'xuuU'[width // 2 - 1]}{code:0{width}x}")
