"""File formats, each a package behind :class:`chalicelib.formats.interface.FileFormat`.

A new format is a package with a class of that interface, a line in FORMATS, and its name in
:class:`chalicelib.core.model.Format`. Members of a dialect that only this format has are listed beside that.
"""

from pathlib import PurePosixPath

from chalicelib.core.model import Dialect, Format, Options
from chalicelib.formats.csv.format import CsvFormat
from chalicelib.formats.interface import FileFormat
from chalicelib.formats.json.format import JsonFormat
from chalicelib.formats.ndjson.format import NdjsonFormat
from chalicelib.reading.head import Head

FORMATS: tuple[FileFormat, ...] = (  # in the order in which they are tried on a file
    NdjsonFormat(),
    JsonFormat(),
    CsvFormat(),
)

_COMPRESSED = ("gz", "bz2", "xz", "zst", "zip")


def format_named(name: Format) -> FileFormat:
    """Return the format of that name."""
    return next(file_format for file_format in FORMATS if file_format.name is name)


def format_of(dialect: Dialect) -> FileFormat:
    """Return the format of files of that dialect."""
    return format_named(dialect.format)


def recognise(head: Head, options: Options, filename: str) -> FileFormat:
    """Return the first format that recognises the head. CSV recognises every head that no other does."""
    extension = extension_of(filename)
    return next(file_format for file_format in FORMATS if file_format.recognise(head, options, extension))


def extension_of(filename: str) -> str:
    """Return the extension of a file name, in lower case and without its dot; not that of a compression."""
    suffixes = [suffix[1:].lower() for suffix in PurePosixPath(filename).suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
