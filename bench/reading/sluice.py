"""Read a file as Sluice's worker does, without its services."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from bench.reading.scoring import CRASH, Reading
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Instructions
from chalicelib.core.model import Dialect, Gap, Options, Reject, Source
from chalicelib.formats import format_of
from chalicelib.formats.interface import Detection
from chalicelib.reading.blocks import Block, cut_blocks
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.object_text import ObjectText
from chalicelib.service.detection import detect_dialect
from chalicelib.service.transform import transform

BLOCK_SIZE = 4 << 20  # bytes: SLUICE_BLOCK_SIZE
MAX_RECORD = 1 << 20  # bytes: SLUICE_MAX_RECORD_SIZE
_LIMITS = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)


@dataclass(frozen=True)
class _Memory:
    """An object in memory, as an ObjectStore."""

    data: bytes

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        return self.pin(bucket, key, version_id), self.data[:size]

    def is_current(self, source: Source) -> bool:
        return source == self.pin(source.bucket, source.key)

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        return Source(bucket, key, "etag", len(self.data), version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:  # noqa: ARG002 - there is one object
        return self.data[start:end]


def read(data: bytes, options: Options | None = None) -> Reading:
    """Return what Sluice makes of a file. An error that Sluice does not know is a failure of its own."""
    try:
        return _read(data, options or Options())
    except JobFailed as error:
        return Reading(frozenset(), 0, failure=error.code)
    except Exception as error:  # noqa: BLE001 - the other files do not depend on it
        trace = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{trace.filename}, line {trace.lineno}"
        return Reading(frozenset(), 0, failure=CRASH, dialect=f"{type(error).__name__}: {error} in {where}")


def _read(data: bytes, options: Options) -> Reading:
    store = _Memory(data)
    source = store.pin("bucket", "key")
    if not data:
        raise JobFailed("empty-file", "The file is empty.")
    detection = detect_dialect(store, source, Instructions(options=options), _LIMITS, "")
    dialect = detection.dialect
    rows: set[str] = set()
    rejects: list[Reject] = []
    warnings = {warning.code for warning in detection.warnings}
    accepted = 0
    for block in _blocks(store, source, detection):
        prepared = transform(block, dialect)
        rows.update(prepared.rows["record"].to_pylist())
        accepted += prepared.records - prepared.rejected
        rejects += [reject for reject in prepared.rejects for _ in range(reject.count)]
        warnings |= {warning.code for warning in prepared.warnings}
    return Reading(
        frozenset(rows),
        accepted,
        [reject.code for reject in rejects],
        [reject.message for reject in rejects],
        frozenset(warnings),
        "nothing-loaded" if rejects and not accepted else None,
        dialect.columns,
        _about(dialect),
    )


def _blocks(store: _Memory, source: Source, detection: Detection) -> Iterator[Block]:
    dialect = detection.dialect
    text = ObjectText(store, source, dialect, _LIMITS)
    return cut_blocks(
        text.stream(dialect.data_start, None),
        Gap(0, source.size if text.is_plain else None),
        data_start=dialect.data_start,
        block_size=BLOCK_SIZE,
        framing=format_of(dialect).framing(dialect, MAX_RECORD, to_end=True),
    )


def _about(dialect: Dialect) -> str:
    return (
        f"delimiter {dialect.delimiter!r}, quote {dialect.quote!r}, escape {dialect.escape!r}, "
        f"columns {list(dialect.columns)[:6]}, data from line {dialect.data_line}"
    )
