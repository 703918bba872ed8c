"""What a file's head says about it, and the sentence that a person gets when it cannot be read."""

import pytest

from chalicelib.errors import JobFailed
from chalicelib.model import Dialect, Format
from chalicelib.steps.detect import MAX_COLUMNS, MAX_HEADER, column_names, detect


def test_csv_with_a_header() -> None:
    assert detect(b"a, b ,c\n1,2,3\n", None) == Dialect(Format.CSV, 8, ("a", "b", "c"))


def test_byte_order_mark_and_blank_lines_before_the_header() -> None:
    assert detect(b"\xef\xbb\xbf\n\na,b\r\n1,2\n", None) == Dialect(Format.CSV, 10, ("a", "b"), bom=True)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(delimiter: str) -> None:
    head = delimiter.join(["a", '"x,y;z|w\t."', "c"]).encode() + b"\n"
    found = detect(head, None)
    assert (found.delimiter, len(found.columns)) == (delimiter, 3)


def test_one_column() -> None:
    assert detect(b"name\nAda\n", None).columns == ("name",)


def test_a_header_without_a_line_ending() -> None:
    assert detect(b"a,b", None) == Dialect(Format.CSV, 3, ("a", "b"))


def test_a_header_cell_with_a_newline() -> None:
    assert detect(b'"a\nb",c\n', None).columns == ("a\nb", "c")


def test_json_lines() -> None:
    assert detect(b' \n{"a":1}\n', None) == Dialect(Format.NDJSON, 0)
    assert detect(b'\xef\xbb\xbf{"a":1}\n', None) == Dialect(Format.NDJSON, 3, bom=True)


def test_the_declared_format_wins() -> None:
    assert detect(b'{"a",b\n', Format.CSV).columns == ('{"a"', "b")
    assert detect(b"a,b\n", Format.NDJSON).format is Format.NDJSON


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"\xff\xfea\0,\0", "unsupported-encoding"),
        (b"\x1f\x8b\x08", "unsupported-compression"),
        (b"PK\x03\x04xl/workbook", "unsupported-format"),
        (b"[{}]", "unsupported-format"),
        (b"\n\r\n\n", "empty-file"),
        (b"a\xff,b\n", "encoding-error"),
        (b"a\0,b\n", "nul-character"),
        (b"x" * (MAX_HEADER + 1) + b"\n", "header-too-long"),
        (b"," * MAX_COLUMNS + b"\n", "too-many-columns"),
        (b'"' + b"a,b\n" * 10, "header-too-long"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(head: bytes, code: str) -> None:
    with pytest.raises(JobFailed) as raised:
        detect(head, None)
    assert raised.value.code == code


def test_names_are_distinct_and_normalised() -> None:
    cells = ["a", "A", "a", " a ", "", "e\u0301", "a_2", "column_5"]
    assert column_names(cells) == ("a", "A", "a_2", "a_3", "column_5", "\u00e9", "a_2_2", "column_5_2")


def test_what_is_stored_is_what_is_read_back() -> None:
    for dialect in (detect(b"\xef\xbb\xbfa;b\n", None), detect(b"{}", None)):
        assert Dialect.from_json(dialect.to_json()) == dialect
