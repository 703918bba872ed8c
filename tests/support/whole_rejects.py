"""Rejected records, whole, as those who read the object again find them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from chalicelib.core.model import Dialect, Gap, Place, WholeReject
from chalicelib.formats import format_of
from chalicelib.reading.blocks import RejectedRecord, cut_blocks
from chalicelib.reading.object_text import Chunk
from chalicelib.service.rejects_text import rejects_text
from tests.support.jobs import new_job
from tests.support.pipeline import outcome

JOB = UUID("73a3eb48-477f-4fcb-bd18-1865d0026c05")
MAX_RECORD = 1 << 20

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def whole_rejects(data: bytes, dialect: Dialect, *, max_record: int = MAX_RECORD) -> list[WholeReject]:
    """Return the rejects of a text."""
    raws = dict(raw_records(data, dialect, max_record))
    found, records, lines = [], 0, 0
    for block in outcome(data, dialect, max_record=max_record).blocks:
        for it in block.rejects:
            place = Place(
                it.offset, records + it.record + 1, lines + it.line + 1 if it.line is not None else None
            )
            found.append(WholeReject(it.code, it.message, it.field, place, raws[it.offset]))
        records, lines = records + block.records, lines + (block.lines or 0)
    return found


def raw_records(data: bytes, dialect: Dialect, max_record: int = MAX_RECORD) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the bytes of each record."""
    blocks = cut_blocks(
        iter([Chunk(data[dialect.data_start :])]),
        Gap(0, len(data)),
        data_start=dialect.data_start,
        data_line=dialect.data_line or 0,
        block_size=1 << 20,
        framing=format_of(dialect).framing(dialect, max_record, to_end=True),
    )
    text = replace(dialect, encoding="utf-8") if dialect.transcoded else dialect
    for block in blocks:
        for segment in block.segments:
            if isinstance(segment, RejectedRecord):
                line = _LINE.match(data, segment.offset)
                yield segment.offset, line[0] if line else segment.raw
                continue
            for batch in format_of(dialect).decode(segment, text):
                for location in batch.locate(range(batch.records)):
                    yield location.offset, location.raw


def rejects_file(data: bytes, dialect: Dialect, *, max_record: int = MAX_RECORD) -> bytes:
    """Return the file of a text's rejects."""
    rejects = whole_rejects(data, dialect, max_record=max_record)
    return b"".join(rejects_text(new_job(id=JOB), dialect, rejects, longest=max_record))
