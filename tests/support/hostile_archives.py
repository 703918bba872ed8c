"""Compressed files that are made to cost much: shapes by codecs, of about a given size in bytes.

``FILES`` has files whose cost must stay in proportion to their size. ``BOMBS`` has small files with much
content: their size is that of the content.
"""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa

LINE = b"1,2\n"
_METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
_PIECE = 1 << 20


def zstd(data: bytes) -> bytes:
    """Return one frame of zstd."""
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


def repeated(unit: bytes, size: int) -> bytes:
    """Return as many of the units as ``size`` bytes hold, at least one."""
    return unit * max(size // len(unit), 1)


def empty_members(kind: str, size: int) -> bytes:
    """Return members without content."""
    return repeated(COMPRESS[kind](b""), size)


def small_members(kind: str, size: int) -> bytes:
    """Return members with a line each."""
    return repeated(COMPRESS[kind](LINE), size)


def spaced_members(kind: str, size: int) -> bytes:
    """Return members without content, with a blank behind each."""
    return repeated(COMPRESS[kind](b"") + b"\n", size)


def blanks_behind(kind: str, size: int) -> bytes:
    """Return one member, and blanks."""
    return COMPRESS[kind](LINE) + b" " * size


def skipped_frames(size: int) -> bytes:
    """Return frames of zstd that are to be skipped, and one with a line."""
    return repeated(b"\x50\x2a\x4d\x18" + bytes(4), size) + zstd(LINE)


def zstd_of_blocks(block: bytes, size: int) -> bytes:
    """Return one frame with that block over and over; the last one is empty."""
    return b"\x28\xb5\x2f\xfd\x00\x58" + repeated(block, size) + b"\1\0\0"


def long_header(size: int) -> bytes:
    """Return a gzip member with a file's name of ``size`` bytes."""
    plain = gzip.compress(LINE)
    return plain[:3] + b"\x08" + plain[4:10] + b"x" * size + b"\0" + plain[10:]


def empty_blocks(size: int) -> bytes:
    """Return a gzip member of blocks without content."""
    head = b"\x1f\x8b\x08" + bytes(7)
    return head + repeated(b"\0\0\0\xff\xff", size) + b"\1\0\0\xff\xff" + bytes(8)


def zip_of(*names: str, content: bytes = LINE, method: str = "deflate", comment: bytes = b"") -> bytes:
    """Return an archive of files with that content."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", _METHODS[method]) as archive:
        archive.comment = comment
        for name in names:
            archive.writestr(name, content)
    return target.getvalue()


def zip_of_entries(name: str, size: int) -> bytes:
    """Return an archive of ``size`` bytes with very many empty entries of that name."""
    local = struct.pack("<4s2xHHLLLLHH", b"PK\3\4", 0, 0, 0, 0, 0, 0, len(name), 0) + name.encode()
    entry = zip_entry(name)
    count = max(size // len(entry), 1)
    return local + entry * count + zip_end(count, len(entry) * count, len(local))


def zip_entry(name: str, *, size: int = 0, offset: int = 0, method: int = 0, flags: int = 0) -> bytes:
    """Return an entry of a directory."""
    header = struct.pack(
        "<4s4xHH4xLLLHHHHHLL", b"PK\1\2", flags, method, 0, size, size, len(name), 0, 0, 0, 0, 0, offset
    )
    return header + name.encode()


def zip_end(entries: int, size: int, start: int, comment: bytes = b"") -> bytes:
    """Return the end of an archive, with numbers of 64 bits if there are many entries."""
    if entries < 1 << 16:
        return struct.pack("<4s4xHHLLH", b"PK\5\6", entries, entries, size, start, len(comment)) + comment
    large = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
    none = 0xFFFF_FFFF
    return large + locator + struct.pack("<4s4xHHLLH", b"PK\5\6", 0xFFFF, 0xFFFF, none, none, 0)


def xz_with_window(content: bytes, window: int) -> bytes:
    """Return content that says it needs a window of that size."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": window}]
    return lzma.compress(content, filters=filters)


def zstd_with_window(exponent: int) -> bytes:
    """Return a frame with a line that says it needs a window of ``2 ** exponent`` bytes."""
    block = (len(LINE) << 3 | 1).to_bytes(3, "little") + LINE
    return b"\x28\xb5\x2f\xfd\x00" + bytes([exponent - 10 << 3]) + block


def bomb(kind: str, unit: bytes, size: int, begin: bytes = b"") -> bytes:
    """Return ``size`` bytes of content behind its beginning, a unit over and over.

    ``kind``: a codec, or `zip-` and a method.
    """
    pieces = chain([begin], _pieces(unit, size))
    if kind.startswith("zip-"):
        target = io.BytesIO()
        with (
            zipfile.ZipFile(target, "w", _METHODS[kind.removeprefix("zip-")]) as archive,
            archive.open("a.csv", "w", force_zip64=True) as file,
        ):
            for piece in pieces:
                file.write(piece)
        return target.getvalue()
    if kind == "zstd":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            for piece in pieces:
                stream.write(piece)
        return bytes(sink.getvalue())
    encoders: dict[str, Callable[[], Any]] = {
        "gzip": lambda: zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16),
        "bzip2": bz2.BZ2Compressor,
        "xz": lzma.LZMACompressor,
    }
    encoder = encoders[kind]()
    return b"".join([*(encoder.compress(piece) for piece in pieces), encoder.flush()])


def _pieces(unit: bytes, size: int) -> Iterator[bytes]:
    piece = repeated(unit, _PIECE)
    for start in range(0, size, len(piece)):
        yield piece[: size - start]


def _of(make: Callable[[str, int], bytes], kind: str) -> Callable[[int], bytes]:
    return lambda size: make(kind, size)


FILES: dict[str, Callable[[int], bytes]] = {
    **{
        f"{kind}, {name}": _of(make, kind)
        for kind in COMPRESS
        for name, make in {
            "empty members": empty_members,
            "small members": small_members,
            "spaced members": spaced_members,
            "blanks behind": blanks_behind,
        }.items()
    },
    "gzip, long header": long_header,
    "gzip, empty blocks": empty_blocks,
    "zstd, skipped frames": skipped_frames,
    "zstd, empty blocks": lambda size: zstd_of_blocks(bytes(3), size),
    "zstd, blocks of a byte": lambda size: zstd_of_blocks(b"\x0a\0\0x", size),
    "zip, folders": lambda size: zip_of_entries("f/", size),
    "zip, extras": lambda size: zip_of_entries("._x", size),
}
BOMBS: dict[str, Callable[[int], bytes]] = {
    f"{kind}, {name}": (lambda size, kind=kind, unit=unit: bomb(kind, unit, size))  # type: ignore[misc]
    for kind in (*COMPRESS, "zip-deflate", "zip-bzip2", "zip-lzma")
    for name, unit in {"blanks": b" ", "one line": b"x", "lines": LINE}.items()
}
