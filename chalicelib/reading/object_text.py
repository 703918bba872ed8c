"""The text of an object as a stream: read by ranges, decompressed, transcoded to UTF-8 where that is needed.

Offsets count bytes of that text. A plain file in UTF-8 or a single-byte encoding is its own text and can be
read from any offset. Any other is read from its beginning, and the text before the requested bytes is
dropped.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.core.model import Dialect, Source
from chalicelib.core.warnings import FileWarning
from chalicelib.reading import compression, encodings
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.pieces import between
from chalicelib.reading.range_reads import READ_SIZE, read_ahead


class Chunk(NamedTuple):
    """Consecutive bytes of a text."""

    data: bytes
    source_offset: int | None = None  # how far the object had been read; None: the text is the object
    warnings: tuple[FileWarning, ...] = ()  # of the last chunk of a text: what was passed over in the object


@dataclass(frozen=True)
class ObjectText:
    """The text of an object, as the compression and the encoding of its dialect give it."""

    store: ObjectStore
    source: Source
    dialect: Dialect
    limits: compression.DecompressionLimits
    read_size: int = READ_SIZE  # bytes a request

    @property
    def is_plain(self) -> bool:
        """Whether the text is the object itself, so that its size is known beforehand."""
        return self.dialect.compression is None and not self.dialect.transcoded

    def stream(self, start: int, end: int | None) -> Generator[Chunk]:
        """Yield bytes ``[start, end)`` of the text, or all from ``start`` on if ``end`` is None.

        Only a stream without an ``end`` reads the object to its end, and tells what was passed over in it.
        Raises JobFailed for content that cannot be decompressed, Interrupted between pieces, and the errors
        of the store.
        """
        if self.is_plain:
            size = self.source.size
            return self._plain(start, size if end is None else min(end, size))
        reads = CountedReads(self.store, self.source, self.read_size)
        text = reads.content(self.dialect.compression, self.limits)
        if self.dialect.transcoded:
            mark = len(encodings.byte_order_mark(self.dialect.encoding)) if self.dialect.bom else 0
            text = encodings.transcode(between(text, mark, None), self.dialect.encoding)
        return _chunks(between(text, start, end), reads, whole=end is None)

    def _plain(self, start: int, end: int) -> Generator[Chunk]:
        with closing(read_ahead(self.store, self.source, start, end, size=self.read_size)) as pieces:
            yield from map(Chunk, pieces)  # a loop would keep each piece until the next is asked for


@dataclass
class CountedReads:
    """Read an object, count the bytes, and keep what was passed over in them."""

    store: ObjectStore
    source: Source
    read_size: int = READ_SIZE  # bytes a request
    offset: int = 0  # bytes of the object that have been read
    warnings: list[FileWarning] = field(default_factory=list)  # complete once the content has been read

    def content(self, kind: str | None, limits: compression.DecompressionLimits) -> Iterator[bytes]:
        """Yield the object's content, decompressed if ``kind`` names a compression."""
        size = self.source.size
        if kind is None:
            return self._read(0, size)
        return compression.decompress(kind, size, self._read, limits, self.warnings.append)

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        pieces = read_ahead(self.store, self.source, start, end, size=self.read_size)
        with closing(pieces):
            for piece in pieces:
                self.offset = min(self.offset + len(piece), self.source.size)
                yield piece


def _chunks(pieces: Generator[bytes], reads: CountedReads, *, whole: bool) -> Generator[Chunk]:
    """Yield the pieces as chunks. The last one is empty: after the text, bytes of the object may follow."""
    with closing(pieces):
        for piece in pieces:
            yield Chunk(piece, reads.offset)
        yield Chunk(b"", reads.offset, tuple(reads.warnings) if whole else ())
