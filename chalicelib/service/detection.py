"""Detect the dialect of a file from the head of its object."""

from contextlib import closing

from chalicelib import formats
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Instructions
from chalicelib.core.model import Source
from chalicelib.formats.interface import Detection
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.head import HEAD_SIZE, read_head
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import ObjectText
from chalicelib.reading.signatures import refuse_markup


def detect_dialect(
    store: ObjectStore,
    source: Source,
    declared: Instructions,
    limits: DecompressionLimits,
    filename: str,
) -> Detection:
    """Return the dialect of an object, and what was assumed about it.

    A declared format and the options override detection. The file's name counts where the head may be read
    in two ways.

    Raises JobFailed for a file that cannot be read, and the errors of the store.
    """
    options = declared.options
    head = read_head(store, source, options, limits)
    if head.is_blank_file:
        raise JobFailed("empty-file", "The file holds nothing but white space.")
    if declared.format is None:
        refuse_markup(head.text)
        file_format = formats.recognise(head, options, filename)
    else:
        file_format = formats.format_named(declared.format)
    detection = file_format.read_dialect(head, options)
    dialect = detection.dialect
    if detection.finish is not None:
        text = ObjectText(store, source, dialect, limits, read_size=HEAD_SIZE)
        with closing(text.stream(dialect.data_start, None)) as chunks:
            dialect = detection.finish(chunk.data for chunk in chunks)
    warnings = (*head.warnings, *detection.warnings)
    return Detection(dialect, warnings, runner_up=detection.runner_up)
