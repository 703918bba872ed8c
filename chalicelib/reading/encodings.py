"""Text encodings: their names, and transcoding to UTF-8.

In UTF-8 and in single-byte encodings that extend ASCII, delimiters, quotes and line endings are bytes of
their own, so such a file is cut unchanged and offsets count its bytes. Any other (UTF-16, Shift JIS …) is
transcoded to UTF-8 as a stream first, and offsets count bytes of the UTF-8.
"""

import codecs
from collections.abc import Iterator
from functools import cache

UTF8 = "utf-8"

# U+DCFF is half of a surrogate pair: encoded, it is broken UTF-8, so the record it falls in is rejected.
_MARK = "sluice_mark"
codecs.register_error(_MARK, lambda error: ("\udcff", getattr(error, "end")))  # noqa: B009 - any UnicodeError

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
    """Return Python's name for a text encoding; None if there is no such encoding."""
    try:
        codec = codecs.lookup(name)
        "a".encode(codec.name)
    except (LookupError, ValueError):  # ValueError: a name with a NUL in it
        return None
    if not getattr(codec, "_is_text_encoding", True):
        return None
    return UTF8 if codec.name == "utf-8-sig" else codec.name


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
    """Yield the pieces in UTF-8; bytes that are not valid become broken UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(_MARK)
    for piece in pieces:
        yield decoder.decode(piece).encode(UTF8, "surrogatepass")
    yield decoder.decode(b"", final=True).encode(UTF8, "surrogatepass")


def invalid_text(subject: str, encoding: str) -> str:
    """Return a sentence about a part of the file that is not valid in its encoding."""
    advice = (
        "; was the file saved in another encoding?"
        if encoding == UTF8
        else ", the encoding that was declared or detected."
    )
    return f"{subject} is not valid {encoding.upper()}{advice}"
