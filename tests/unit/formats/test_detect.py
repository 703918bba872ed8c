"""What a file's head says about it, and the sentence that a person gets when it cannot be read."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.backends.postgres.mappers import dialect_column, dialect_of
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import RULES, Dialect, Format, Options
from chalicelib.formats import recognise
from chalicelib.formats.csv.header import MAX_COLUMNS, MAX_HEADER, column_names
from chalicelib.reading.head import Head
from tests.support.pipeline import look, read_file


def test_a_csv_file_with_a_header_is_detected() -> None:
    found = look(b"a, b ,c\n1,2,3\n")
    assert found == Dialect(Format.CSV, 8, 1, RULES, data_row=1, columns=("a", "b", "c"))


def test_a_byte_order_mark_and_blank_lines_before_the_header_are_skipped() -> None:
    found = look(b"\xef\xbb\xbf\n\na,b\r\n1,2\n")
    assert found == Dialect(Format.CSV, 10, 3, RULES, bom=True, data_row=3, columns=("a", "b"), crlf=False)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(delimiter: str) -> None:
    head = delimiter.join(["a", '"x,y;z|w\t."', "c"]).encode() + b"\n"
    found = look(head)
    assert (found.delimiter, len(found.columns)) == (delimiter, 3)


def test_a_file_of_one_column_is_detected() -> None:
    assert look(b"name\nAda\n").columns == ("name",)


def test_a_header_without_a_line_ending_is_detected() -> None:
    assert look(b"a,b") == Dialect(Format.CSV, 3, 0, RULES, data_row=1, columns=("a", "b"))


def test_a_header_cell_may_hold_a_newline() -> None:
    assert look(b'"a\nb",c\n').columns == ("a\nb", "c")


def test_json_lines_are_detected() -> None:
    assert look(b' \n{"a":1}\n') == Dialect(Format.NDJSON, 0, 0, RULES)
    assert look(b'\xef\xbb\xbf{"a":1}\n') == Dialect(Format.NDJSON, 3, 0, RULES, bom=True)


@pytest.mark.parametrize(
    "data",
    [
        b"[id],name\n1,a\n2,b\n",
        b"[id];[name]\n1;a\n2;b\n",
        b"[First Name],[Last Name]\r\nAda,Lovelace\r\n",
        b"{id}\tname\n1\ta\n",
        b"{21EC2020-3AEA-4069-A2DD-08002B30309D},a,1\n",
        b"[2024-01-01 10:00:00] started, with 3 workers\n[2024-01-01 10:00:01] stopped, by hand\n",
        b"[INFO] [main] started\n",
        b"[1234] started\n[1235] stopped\n",
    ],
)
def test_a_header_or_a_log_in_brackets_is_no_json(data: bytes) -> None:
    head = Head(data, 0, "utf-8")
    assert recognise(head, Options(), "people.txt").name is Format.CSV
    assert recognise(head, Options(), "people.json").name is Format.JSON


def test_a_header_in_brackets_names_the_columns() -> None:
    found = read_file(b"[id],{name}\n1,Ada\n2,Bob\n")
    assert found.records == {'{"[id]":"1","{name}":"Ada"}', '{"[id]":"2","{name}":"Bob"}'}
    assert not found.warnings


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{}",
        b"[id]\n",
        b"[1, 2], [3, 4]\n",
        b"[1 2],[3 4]\n",
        b"[1, 2] [3, 4]\n[5, 6] [7, 8]\n",
        b"[a, b],\n[c, d]\n",
        b"[true],[false]\n",
        b"[1, 2]]\n",
        b"[1, 2] and more\n",
        b"[\n1,\n2\n]",
        b"{a: 1, b: 2}, {a: 2}\n",
        b"{'a': 1}, {'a': 2}\n",
        b'{"a": 1} text\n',
        b'[{"a": 1}, {"a": 2}] text\n',
        b'["id"],name\n',
        b'[a] b\n{"a": 1}\n',
    ],
)
def test_broken_json_is_no_csv(data: bytes) -> None:
    assert recognise(Head(data, 0, "utf-8"), Options(), "").name is not Format.CSV


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), st.data())
def test_json_that_is_cut_or_lacks_a_character_is_no_csv(value: object, data: st.DataObject) -> None:
    text = json.dumps([value, {"name": value}], indent=data.draw(st.sampled_from([None, 1])))
    at = data.draw(st.integers(1, len(text)))
    for broken in (text[:at], text[:at] + text[at + 1 :]):
        assert recognise(Head(broken.encode(), 0, "utf-8"), Options(), "").name is not Format.CSV


def test_the_declared_format_wins() -> None:
    assert look(b'{"a",b\n', Format.CSV).columns == ('{"a"', "b")
    assert look(b"a,b\n", Format.NDJSON).format is Format.NDJSON


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"\x1f\x8b\x08", "corrupt-file"),
        (b"PK\x03\x04xl/workbook", "corrupt-file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old workbook", "unsupported-format"),
        (gzip.compress(gzip.compress(b"a,b", mtime=0), mtime=0), "unsupported-compression"),
        (b"\n\r\n\n", "empty-file"),
        (b"a\xff,b\n", "encoding-error"),
        (b"a\0,b\n", "nul-character"),
        (b"x" * (MAX_HEADER + 1) + b"\n", "header-too-long"),
        (b"," * MAX_COLUMNS + b"\n", "too-many-columns"),
        (b'"' + b"a,b\n" * 10, "unterminated-quote"),
        (b'a,"b,c\n1,2,3\n', "unterminated-quote"),
        (b'a,"b,c\n' + b'1,"x",y\n' * 5, "unterminated-quote"),
        (b'a,"b,c\n1,2",3\n' + b"4,5,6\n" * 9, "unterminated-quote"),
        (b'a,"b,c\n' + b"1,2,3\n" * 5 + b'1,2",3\n' + b"4,5,6\n" * 9, "unterminated-quote"),
        (b'a,"b"c,d\n1,2,3\n', "stray-quote"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_reason(head: bytes, code: str) -> None:
    with pytest.raises(JobFailed) as raised:
        look(head)
    assert raised.value.code == code


@pytest.mark.parametrize("name", ["Price\n(EUR)", "Last,\nFirst", "Street, number\nCity, country"])
def test_a_name_may_have_several_lines(name: str) -> None:
    found = look(f'id,"{name}",x\n1,2,3\n4,5,6\n'.encode())
    assert found.columns == ("id", name, "x")


def test_names_are_distinct_and_normalised() -> None:
    cells = ["a", "A", "a", " a ", "", "e\u0301", "a_2", "column_5"]
    assert column_names(cells) == ("a", "A", "a_2", "a_3", "column_5", "\u00e9", "a_2_2", "column_5_2")


def test_a_stored_dialect_is_read_back_unchanged() -> None:
    for dialect in (look(b"\xef\xbb\xbfa;b\n"), look(b"{}")):
        assert dialect_of(dialect_column(dialect).obj) == dialect


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_quoted_header_over_two_lines_is_one_record(delimiter: str) -> None:
    head = delimiter.join(["a", '"b\nc"', "d"]) + "\n" + delimiter.join("123") + "\n"
    assert look(head.encode()).columns == ("a", "b\nc", "d")


def test_the_delimiter_that_most_records_agree_on_wins() -> None:
    # more commas than semicolons in the header, and none that means anything
    found = look(b"name, given, family;born\nAda, L;1815\nAlan, T, M;1912\n")
    assert (found.delimiter, found.columns) == (";", ("name, given, family", "born"))


def test_single_quotes_are_found_where_they_make_the_file_fit() -> None:
    assert look(b"a,b\n'1,5','x'\n'2,5','y'\n").quote == "'"
    assert look(b"a,b\n1,it's\n2,o'clock\n").quote == '"'


def test_a_line_that_names_the_separator_sets_the_delimiter() -> None:
    found = look(b"sep=;\r\na;b,c\r\n1;2\r\n")
    assert (found.delimiter, found.columns, found.data_start) == (";", ("a", "b,c"), 14)


def test_declared_options_are_not_detected() -> None:
    assert look(b"a;b,c\n", delimiter=";").columns == ("a", "b,c")
    assert look(b'"a",b\n', quote="").columns == ('"a"', "b")
    found = look(b"a,b\n1,2\n", header=False)
    assert (found.data_start, found.header, found.columns) == (0, False, ("column_1", "column_2"))
    assert look(b"made by X\r\n\r\na,b\n", skip_lines=2).columns == ("a", "b")
    assert look(b"# a comment\na,b\n", comment="#").columns == ("a", "b")


@pytest.mark.parametrize(
    ("text", "encoding", "bom"),
    [("utf-16", "utf-16-le", True), ("utf-32", "utf-32-le", True), ("utf-8-sig", "utf-8", True)],
)
def test_a_byte_order_mark_tells_the_encoding(text: str, encoding: str, bom: bool) -> None:
    found = look("é,b\n1,2\n".encode(text))
    assert (found.encoding, found.bom, found.columns) == (encoding, bom, ("é", "b"))


@pytest.mark.parametrize("name", ["latin-1", "cp1252", "utf-16-be", "shift_jis", "cp037"])
def test_a_declared_encoding_is_used(name: str) -> None:
    word = "日本" if name == "shift_jis" else "é"
    assert look(f"{word},b\n1,2\n".encode(name), encoding=name).columns == (word, "b")


def test_an_encoding_is_never_guessed() -> None:
    with pytest.raises(JobFailed, match="UTF-8"):
        look("é,b\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("head", "form", "array", "start"),
    [
        (b'[{"a":1}]', Format.JSON, True, 1),
        (b' \n[\n  {"a":1}]', Format.JSON, True, 6),
        (b'{\n"a":1}', Format.JSON, False, 0),
        (b'{"a":1}{"b":2}', Format.JSON, False, 0),
        (b'{"a":"}"}\r\n{"b"', Format.NDJSON, False, 0),
        (b'\n{"a":nonsense}\n', Format.NDJSON, False, 0),
        (b'{"a":"x\n{"a":2}\n', Format.NDJSON, False, 0),
        (b'{"a":[\n{"b":2}\n]}', Format.JSON, False, 0),
    ],
)
def test_the_first_token_tells_the_kind_of_json(head: bytes, form: Format, array: bool, start: int) -> None:
    found = look(head)
    assert (found.format, found.array, found.data_start) == (form, array, start)


def test_json_in_another_encoding_is_transcoded() -> None:
    assert look('[{"a":"é"}]'.encode("latin-1"), encoding="latin-1").transcoded
    assert look('{"a":"é"}\n'.encode("utf-16")).transcoded
    assert not look('[{"a":"é"}]'.encode()).transcoded


def test_encodings_that_are_not_ascii_compatible_are_transcoded() -> None:
    words = {
        "shift_jis": "表",
        "gb18030": "表",
        "big5": "表",
        "euc_jp": "表",
        "cp037": "é",
    }
    for name, word in words.items():
        assert look(f"{word},b\n".encode(name), encoding=name).transcoded, name
    for name in ("latin-1", "cp1252", "cp437", "koi8-r", "utf-8", "utf-8-sig", "ascii"):
        assert not look(b"a,b\n", encoding=name).transcoded, name
