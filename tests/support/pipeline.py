"""Takes bytes through detection, cutting and the pipeline as an ingestion does, without a database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.jobs import Instructions, Job
from chalicelib.core.model import Dialect, Format, Gap, Options, Source
from chalicelib.core.warnings import FileWarning, JobWarning
from chalicelib.formats import format_of
from chalicelib.formats.interface import Batch, Detection, Location, Rejection
from chalicelib.reading.blocks import cut_blocks
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.object_text import Chunk, ObjectText
from chalicelib.rows import canonical, nested
from chalicelib.rows.canonical import RecordRejected
from chalicelib.service.detection import detect_dialect
from chalicelib.service.transform import transform
from tests.support.fakes import MemoryStore, job_warnings

_LIMITS = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)


def look(head: bytes, declared: Format | None = None, **options: Any) -> Dialect:
    """Detect the dialect of an object with that content."""
    return detect(head, declared, **options).dialect


def detect(
    head: bytes,
    declared: Format | None = None,
    *,
    filename: str = "",
    parent: Job | None = None,
    **options: Any,
) -> Detection:
    """Detect the dialect of an object with that content; return it with the warnings."""
    instructions = Instructions(declared, Options(**options))
    source = _source(head)
    return detect_dialect(MemoryStore(head, "e"), source, instructions, _LIMITS, filename, parent=parent)


def _source(data: bytes) -> Source:
    return Source("bucket", "key", "e", len(data))


def read_file(
    data: bytes, declared: Format | None = None, *, parent: Job | None = None, **options: Any
) -> "Outcome":
    """Detect the dialect of a file, compressed or not, and read it; the warnings include the detection's."""
    detection = detect(data, declared, parent=parent, **options)
    text = ObjectText(MemoryStore(data, "e"), _source(data), detection.dialect, _LIMITS)
    chunks = list(text.stream(0, None))
    told = chunks[-1].warnings if chunks else ()
    found = outcome(b"".join(chunk.data for chunk in chunks), detection.dialect, told=told)
    return replace(found, warnings=job_warnings(detection.warnings, found.blocks))


@dataclass
class Outcome:
    """The outcome of a file."""

    records: set[str]  # canonical
    accepted: int  # records that became one of those
    rejects: list[tuple[str, int]] = field(compare=False)  # code, offset; of several that are alike the first
    rejected: int  # records
    runs: list[tuple[str, int]]  # the first of the rejects of one code that follow each other
    blocks: list[PreparedBlock] = field(default_factory=list, compare=False)
    warnings: tuple[JobWarning, ...] = ()  # one for each code, summed over the blocks


def outcome(  # noqa: PLR0913 - the text, and how it comes
    data: bytes,
    dialect: Dialect,
    *,
    block_size: int = 1 << 20,
    chunk: int = 1 << 20,
    max_record: int = 1 << 20,
    told: tuple[FileWarning, ...] = (),
    erased: ErasedValues | None = None,
) -> Outcome:
    """Cut and transform the data, and check what must hold for all blocks.

    ``told``: the warnings of the end of the text.
    """

    def chunks() -> Iterator[Chunk]:
        for start in range(dialect.data_start, len(data), chunk):
            yield Chunk(data[start : start + chunk])
        yield Chunk(b"", warnings=told)

    gap = Gap(0, len(data))
    blocks = [
        transform(block, dialect, erased=erased)
        for block in cut_blocks(
            chunks(),
            gap,
            data_start=dialect.data_start,
            data_line=dialect.data_line or 0,
            block_size=block_size,
            framing=format_of(dialect).framing(dialect, max_record, to_end=True),
        )
    ]
    position = 0
    for block in blocks:
        assert block.start == position < block.end
        rejected = sum(reject.count for reject in block.rejects)
        assert block.records == len(block.rows) + block.repeats + rejected
        assert block.rejected == rejected
        assert [reject.record for reject in block.rejects] == sorted(
            {reject.record for reject in block.rejects}
        )
        position = block.end
    assert position == len(data)
    assert len({block.no for block in blocks}) == len(blocks)
    rejects = [(reject.code, reject.offset) for block in blocks for reject in block.rejects]
    records = {record for block in blocks for record in block.rows["record"].to_pylist()}
    accepted = sum(len(block.rows) + block.repeats for block in blocks)
    rejected = sum(block.rejected for block in blocks)
    return Outcome(records, accepted, rejects, rejected, runs(rejects), blocks, job_warnings((), blocks))


def runs(rejects: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the first of the rejects of one code that follow each other.

    Those of records that are alike are one reject, unless a block ends between them.
    """
    return [next(alike) for _, alike in groupby(rejects, key=itemgetter(0))]


@dataclass
class Printed:
    """A batch of JSON records."""

    records: list[str]  # canonical, in file order
    rejects: list[tuple[Rejection, Location]]  # in file order


def print_batch(batch: Batch) -> Printed:
    """Print a batch of JSON records, and check that each of them is accounted for once."""
    texts: dict[int, str] = {}
    if batch.table is not None:
        ordinals = batch.table_ordinals().to_pylist()
        texts = dict(zip(ordinals, nested.records(batch.table).to_pylist(), strict=True))
    rejections = list(batch.rejections)
    for ordinal in batch.singles:
        try:
            texts[ordinal] = canonical.record(batch.value(ordinal))
        except RecordRejected as rejected:
            rejections.append(Rejection(ordinal, rejected.code, str(rejected)))
    rejections.sort(key=lambda rejection: rejection.ordinal)
    rejected_ordinals = [rejection.ordinal for rejection in rejections]
    assert len({*texts, *rejected_ordinals}) == len(texts) + len(rejected_ordinals)
    assert len(texts) + sum(rejection.repeats + 1 for rejection in rejections) == batch.records
    locations = batch.locate(rejected_ordinals)
    return Printed(
        [texts[ordinal] for ordinal in sorted(texts)], list(zip(rejections, locations, strict=True))
    )
