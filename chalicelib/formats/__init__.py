"""File formats, each a package behind :class:`chalicelib.formats.interface.FileFormat`.

A new format is a package with a class of that interface, a line in FORMATS, and its name in
:class:`chalicelib.core.model.Format`. Members of a dialect that only this format has are listed beside that.
"""

from chalicelib.core.model import Dialect, Format
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


def format_named(name: Format) -> FileFormat:
    """Return the format of that name."""
    return next(file_format for file_format in FORMATS if file_format.name is name)


def format_of(dialect: Dialect) -> FileFormat:
    """Return the format of files of that dialect."""
    return format_named(dialect.format)


def recognise(head: Head) -> FileFormat:
    """Return the first format that recognises the head. CSV recognises every head that no other does."""
    return next(file_format for file_format in FORMATS if file_format.recognise(head))
