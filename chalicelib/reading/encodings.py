"""Text encodings: which there are, and how bytes in one become UTF-8.

In UTF-8 and in single-byte encodings that extend ASCII, delimiters, quotes and line endings are bytes of
their own, so such a file is cut as it is and offsets are those of its bytes. Any other (UTF-16, Shift JIS
…) is turned into UTF-8 as a stream first, and offsets are those of the UTF-8.
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
    """The encoding that a byte-order mark announces, and the mark's length; None without one."""
    return next(((name, len(mark)) for mark, name in _BOMS if head.startswith(mark)), None)


def mark(name: str) -> bytes:
    """The byte-order mark of an encoding."""
    return next((mark for mark, marked in _BOMS if marked == name), b"")


def known(name: str) -> str | None:
    """Python's name for a text encoding; None if it knows none of that name."""
    try:
        codec = codecs.lookup(name)
        "a".encode(codec.name)
    except (LookupError, ValueError):  # ValueError: a name with a NUL in it
        return None
    if not getattr(codec, "_is_text_encoding", True):
        return None
    return UTF8 if codec.name == "utf-8-sig" else codec.name


@cache
def is_streamed(name: str) -> bool:
    """Whether a file in this encoding is turned into UTF-8 before it is cut."""
    if name == UTF8:
        return False
    ascii_bytes = bytes(range(0x80))
    decoder = codecs.getincrementaldecoder(name)  # it gives nothing for the first of several bytes
    single = all(len(decoder("replace").decode(bytes([byte]))) == 1 for byte in range(0x100))
    return not single or ascii_bytes.decode(name, "replace") != ascii_bytes.decode("ascii")


def to_utf8(data: bytes, encoding: str) -> bytes | None:
    """``data`` in UTF-8; None if it is not valid."""
    if data.isascii():
        return data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return data if encoding == UTF8 else text.encode()


def streamed(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The chunks in UTF-8; what is not valid becomes broken UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(_MARK)
    for chunk in chunks:
        yield decoder.decode(chunk).encode(UTF8, "surrogatepass")
    yield decoder.decode(b"", final=True).encode(UTF8, "surrogatepass")


def complaint(what: str, encoding: str) -> str:
    """A sentence about something that is not valid in its encoding."""
    advice = (
        "; was the file saved in another encoding?" if encoding == UTF8 else ", as was declared or found."
    )
    return f"{what} is not valid {encoding.upper()}{advice}"
