"""Detects how to read a file, from the head of its object."""

from chalicelib import formats
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect, Format, Options, Source
from chalicelib.reading.compression import Limits
from chalicelib.reading.head import read_head
from chalicelib.reading.object_store import ObjectStore


def detect_dialect(
    store: ObjectStore, source: Source, declared_format: Format | None, options: Options, limits: Limits
) -> Dialect:
    """Return the dialect of an object. A declared format and the options override detection.

    Raises JobFailed for a file that cannot be read, and what the store raises.
    """
    head = read_head(store, source, options, limits)
    if head.is_blank_file:
        raise JobFailed("empty-file", "The file holds nothing but white space.")
    form = formats.recognise(head) if declared_format is None else formats.format_named(declared_format)
    return form.read_dialect(head, options)
