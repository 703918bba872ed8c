"""Runs bytes through the steps as an ingestion does, without a store or a database."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.blocks import LoadedBlock
from chalicelib.core.model import Dialect, Format, Gap, Options, Source
from chalicelib.reading.blocks import cut
from chalicelib.reading.compression import Limits
from chalicelib.reading.object_text import opened
from chalicelib.service.transform import framing, transform
from tests.support.fakes import MemoryStore


def look(head: bytes, declared: Format | None = None, **options: Any) -> Dialect:
    """What is found at the head of such an object."""
    limits = Limits(size=1 << 30, ratio=1000, seconds=60)
    source = Source("bucket", "key", "e", len(head))
    return opened(MemoryStore(head, "e"), source, declared, Options(**options), limits)


@dataclass
class Outcome:
    """What became of a file."""

    records: set[str]  # canonical
    accepted: int  # how many records became one of those
    rejects: list[tuple[str, int]]  # code, byte offset
    blocks: list[LoadedBlock] = field(default_factory=list, compare=False)


def outcome(
    data: bytes,
    dialect: Dialect,
    *,
    block_size: int = 1 << 20,
    chunk: int = 1 << 20,
    max_record: int = 1 << 20,
) -> Outcome:
    """Cuts and transforms the data, and checks on the way what must hold of any blocks."""

    def chunks() -> Iterator[bytes]:
        for start in range(dialect.data_start, len(data), chunk):
            yield data[start : start + chunk]

    gap = Gap(0, len(data))
    blocks = [
        transform(block, dialect)
        for block in cut(
            chunks(),
            gap,
            data_start=dialect.data_start,
            block_size=block_size,
            framing=framing(dialect, max_record, to_end=True),
        )
    ]
    position = 0
    for block in blocks:
        assert block.start == position < block.end
        assert block.records == len(block.rows) + block.repeated + len(block.rejects)
        assert [reject.record for reject in block.rejects] == sorted({it.record for it in block.rejects})
        position = block.end
    assert position == len(data)
    assert len({block.no for block in blocks}) == len(blocks)
    rejects = [(reject.code, reject.offset) for block in blocks for reject in block.rejects]
    records = {record for block in blocks for record in block.rows["record"].to_pylist()}
    accepted = sum(len(block.rows) + block.repeated for block in blocks)
    return Outcome(records, accepted, rejects, blocks)
