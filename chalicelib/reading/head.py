"""The head of an object: the beginning of its text, with compression and encoding resolved."""

from dataclasses import dataclass
from typing import NamedTuple

from chalicelib import interruption
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Options, Source
from chalicelib.core.warnings import FileWarning
from chalicelib.reading import compression, encodings, signatures, zero_bytes
from chalicelib.reading.excerpts import printable
from chalicelib.reading.object_store import ObjectStore
from chalicelib.reading.object_text import CountedReads
from chalicelib.reading.pieces import between

HEAD_SIZE = 1 << 20  # bytes

_WHITE_SPACE = b" \t\n\r"
_EXCERPT = 100  # characters


@dataclass(frozen=True)
class Head:
    """The first HEAD_SIZE bytes of an object's text, or all of a shorter one."""

    data: bytes  # in ``text_encoding``
    start: int  # byte offset of the first character after a byte-order mark
    encoding: str  # of the object
    bom: bool = False  # the object begins with a byte-order mark
    transcoded: bool = False  # the text is UTF-8, the object is not
    compression: str | None = None
    warnings: tuple[FileWarning, ...] = ()  # what was assumed about the encoding

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

    The encoding is the declared one, else the one that a byte-order mark names or that zero bytes show, else
    UTF-8. Raises JobFailed for a file that is not text, cannot be decompressed, has an unknown encoding or
    the mark of another than the declared one, and the store's errors.
    """
    interruption.check()
    data = store.read(source, 0, min(source.size, HEAD_SIZE))
    signatures.refuse_other_kinds(data)
    kind = compression.kind_of(data)
    if kind is not None:
        data = b"".join(between(CountedReads(store, source, HEAD_SIZE).content(kind, limits), 0, HEAD_SIZE))
        signatures.refuse_other_kinds(data)
        if compression.kind_of(data) is not None:
            raise JobFailed("unsupported-compression", "The file is compressed twice. Decompress it once.")
    found = _encoding(data, options)
    transcoded, start, bom = encodings.needs_transcoding(found.name), found.mark, found.mark > 0
    if transcoded:
        data, start = b"".join(encodings.transcode(iter([data[start:]]), found.name)), 0
    warnings = () if found.assumed is None else (_assumption(found.assumed, found.name, data[start:]),)
    return Head(data, start, found.name, bom, transcoded, kind, warnings)


class _Encoding(NamedTuple):
    """The encoding of a file."""

    name: str
    mark: int = 0  # the length of its byte-order mark
    assumed: str | None = None  # the code of a warning: the file does not name its encoding


def _encoding(data: bytes, options: Options) -> _Encoding:
    """Return the encoding of a file that begins with ``data``."""
    mark = encodings.by_bom(data)
    if options.encoding is None:
        if mark is not None:
            return _Encoding(*mark)
        shown = zero_bytes.encoding_of(data)
        return _Encoding(encodings.UTF8) if shown is None else _Encoding(shown, assumed="encoding-detected")
    name = encodings.python_name(options.encoding)
    if name is None:
        raise JobFailed(
            "unsupported-encoding", f"Sluice does not read files in the encoding {options.encoding!r}."
        )
    if mark is not None:
        if not mark[0].startswith(name):  # utf-16 may be either of the two
            raise JobFailed(
                "encoding-error",
                f"The file begins with the byte-order mark of {mark[0].upper()}, "
                f"but the encoding {name.upper()} was declared.",
            )
        return _Encoding(*mark)
    if name in encodings.OF_EITHER_ORDER:
        order = zero_bytes.byte_order_of(data, name)
        code = "byte-order-assumed" if order is None else "encoding-detected"
        return _Encoding(f"{name}-{order or 'le'}", assumed=code)
    return _Encoding(name)


def _assumption(code: str, encoding: str, text: bytes) -> FileWarning:
    """Return a warning about the encoding, with the first line as it reads in it."""
    line = text[: 4 * _EXCERPT].decode(encodings.UTF8, "replace").lstrip().split("\n", 1)[0].rstrip()
    return FileWarning(code, 1, 0, f"{encoding}: {printable(line, _EXCERPT)}", line=0)
