"""The head of an object: the beginning of its text, with compression and encoding resolved."""

from dataclasses import dataclass

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Options, Source
from chalicelib.reading import compression, encodings
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import CountedReads, between

HEAD_SIZE = 1 << 20  # bytes

_WHITE_SPACE = b" \t\n\r"
_UNSUPPORTED = (  # (first bytes, sentence)
    (b"\xd0\xcf\x11\xe0", "The file is an Excel workbook. Save the sheet as CSV UTF-8 and upload that."),
    (b"PAR1", "The file is in Parquet format. Upload CSV or JSON."),
    (b"%PDF", "The file is a PDF document. Upload the data as CSV or JSON."),
)


@dataclass(frozen=True)
class Head:
    """The first HEAD_SIZE bytes of an object's text, or all of a shorter one."""

    data: bytes  # in ``text_encoding``
    start: int  # byte offset of the first character after a byte-order mark
    encoding: str  # of the object
    bom: bool = False  # the object begins with a byte-order mark
    transcoded: bool = False  # the text is UTF-8, the object is not
    compression: str | None = None

    @property
    def text_encoding(self) -> str:
        """The encoding of ``data``."""
        return encodings.UTF8 if self.transcoded else self.encoding

    @property
    def text(self) -> bytes:
        """The text from its first character that is not white space on."""
        return self.data[self.start :].lstrip(_WHITE_SPACE)

    @property
    def is_blank_file(self) -> bool:
        """Whether the file ends within the head and holds nothing but white space."""
        return len(self.data) < HEAD_SIZE and not self.text


def read_head(
    store: ObjectStore, source: Source, options: Options, limits: compression.DecompressionLimits
) -> Head:
    """Read the head of an object.

    The encoding is the declared one, else the one that a byte-order mark names, else UTF-8. Raises JobFailed
    for a file that is not text, cannot be decompressed or has an unknown encoding, and the store's errors.
    """
    data = store.read(source, 0, min(source.size, HEAD_SIZE))
    _refuse_unsupported(data)
    kind = compression.kind_of(data)
    if kind is not None:
        data = b"".join(between(CountedReads(store, source).content(kind, limits), 0, HEAD_SIZE))
        _refuse_unsupported(data)
        if compression.kind_of(data) is not None:
            raise JobFailed("unsupported-compression", "The file is compressed twice. Decompress it once.")
    name, start = _encoding(data, options)
    transcoded, bom = encodings.needs_transcoding(name), start > 0
    if transcoded:
        data, start = b"".join(encodings.transcode(iter([data[start:]]), name)), 0
    return Head(data, start, name, bom, transcoded, kind)


def _refuse_unsupported(data: bytes) -> None:
    for magic, sentence in _UNSUPPORTED:
        if data.startswith(magic):
            raise JobFailed("unsupported-format", sentence)


def _encoding(data: bytes, options: Options) -> tuple[str, int]:
    """Return the encoding of a file that begins with ``data``, and the length of its byte-order mark."""
    mark = encodings.by_bom(data)
    if options.encoding is None:
        return mark or (encodings.UTF8, 0)
    name = encodings.python_name(options.encoding)
    if name is None:
        raise JobFailed("unsupported-encoding", f"There is no encoding called {options.encoding!r}.")
    if mark is not None and mark[0].startswith(name):  # utf-16 may be either of the two
        return mark
    return name, 0
