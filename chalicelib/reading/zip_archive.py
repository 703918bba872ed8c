"""Zip archives: find the one file that counts, and decompress it."""

import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
from chalicelib.reading.bounded import Decompressor, Portions, check_window, decompressed
from chalicelib.reading.excerpts import printable, printable_bytes
from chalicelib.reading.members import Inflater
from chalicelib.reading.pieces import between
from chalicelib.reading.zip_directory import DamagedError, Directory, Entry, read_directory

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the latter: an archive without files
_MOST_NAMES = 3  # in a message
_LONGEST_NAME = 60  # characters in a message
_EXCERPT = 20  # bytes

_HEADER = struct.Struct("<4s22xHH")  # of a file: magic, the lengths of its name and its extra fields
_HEADER_MAGIC = b"PK\x03\x04"
_ENCRYPTED = 1  # a flag
_STORED, _DEFLATE, _BZIP2, _LZMA, _AES = 0, 8, 12, 14, 99
_LZMA_HEAD = 9  # bytes before the packed data
_OTHER_METHODS = {
    1: "Shrink",
    2: "Reduce",
    3: "Reduce",
    4: "Reduce",
    5: "Reduce",
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE DCL Implode",
    18: "IBM TERSE",
    19: "IBM LZ77",
    93: "Zstandard",
    95: "XZ",
    94: "MP3",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}

# What operating systems and their file managers put beside files, in lower case
_EXTRA_NAMES = {
    *(".ds_store", ".localized", "icon\r"),  # macOS
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),  # Windows
    ".directory",  # KDE
}
_EXTRA_FOLDERS = {"__macosx", ".spotlight-v100", ".trashes", ".fseventsd", "@eadir", "$recycle.bin"}

_DOCUMENTS = (  # (names in the archive, what the file is)
    (r"xl/.*", "an Excel workbook. Save the sheet as CSV UTF-8 and upload that"),
    (r"word/.*", "a Word document. Upload the data as CSV or JSON"),
    (r"\[Content_Types\]\.xml", "an Office document. Upload the data as CSV or JSON"),
    (r"content\.xml", "an OpenDocument file. Save the sheet as CSV and upload that"),
    (r"Index/Document\.iwa", "an iWork document. Export the sheet as CSV and upload that"),
)


def is_zip(head: bytes) -> bool:
    """Return whether a file with that head is a zip archive."""
    return head.startswith(_MAGIC)


def content(
    size: int, read: Callable[[int, int], Iterator[bytes]], tell: Callable[[FileWarning], None]
) -> Iterator[bytes]:
    """Yield the content of the one file in an archive in pieces of up to MOST_OUT bytes; some are empty.

    ``read(start, end)`` yields bytes of the archive, which has ``size`` bytes. ``tell`` is called with what
    was passed over. Raises JobFailed if other than one file counts, or that one is encrypted, packed in a way
    that Sluice does not read, or needs too much memory; DamagedError, EOFError, and the errors of the
    decompressors.
    """
    directory = read_directory(size, read)
    files = [entry for entry in directory.entries if not entry.is_folder]
    _refuse_documents([entry.name for entry in files])
    entry, extras = _choose(files)
    _check_method(entry)
    if extras:
        tell(FileWarning("archive-extras", len(extras), 0, _names(extras)))
    if blanks := directory.blanks:
        tell(FileWarning("bytes-after-archive", len(blanks), 0, printable_bytes(blanks, _EXCERPT)))
    yield from _checked(_unpacked(_packed(entry, directory, read), entry), entry)


def _refuse_documents(names: Sequence[str]) -> None:
    if "[Content_Types].xml" not in names and "mimetype" not in names and "Index/Document.iwa" not in names:
        return
    for pattern, sentence in _DOCUMENTS:
        if any(re.fullmatch(pattern, name) for name in names):
            raise JobFailed("unsupported-format", f"The file is {sentence}.")


def _choose(entries: Sequence[Entry]) -> tuple[Entry, list[Entry]]:
    """Return the file that counts, and those that do not: an empty one does not if another has content."""
    files = [entry for entry in entries if not _is_extra(entry.name)]
    files = [entry for entry in files if entry.size] or files
    if not files:
        raise JobFailed("unsupported-format", "The zip archive holds no file of data.")
    if len(files) > 1:
        raise JobFailed(
            "unsupported-format",
            f"The zip archive holds {len(files):,} files: {_names(files)}. Upload each on its own.",
        )
    return files[0], [entry for entry in entries if entry is not files[0]]


def _is_extra(name: str) -> bool:
    *folders, base = re.split(r"[/\\]", name.lower())
    return base in _EXTRA_NAMES or base.startswith("._") or not _EXTRA_FOLDERS.isdisjoint(folders)


def _names(entries: Sequence[Entry]) -> str:
    names = [printable(entry.name, _LONGEST_NAME) for entry in entries[:_MOST_NAMES]]
    return ", ".join([*names, *(["…"] if len(entries) > _MOST_NAMES else [])])


def _check_method(entry: Entry) -> None:
    """Raise JobFailed for a file that is encrypted or packed in a way that Sluice does not read."""
    if entry.flags & _ENCRYPTED or entry.method == _AES:
        raise JobFailed(
            "unsupported-format",
            f"The zip archive is encrypted: {_names([entry])}. Upload the file itself.",
        )
    if entry.method not in (_STORED, _DEFLATE, _BZIP2, _LZMA):
        name = _OTHER_METHODS.get(entry.method, f"method {entry.method}")
        raise JobFailed(
            "unsupported-compression",
            f"{_names([entry])} is packed with {name} in the zip archive, which Sluice does not read. "
            "Pack it with Deflate, or upload the file itself, as it is or compressed with gzip or zstd.",
        )


def _packed(
    entry: Entry, directory: Directory, read: Callable[[int, int], Iterator[bytes]]
) -> Iterator[bytes]:
    """Yield the packed bytes of a file. Raises DamagedError."""
    start = entry.offset
    following = min(
        (other.offset for other in directory.entries if other is not entry and other.offset >= start),
        default=directory.start,
    )
    end = min(following, directory.start)
    file = Portions(read(start, end)) if start < end else Portions(iter(()))
    header = file.look(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_HEADER_MAGIC):
        raise DamagedError("the file is not where the directory says")
    _, name_size, extra_size = _HEADER.unpack(header)
    length = _HEADER.size + name_size + extra_size
    if file.look(length)[_HEADER.size : _HEADER.size + name_size] != entry.raw_name:
        raise DamagedError("the file has another name in the directory")
    if start + length + entry.packed_size > end:
        raise DamagedError("the file reaches into what follows it")
    return between(file.rest(), length, length + entry.packed_size)


def _unpacked(packed: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    """Yield the content of a file. It may be longer than the directory says, but only by a few bytes."""
    if entry.method == _STORED:
        yield from packed
        return
    file = Portions(packed)
    decompressor: Decompressor
    if entry.method == _DEFLATE:
        decompressor = Inflater(raw=True)
    elif entry.method == _BZIP2:
        decompressor = bz2.BZ2Decompressor()
    else:
        yield from decompressed(_lzma(file), file, entry.size)  # its end need not be marked
        return
    yield from decompressed(decompressor, file, entry.size + 1)


def _lzma(file: Portions) -> lzma.LZMADecompressor:
    """Return a decompressor by the properties that stand before the packed bytes, and take those off."""
    head = file.look(_LZMA_HEAD)  # version, length of the properties, properties
    if len(head) < _LZMA_HEAD or head[2:4] != b"\5\0" or head[4] >= 9 * 5 * 5:
        raise DamagedError("the properties of its compression are wrong")
    file.take(len(head))
    window = int.from_bytes(head[5:], "little")
    check_window(window)
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    properties = {"id": lzma.FILTER_LZMA1, "dict_size": window, "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties])


def _checked(pieces: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    """Yield the pieces. Raises DamagedError if they are not what the directory says."""
    crc = size = 0
    for piece in pieces:
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        if size > entry.size:
            break
        yield piece
    if size != entry.size:
        raise DamagedError(f"the directory says that the file has {entry.size:,} bytes")
    if crc != entry.crc:
        raise DamagedError("its checksum is wrong")
