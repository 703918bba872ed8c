"""Text encodings: their names, and transcoding to UTF-8.

In UTF-8 and in single-byte encodings that extend ASCII, delimiters, quotes and line endings are bytes of
their own, so such a file is cut unchanged and offsets count its bytes. Any other (UTF-16, Shift JIS …) is
transcoded to UTF-8 as a stream first, and offsets count bytes of the UTF-8.
"""

import codecs
import string
from collections.abc import Iterator
from functools import cache

from chalicelib.reading import likely_encodings
from chalicelib.reading.pieces import joined, sliced

UTF8 = "utf-8"

_AT_A_TIME = 256 << 10  # bytes that are transcoded
_PIECE = 2 << 20  # bytes of UTF-8 that are yielded

# U+DCFF is half of a surrogate pair: encoded, it is broken UTF-8, so the record it falls in is rejected.
_MARK = "sluice_mark"
codecs.register_error(_MARK, lambda error: ("\udcff", getattr(error, "end")))  # noqa: B009 - any UnicodeError

_UNICODE = {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}
OF_EITHER_ORDER = {"utf-16", "utf-32"}  # their names do not say which byte comes first
_ASCII = bytes(range(0x80)).decode("ascii")
_NEEDED = {*string.ascii_letters, *string.digits, *'\n ,;"'}  # some EBCDIC has no brackets and braces
# Where ISO 646 has national characters, Japanese and Korean encodings have a currency sign and an overline
_NATIONAL = dict.fromkeys([*b"\\~", *map(ord, "¥₩‾")])
# ASCII texts that are other texts in encodings with escapes or shifts: UTF-7, HZ, ISO 2022, Python's, names
_ESCAPES = (b"+AOk-", b"~{VPND~}", b"\x1b$B0l\x1b(B", b"\x0e0l\x0f", b"\\u00e9\\n\\x41", b"xn--e9-", b"e9-")

_BOMS = (  # UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def by_bom(head: bytes) -> tuple[str, int] | None:
    """Return the encoding that a byte-order mark names, and the mark's length; None without a mark."""
    return next(((name, len(mark)) for mark, name in _BOMS if head.startswith(mark)), None)


def byte_order_mark(name: str) -> bytes:
    """Return the byte-order mark of an encoding, empty if it has none."""
    return next((mark for mark, encoding in _BOMS if encoding == name), b"")


def python_name(name: str) -> str | None:
    """Return Python's name for an encoding of files; None if there is no such encoding.

    Files are in UTF-8, UTF-16, UTF-32, or in an encoding that decodes each character by itself, so that bytes
    mean the same wherever reading begins. Encodings with escapes or with shifts to another alphabet
    (`unicode_escape`, `utf-7`, `iso2022_jp`) do not, nor do those of names (`idna`, `punycode`).
    """
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # ValueError: a name with a NUL in it
        return None
    if found.name == "utf-8-sig":
        return UTF8
    is_text = getattr(found, "_is_text_encoding", True)
    return found.name if found.name in _UNICODE or (is_text and _is_stateless(found.name)) else None


@cache
def _is_stateless(name: str) -> bool:
    """Return whether the encoding extends ASCII or has single bytes (EBCDIC), without escapes and shifts."""
    try:
        characters = [bytes([byte]).decode(name, "replace") for byte in range(0x100)]
        for probe in _ESCAPES:
            if probe.decode(name, "replace") != "".join(characters[byte] for byte in probe):
                return False
        is_of_single_bytes = [*bytes(range(0x100)).decode(name, "replace")] == characters
    except UnicodeError:
        return False
    extends_ascii = "".join(characters[:0x80]).translate(_NATIONAL) == _ASCII.translate(_NATIONAL)
    return extends_ascii or (is_of_single_bytes and {*characters} >= _NEEDED)


@cache
def needs_transcoding(name: str) -> bool:
    """Return whether a file in this encoding is transcoded to UTF-8 before it is cut."""
    if name == UTF8:
        return False
    ascii_bytes = bytes(range(0x80))
    decoder = codecs.getincrementaldecoder(name)  # it returns nothing for the first of several bytes
    single = all(len(decoder("replace").decode(bytes([byte]))) == 1 for byte in range(0x100))
    return not single or ascii_bytes.decode(name, "replace") != ascii_bytes.decode("ascii")


def to_utf8(data: bytes, encoding: str) -> bytes | None:
    """Return ``data`` in UTF-8; None if it is not valid."""
    if data.isascii():
        return data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return data if encoding == UTF8 else text.encode()


def transcode(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the pieces in UTF-8; bytes that are not valid become broken UTF-8.

    A character is up to four bytes of memory meanwhile, and up to three more of UTF-8: few are converted at a
    time. Raises Interrupted between them.
    """
    yield from joined(_transcoded(pieces, encoding), _PIECE)


def _transcoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(_MARK)
    for piece in sliced(pieces, _AT_A_TIME):
        yield decoder.decode(piece).encode(UTF8, "surrogatepass")
    yield decoder.decode(b"", final=True).encode(UTF8, "surrogatepass")


def invalid_text(subject: str, encoding: str, raw: bytes = b"") -> str:
    """Return a sentence about a part of the file, ``raw``, that is not valid in its encoding."""
    if encoding != UTF8:
        return f"{subject} is not valid {encoding.upper()}, the encoding that was declared or detected."
    advice = likely_encodings.advice(raw, likely_encodings.rank([raw]))
    return f"{subject} is not valid UTF-8; was the file saved in another encoding?{advice}"
