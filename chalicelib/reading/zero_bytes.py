"""Recognise UTF-16 and UTF-32 without a byte-order mark by the zero bytes at the beginning of a text.

In these encodings an ASCII character is a unit of which all bytes but one are zero. Delimiters, digits and
line endings are ASCII in every script, so the units show even where the letters do not. A text in UTF-8 or a
single-byte encoding may hold zeros, too: there they are few, and most of its commas and line endings have no
zero beside them.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.reading import encodings

_LOOK = 1 << 14  # bytes
_ASCII = {*map(chr, range(0x20, 0x7F)), "\t", "\n", "\r"}
_STRUCTURE = "\n\r\t,;|"
_UTF16 = ("utf-16-le", "utf-16-be")
_UTF32 = ("utf-32-le", "utf-32-be")
_MOST_BAD = 0.02  # the share of characters that no text has
_MOST_PAIRS = 0.4  # the share of units with two bytes that look like two ASCII characters
_LEAST_STRUCTURE = 3
_LEAST_LINE = 4  # bytes of plain text that letters of other scripts hardly ever look like
_PRINTABLE = range(0x21, 0x7F)
_HIRAGANA = 0x30
_BEGINNING = 16  # bytes
_WHITE = b" \t\n\v\f\r"
_HIGH_AND_WHITE = b"\t\n\v\f\r"  # the high bytes of Indic letters
_WRONG = ("\ufffd", *map(chr, (*range(2, 9), *range(0x0E, 0x1A))))  # a text in UTF-8 has few of them


def encoding_of(head: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 encoding of a text with that head; None if it is none of them."""
    data = head[:_LOOK]
    if b"\0" not in data:
        return None
    for name, place in zip(_UTF32, (3, 0), strict=True):
        highest = data[: len(data) // 4 * 4][place::4]
        if highest and highest.count(0) >= len(highest) * (1 - _MOST_BAD):
            units = _Units.of(data, name)
            if units.bad <= units.total * _MOST_BAD:
                return name
    little, big = (_Units.of(data, name) for name in _UTF16)
    likely, other = (little, big) if little.ascii >= big.ascii else (big, little)
    plain = len(_plain_line(data))
    if likely.ascii <= 2 * other.ascii or likely.bad > likely.total * _MOST_BAD or plain >= _LEAST_LINE:
        return None
    if likely.is_mostly_narrow:
        return likely.encoding
    has_structure = likely.has_clear_structure or (not plain and likely.has_structure_in(data))
    return likely.encoding if has_structure and not likely.is_of_pairs else None


def byte_order_of(head: bytes, name: str) -> str | None:
    """Return the byte order, `le` or `be`, of a text in UTF-16 or UTF-32; None if nothing shows it."""
    little, big = (_Units.of(head[:_LOOK], f"{name}-{order}") for order in ("le", "be"))
    if little.evidence == big.evidence:
        return None
    return "le" if little.evidence > big.evidence else "be"


@dataclass(frozen=True)
class _Units:
    """The code units of some data, as they are in an encoding."""

    encoding: str
    total: int
    ascii: int
    narrow: int  # ASCII or Latin-1 letters: all bytes but one are zero
    bad: int  # no text has them: U+0000, controls, halves of pairs, characters that are not assigned
    pairs: int  # each of the two bytes is a printable ASCII character
    structure: Mapping[str, int]  # delimiters and line endings, by character
    false_structure: Mapping[str, int]  # others that have such a byte in the place of the character

    @classmethod
    def of(cls, data: bytes, encoding: str) -> "_Units":
        whole = data[: len(data) // 4 * 4] if encoding in _UTF32 else data[: len(data) // 2 * 2]
        counts = Counter(whole.decode(encoding, "replace"))
        wide = {char: count for char, count in counts.items() if char > "\xff"}
        return cls(
            encoding,
            counts.total(),
            sum(count for char, count in counts.items() if char in _ASCII),
            sum(count for char, count in counts.items() if char in _ASCII or "\xa0" <= char <= "\xff"),
            sum(count for char, count in counts.items() if _is_bad(char)),
            sum(count for char, count in wide.items() if _is_pair(ord(char))),
            {char: counts[char] for char in _STRUCTURE},
            {
                char: sum(count for other, count in wide.items() if ord(other) & 0xFF == ord(char))
                for char in _STRUCTURE
            },
        )

    @property
    def evidence(self) -> int:
        return self.ascii - self.bad

    @property
    def is_of_pairs(self) -> bool:
        """Whether many units look like two characters each. A few may do so in any text."""
        return self.pairs > (self.total - self.narrow) * _MOST_PAIRS + 4

    @property
    def has_clear_structure(self) -> bool:
        """Whether a delimiter or a line ending nearly always is a unit."""
        return any(
            count >= _LEAST_STRUCTURE and count > 2 * self.false_structure[char]
            for char, count in self.structure.items()
        )

    @property
    def is_mostly_narrow(self) -> bool:
        """Whether more than half of the units have a zero."""
        return self.narrow * 2 > self.total

    def has_structure_in(self, data: bytes) -> bool:
        """Return whether delimiters and line endings are units, and the data is not text of single bytes."""
        has_structure = sum(self.structure.values()) * 4 > sum(self.false_structure.values())
        return has_structure and (_is_white(data) or not _is_utf8(data.replace(b"\0", b"")))


def _is_bad(char: str) -> bool:
    if char in "\t\n\v\f\r\x1a\x1c\x1d\x1e\x1f\x01\x85\ufeff":
        return False
    return char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")


def _is_pair(code: int) -> bool:
    """Return whether both bytes are printable; the high byte of hiragana is a digit."""
    return code & 0xFF in _PRINTABLE and code >> 8 in _PRINTABLE and code >> 8 != _HIRAGANA


def _plain_line(data: bytes) -> bytes:
    """Return the first line that is not blank; empty if it is not plain UTF-8, or zeros are in or beside it.

    A text of bytes that has zeros further down begins with such a line. In UTF-16, line endings have zeros.
    """
    stripped = data.lstrip(_WHITE)
    if (len(stripped) < len(data) and stripped.startswith(b"\0")) or _is_white(data[:_BEGINNING]):
        return b""
    ends = [end for end in (stripped.find(b"\n"), stripped.find(b"\r")) if end >= 0]
    end = min(ends, default=len(stripped))
    return b"" if b"\0" in stripped[: end + 2] or not _is_utf8(stripped[:end]) else stripped[:end]


def _is_white(data: bytes) -> bool:
    """Return whether so many bytes are white space that they are rather halves of letters, as in Hindi."""
    return sum(map(data.count, _HIGH_AND_WHITE)) * 4 > len(data)


def _is_utf8(data: bytes) -> bool:
    """Return whether the data, but for a few errors, is UTF-8 without controls."""
    text = data.decode(encodings.UTF8, "replace")
    wrong = sum(map(text.count, _WRONG))
    return wrong * 20 <= sum(1 for char in text if char > "\x7f") + len(text) // 10
