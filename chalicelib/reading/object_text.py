"""The text of an object as a stream: read by ranges, decompressed, turned into UTF-8 where that is needed.

Offsets count bytes of that text. A plain file in UTF-8 or a single-byte encoding is its own text and can be
read from anywhere; any other is read from its beginning, and what lies before the wanted place thrown away.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect, Format, Options, Source
from chalicelib.formats import detect
from chalicelib.reading import compression, encodings
from chalicelib.reading import range_reads as source
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.range_reads import RANGE


@dataclass
class Contents:
    """An object and how its bytes become text: of ``dialect`` the compression and the encoding count."""

    store: ObjectStore
    source: Source
    dialect: Dialect
    limits: compression.Limits
    read_size: int = RANGE  # bytes a request
    consumed: int = field(default=0, init=False)  # bytes of the object that the last stream has read

    @property
    def is_plain(self) -> bool:
        """Whether the text is the object itself, so that its size is known beforehand."""
        return self.dialect.compression is None and not self.dialect.recoded

    def stream(self, start: int, end: int | None) -> Generator[bytes]:
        """Bytes ``[start, end)`` of the text; to its end if that is None.

        Raises JobFailed for what cannot be decompressed, and what the store raises.
        """
        self.consumed = 0
        if self.is_plain:
            size = self.source.size
            return self._chunks(start, size if end is None else min(end, size))
        text = self._decompressed()
        if self.dialect.recoded:
            mark = len(encodings.mark(self.dialect.encoding)) if self.dialect.bom else 0
            text = encodings.streamed(_between(text, mark, None), self.dialect.encoding)
        return _between(text, start, end)

    def _decompressed(self) -> Iterator[bytes]:
        size, kind = self.source.size, self.dialect.compression
        if kind is None:
            return self._read(0, size)
        return compression.decompressed(kind, size, self._read, self.limits)

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        with closing(self._chunks(start, end)) as chunks:
            for chunk in chunks:
                self.consumed = min(self.consumed + len(chunk), self.source.size)
                yield chunk

    def _chunks(self, start: int, end: int) -> Generator[bytes]:
        return source.chunks(self.store, self.source, start, end, size=self.read_size)


def opened(
    store: ObjectStore,
    pinned: Source,
    declared: Format | None,
    options: Options,
    limits: compression.Limits,
) -> Dialect:
    """How to read an object, found from its head. Raises JobFailed, and what the store raises."""
    raw = store.read(pinned, 0, min(pinned.size, detect.HEAD))
    detect.refuse(raw)
    kind = compression.kind_of(raw)
    if kind is not None:
        raw = _head(Contents(store, pinned, Dialect(Format.CSV, 0, compression=kind), limits))
        detect.refuse(raw)
        if compression.kind_of(raw) is not None:
            raise JobFailed("unsupported-compression", "The file is compressed twice. Decompress it once.")
    name, mark = detect.encoding(raw, options)
    recoded, start = encodings.is_streamed(name), mark
    if recoded:
        raw, start = b"".join(encodings.streamed(iter([raw[mark:]]), name)), 0
    found = Dialect(Format.CSV, start, encoding=name, bom=mark > 0, recoded=recoded, compression=kind)
    found = detect.detect(raw, declared, options, found)
    if found.format is not Format.CSV and name != encodings.UTF8:
        return replace(found, recoded=True)  # JSON is UTF-8
    return found


def _head(contents: Contents) -> bytes:
    head = b""
    with closing(contents.stream(0, detect.HEAD)) as chunks:
        for chunk in chunks:
            head += chunk
    return head


def _between(chunks: Iterator[bytes], start: int, end: int | None) -> Generator[bytes]:
    """Bytes ``[start, end)`` of what the chunks hold."""
    offset = 0
    for chunk in chunks:
        before = max(start - offset, 0)
        after = len(chunk) if end is None else max(end - offset, 0)
        if piece := chunk[before:after]:
            yield piece
        offset += len(chunk)
        if end is not None and offset >= end:
            return
