"""Zip archives: find the one file that counts, and decompress it."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence

from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
from chalicelib.reading.excerpts import printable

_PIECE = 4 << 20  # bytes that are decompressed at a time
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the latter: an archive without files
_MOST_NAMES = 3  # in a message
_LONGEST_NAME = 60  # characters in a message

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
    size: int, read: Callable[[int, int], bytes], tell: Callable[[FileWarning], None]
) -> Iterator[bytes]:
    """Yield the content of the one file in an archive in pieces of up to 4 MiB.

    ``read(start, end)`` returns bytes of the archive, which has ``size`` bytes. ``tell`` is called with the
    files that were passed over. Raises JobFailed if other than one file counts, or that one is encrypted.
    """
    archive = zipfile.ZipFile(io.BufferedReader(_RandomAccessFile(size, read), _PIECE))
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _refuse_documents([entry.filename for entry in entries])
    member, extras = _choose(entries)
    if member.flag_bits & 1:
        raise JobFailed(
            "unsupported-format",
            f"The zip archive is encrypted: {_names([member])}. Upload the file itself.",
        )
    if extras:
        tell(FileWarning("archive-extras", len(extras), 0, _names(extras)))
    with archive.open(member) as file:
        while piece := file.read(_PIECE):
            yield piece


def _refuse_documents(names: Sequence[str]) -> None:
    if "[Content_Types].xml" not in names and "mimetype" not in names and "Index/Document.iwa" not in names:
        return
    for pattern, sentence in _DOCUMENTS:
        if any(re.fullmatch(pattern, name) for name in names):
            raise JobFailed("unsupported-format", f"The file is {sentence}.")


def _choose(entries: Sequence[zipfile.ZipInfo]) -> tuple[zipfile.ZipInfo, list[zipfile.ZipInfo]]:
    """Return the file that counts, and those that do not: an empty one does not if another has content."""
    files = [entry for entry in entries if not _is_extra(entry.filename)]
    files = [entry for entry in files if entry.file_size] or files
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


def _names(entries: Sequence[zipfile.ZipInfo]) -> str:
    names = [printable(entry.filename, _LONGEST_NAME) for entry in entries[:_MOST_NAMES]]
    return ", ".join([*names, *(["…"] if len(entries) > _MOST_NAMES else [])])


class _RandomAccessFile(io.RawIOBase):
    """A seekable file over a function that reads ranges of it."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._read, self._at = size, read, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, target: memoryview, /) -> int:  # type: ignore[override]
        end = min(self._at + len(target), self._size)
        if end <= self._at:
            return 0
        data = self._read(self._at, end)
        target[: len(data)] = data
        self._at = end
        return len(data)
