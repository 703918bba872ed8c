"""Detect the dialect of a file from the head of its object."""

import codecs
import re
from contextlib import closing, suppress
from dataclasses import replace

from chalicelib import formats
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Instructions, Job
from chalicelib.core.model import Dialect, Options, Source
from chalicelib.core.warnings import FileWarning
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.formats.csv.rejects_file import WARNING, AddedColumns, as_rejects_file, find_marker
from chalicelib.formats.interface import Detection
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.head import HEAD_SIZE, Head, read_head
from chalicelib.reading.lines import count_lines
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import ObjectText
from chalicelib.reading.patterns import repeated
from chalicelib.reading.pieces import sliced
from chalicelib.reading.signatures import refuse_markup
from chalicelib.rows.formulas import APOSTROPHE, unescape
from chalicelib.rows.text import excerpt

_APOSTROPHES_KEPT = "apostrophes-kept"
_LOOKED_AT = 1000  # records
_AT_A_TIME = 256 << 10  # bytes of a text that is looked through beyond its head

# The beginning of a line of `rejects.ndjson`.
_JSON_REJECT = re.compile(
    rb'\{"_reason": "' + repeated(rb'[^"\\]++|\\.') + rb'", "_code": "[a-z-]*", "_line": (?:null|[0-9]+), '
    rb'"_record_number": (?:null|[0-9]+), "(?:record|_raw)": '
)


def detect_dialect(  # noqa: PLR0913 - the object, and what is known of it
    store: ObjectStore,
    source: Source,
    declared: Instructions,
    limits: DecompressionLimits,
    filename: str,
    *,
    parent: Job | None = None,
) -> Detection:
    """Return the dialect of an object, and what was assumed about it.

    A declared format and the options override detection. The file's name counts where the head may be read
    in two ways. ``parent``: the job whose rejects the file holds.

    Raises JobFailed for a file that cannot be read, and the errors of the store.
    """
    options = declared.options
    head = _read_head(store, source, options, limits)
    if head.is_blank_file:
        raise JobFailed("empty-file", "The file has only white space.")
    if declared.format is not None:
        file_format = formats.format_named(declared.format)
    elif find_marker(head.data, head.start) is not None:
        file_format = next(it for it in formats.FORMATS if it.is_flat)
    else:
        _refuse_json_rejects(head.text)
        refuse_markup(head.text)
        file_format = formats.recognise(head, options, filename)
    detection = file_format.read_dialect(head, options)
    dialect = detection.dialect
    if detection.finish is not None:
        text = ObjectText(store, source, dialect, limits, read_size=HEAD_SIZE)
        with closing(text.stream(dialect.data_start, None)) as chunks:
            dialect = detection.finish(sliced((chunk.data for chunk in chunks), _AT_A_TIME))
    warnings = (*head.warnings, *detection.warnings)
    found = Detection(dialect, warnings, runner_up=detection.runner_up)
    return found if parent is None else _as_correction(found, head, parent)


def _refuse_json_rejects(text: bytes) -> None:
    """Raise JobFailed for a file `rejects.ndjson`, whose lines are not records."""
    if _JSON_REJECT.match(text):
        raise JobFailed(
            "unsupported-format",
            "The file holds rejected records with their reasons. Upload only the corrected records, "
            "or declare the format if the lines are to be loaded as they are.",
        )


def _read_head(store: ObjectStore, source: Source, options: Options, limits: DecompressionLimits) -> Head:
    """Return the head of the object, in the declared encoding.

    Of a rejects file, whose encoding is not that of its job's file, it is the encoding that its mark or its
    characters show.
    """
    if options.encoding is None:
        return read_head(store, source, options, limits)
    undeclared = replace(options, encoding=None)
    try:
        head = read_head(store, source, options, limits)
    except JobFailed:
        with suppress(JobFailed):
            own = read_head(store, source, undeclared, limits)
            if find_marker(own.data, own.start) is not None:
                return own
        raise
    has_marker = find_marker(head.data, head.start) is not None
    # read in an encoding that is not the file's own (UTF-16, EBCDIC), a marker does not count
    is_shown = not has_marker and head.transcoded and not head.bom
    if not is_shown and (not has_marker or head.data.isascii()):
        return head
    with suppress(JobFailed):
        own = read_head(store, source, undeclared, limits)
        if (is_shown or _is_utf8(own.data)) and find_marker(own.data, own.start) is not None:
            return own
    return head


def _is_utf8(data: bytes) -> bool:
    """Return whether the head of a text is valid UTF-8; a character at its end may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _first_apostrophe(dialect: Dialect, head: Head) -> FileWarning | None:
    """Return a warning about records of the head with values that look escaped; None if there are none."""
    grammar, data, at, line = grammar_of(dialect), head.data, dialect.data_start, dialect.data_line or 0
    count, first = 0, None
    for _ in range(_LOOKED_AT):
        match = grammar.last_record.match(data, at)
        if match is None or match.end() == at:
            break
        cells = (cell.decode(head.text_encoding, "replace") for cell in grammar.cells(match[0]))
        if APOSTROPHE.encode() in match[0] and any(unescape(cell) != cell for cell in cells):
            count += 1
            first = first or (at, line, match[0])
        line += count_lines(match[0])
        at = match.end()
    if first is None:
        return None
    offset, line, raw = first
    return FileWarning(_APOSTROPHES_KEPT, count, offset, excerpt(raw), line=line)


def _as_correction(detection: Detection, head: Head, parent: Job) -> Detection:
    """Return how a file is read that holds the rejects of ``parent``: its values like those of its file.

    Of a file without the marker, a column that Sluice adds to the rejects of that job shows that Sluice wrote
    it. These columns are dropped, and values unescaped; not so without any of them.
    """
    dialect, reading = detection.dialect, parent.reading
    if reading is None or not (dialect.format.is_table and reading.dialect.format.is_table):
        return detection
    warnings = detection.warnings
    added = AddedColumns.beside(reading.dialect.own_columns, parent.id)
    if not dialect.escaped and not set(added).isdisjoint(dialect.columns):
        dialect = as_rejects_file(dialect, added, None)
        example = excerpt(head.data[head.start : dialect.data_start])
        warnings = (*warnings, FileWarning(WARNING, 1, head.start, example, line=0))
    elif not dialect.escaped and (kept := _first_apostrophe(dialect, head)) is not None:
        warnings = (*warnings, kept)
    numeric = reading.dialect.decimal_columns
    if dialect.decimal_columns is not None and numeric is not None:
        columns = tuple(name for name in dialect.own_columns if name in numeric)
        dialect = replace(dialect, decimal_columns=columns)
    return detection._replace(dialect=dialect, warnings=warnings)
