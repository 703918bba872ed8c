"""Detect the dialect of a file from the head of its object."""

from chalicelib import formats
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Format, Options, Source
from chalicelib.formats.interface import Detection
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.head import read_head
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.signatures import refuse_markup


def detect_dialect(
    store: ObjectStore,
    source: Source,
    declared_format: Format | None,
    options: Options,
    limits: DecompressionLimits,
) -> Detection:
    """Return the dialect of an object, and what was assumed about it.

    A declared format and the options override detection.

    Raises JobFailed for a file that cannot be read, and the errors of the store.
    """
    head = read_head(store, source, options, limits)
    if head.is_blank_file:
        raise JobFailed("empty-file", "The file holds nothing but white space.")
    if declared_format is None:
        refuse_markup(head.text)
        file_format = formats.recognise(head)
    else:
        file_format = formats.format_named(declared_format)
    dialect, warnings = file_format.read_dialect(head, options)
    return Detection(dialect, (*head.warnings, *warnings))
