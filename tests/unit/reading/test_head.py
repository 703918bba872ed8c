"""The head of an object: its encoding, what was assumed about it, and what is refused."""

import gzip
from typing import Any

import pytest

from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Instructions
from chalicelib.core.model import Format, Options, Source
from chalicelib.formats.interface import Detection
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.head import Head, read_head
from chalicelib.service.detection import detect_dialect
from tests.support.fakes import MemoryStore

LIMITS = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)
TABLE = "name,city\nZoë,Łódź\n"
JSON = '{"name":"Zoë"}\n{"name":"Ada"}\n'
WITHOUT_MARK = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


def head_of(data: bytes, **options: Any) -> Head:
    return read_head(MemoryStore(data), Source("b", "k", "e1", len(data)), Options(**options), LIMITS)


def detection(data: bytes, declared: Format | None = None, **options: Any) -> Detection:
    source = Source("b", "k", "e1", len(data))
    return detect_dialect(MemoryStore(data), source, Instructions(declared, Options(**options)), LIMITS, "")


def told(head: Head) -> list[tuple[str, str]]:
    return [(warning.code, warning.example) for warning in head.warnings]


@pytest.mark.parametrize("encoding", WITHOUT_MARK)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_encoding_without_a_mark_is_recognised_and_told(encoding: str, compress: Any) -> None:
    head = head_of(compress(TABLE.encode(encoding)))
    assert (head.data, head.start, head.encoding, head.bom, head.transcoded) == (
        *(TABLE.encode(), 0, encoding, False, True),
    )
    assert told(head) == [("encoding-detected", f"{encoding}: name,city")]


@pytest.mark.parametrize("encoding", WITHOUT_MARK)
@pytest.mark.parametrize(
    ("text", "form"), [(TABLE, Format.CSV), (JSON, Format.NDJSON), (f"[{JSON[:14]}]", Format.JSON)]
)
def test_a_file_of_any_format_is_recognised_without_a_mark(encoding: str, text: str, form: Format) -> None:
    found = detection(text.encode(encoding))
    assert (found.dialect.format, found.dialect.encoding, found.dialect.transcoded) == (form, encoding, True)
    assert [it.code for it in found.warnings if it.code.startswith("encoding")] == ["encoding-detected"]


@pytest.mark.parametrize("encoding", WITHOUT_MARK)
def test_a_mark_is_not_told(encoding: str) -> None:
    head = head_of(("\ufeff" + TABLE).encode(encoding))
    assert (head.data, head.encoding, head.bom, head.warnings) == (TABLE.encode(), encoding, True, ())


@pytest.mark.parametrize("encoding", WITHOUT_MARK)
def test_the_byte_order_of_a_declared_encoding_is_found(encoding: str) -> None:
    name = encoding[:6]
    head = head_of(TABLE.encode(encoding), encoding=name)
    assert (head.data, head.encoding) == (TABLE.encode(), encoding)
    assert told(head) == [("encoding-detected", f"{encoding}: name,city")]
    marked = head_of(("\ufeff" + TABLE).encode(encoding), encoding=name)
    assert (marked.data, marked.encoding, marked.bom, marked.warnings) == (TABLE.encode(), encoding, True, ())
    exact = head_of(TABLE.encode(encoding), encoding=encoding)
    assert (exact.data, exact.warnings) == (TABLE.encode(), ())


def test_a_byte_order_that_nothing_shows_is_assumed_and_told() -> None:
    head = head_of("山田太郎".encode("utf-16-le"), encoding="utf-16")
    assert (head.data.decode(), head.encoding) == ("山田太郎", "utf-16-le")
    assert told(head) == [("byte-order-assumed", "utf-16-le: 山田太郎")]


@pytest.mark.parametrize(
    ("mark", "declared"),
    [
        ("utf-8-sig", "cp1252"),
        ("utf-16", "utf-8"),
        ("utf-16", "utf-16-be"),
        ("utf-32", "utf-16"),
        ("utf-8-sig", "utf-16"),
    ],
)
def test_a_mark_of_another_than_the_declared_encoding_is_an_error(mark: str, declared: str) -> None:
    with pytest.raises(JobFailed, match="byte-order mark of UTF-") as raised:
        head_of(TABLE.encode(mark), encoding=declared)
    assert raised.value.code == "encoding-error"


def test_text_with_zeros_stays_utf8() -> None:
    head = head_of(TABLE.encode() + b"\0,\0\n")
    assert (head.encoding, head.transcoded, head.warnings) == ("utf-8", False, ())


def test_an_example_is_short_and_printable() -> None:
    head = head_of(("\x1b[31m" + "n" * 300 + "\n").encode("utf-16-le"))
    ((_, example),) = told(head)
    assert example.isprintable()
    assert len(example) < 150


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_web_page_is_refused_unless_a_format_is_declared(encoding: str) -> None:
    page = "\r\n <!DOCTYPE html>\n<html>,x\n".encode(encoding)
    with pytest.raises(JobFailed, match="web page"):
        detection(page)
    assert detection(page, Format.CSV).dialect.format is Format.CSV


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_other_kinds_are_refused_in_compressed_files_too(compress: Any) -> None:
    with pytest.raises(JobFailed, match="PDF") as raised:
        head_of(compress(b"%PDF-1.4\n"))
    assert raised.value.code == "unsupported-format"


def test_the_header_of_a_csv_file_is_told_as_it_would_read() -> None:
    with pytest.raises(JobFailed, match=r"not valid UTF-8; .* in cp1252 “größe”") as raised:
        detection("name,größe\nx,1\n".encode("cp1252"))
    assert raised.value.code == "encoding-error"
