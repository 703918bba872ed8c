"""Files as people have them, each with its outcome to the record: what is stored, what is rejected."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Format
from chalicelib.rows import canonical
from tests.support.examples import many
from tests.support.pipeline import look, outcome

LONG = "x" * 200_000

# name: (file, options, the records, (number from 1, code, byte offset) of each reject)
CSV: dict[str, tuple[bytes, dict[str, Any], list[dict[str, str]], list[tuple[int, str, int]]]] = {
    "comma": (b"a,b\n1,2\n", {}, [{"a": "1", "b": "2"}], []),
    "semicolon": (b"a;b\n1,5;2\n", {}, [{"a": "1,5", "b": "2"}], []),
    "tab": (b"a\tb\n1\t2\n", {}, [{"a": "1", "b": "2"}], []),
    "bar": (b"a|b\n1|2\n", {}, [{"a": "1", "b": "2"}], []),
    "separator line": (b"sep=;\r\na;b\r\n1;2\r\n", {}, [{"a": "1", "b": "2"}], []),
    "single quotes": (b"a,b\n'1,2','3'\n", {}, [{"a": "1,2", "b": "3"}], []),
    "CRLF": (b'a,b\r\n"1\r\n2",3\r\n', {}, [{"a": "1\r\n2", "b": "3"}], []),
    "CR": (b'a,b\r"1\r2",3\r', {}, [{"a": "1\r2", "b": "3"}], []),
    "mixed endings": (
        b"a,b\n1,2\r\n3,4\r5,6\n",
        {},
        [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}],
        [],
    ),
    "no final newline": (b"a,b\n1,2", {}, [{"a": "1", "b": "2"}], []),
    "header only": (b"a,b\n", {}, [], []),
    "header without a newline": (b"a,b", {}, [], []),
    "mark": (b"\xef\xbb\xbfa,b\n1,2\n", {}, [{"a": "1", "b": "2"}], []),
    "cp1252": ("a,b\n1,€\n".encode("cp1252"), {"encoding": "cp1252"}, [{"a": "1", "b": "€"}], []),
    "another encoding, undeclared": (
        b"a,b\n1,\xe9\n2,x\n",
        {},
        [{"a": "2", "b": "x"}],
        [(1, "encoding-error", 4)],
    ),
    "repeated and empty names": (
        b'a,,a,"b\nc"\n1,2,3,4\n',
        {},
        [{"a": "1", "column_2": "2", "a_2": "3", "b\nc": "4"}],
        [],
    ),
    "long name": (b"a," + b"n" * 5000 + b"\n1,2\n", {}, [{"a": "1", "n" * 5000: "2"}], []),
    "no header": (
        b"1,2\n3,4\n",
        {"header": False},
        [{"column_1": n, "column_2": m} for n, m in ("12", "34")],
        [],
    ),
    "lines before the header": (b"Report\n\na,b\n1,2\n", {"skip_lines": 2}, [{"a": "1", "b": "2"}], []),
    "comments": (b'# "x\na,b\n# 1,2\n3,4\n', {"comment": "#"}, [{"a": "3", "b": "4"}], []),
    "blank lines": (b"a,b\n\n1,2\n\r\n\n3,4\n\n", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], []),
    "short and long rows": (
        b"a,b\n1\n1,2,3\n4,5\n",
        {},
        [{"a": "4", "b": "5"}],
        [(1, "missing-cell", 4), (2, "extra-cell", 6)],
    ),
    "empty rows": (
        b"a,b\n,\n1,2\n , \n",
        {},
        [{"a": "1", "b": "2"}],
        [(1, "blank-row", 4), (3, "blank-row", 10)],
    ),
    "stray quotes": (b'a,b\n5" pipe,x"y\n', {}, [{"a": '5" pipe', "b": 'x"y'}], []),
    "quote closed too soon": (b'a,b\n"x"y,z\n', {}, [], [(1, "stray-quote", 4)]),
    "doubled quotes": (b'a,b\n"say ""hi""",z\n', {}, [{"a": 'say "hi"', "b": "z"}], []),
    "unterminated quote": (
        b'a,b\n1,2\n"3,4\n5,6\n',
        {},
        [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}],
        [(2, "unterminated-quote", 8)],
    ),
    "unterminated quote, much behind it": (
        b'a,b\n"3,4\n' + b"5,6\n" * 1000,
        {},
        [{"a": "5", "b": "6"}],
        [(1, "unterminated-quote", 4)],
    ),
    "field of 200 KB": (b'a,b\n1,"' + LONG.encode() + b'"\n', {}, [{"a": "1", "b": LONG}], []),
    "record over the limit": (
        b"a,b\n1," + b"y" * (1 << 20) + b"\n2,x\n",
        {},
        [{"a": "2", "b": "x"}],
        [(1, "record-too-large", 4)],
    ),
    "NUL": (b"a,b\n1,x\0y\n2,z\n", {}, [{"a": "2", "b": "z"}], [(1, "nul-character", 4)]),
    "delimiter behind every line": (b"a,b,\n1,2,\n", {}, [{"a": "1", "b": "2"}], []),
    "escapes": (b'a,b\n1\\,2,"x\\"y"\n', {"escape": "\\"}, [{"a": "1,2", "b": 'x"y'}], []),
    "no quotes at all": (b'a,b\n"1,2"\n', {"quote": ""}, [{"a": '"1', "b": '2"'}], []),
    "decimal comma": (b"a;b\n1,50;x\n", {"decimal": ","}, [{"a": "1.50", "b": "x"}], []),
    "day first": (
        b"a,b\n24.9.2025,31.02.2025\n",
        {"date_order": "DMY"},
        [{"a": "2025-09-24", "b": "31.02.2025"}],
        [],
    ),
    "month first": (b"a,b\n9/24/2025,x\n", {"date_order": "MDY"}, [{"a": "2025-09-24", "b": "x"}], []),
    "order of dates unknown": (b"a,b\n05/07/2025,x\n", {}, [{"a": "05/07/2025", "b": "x"}], []),
    "missing values": (b"a,b\nn/a,1\n-,2\n", {"missing_values": ["n/a", "-"]}, [{"b": "1"}, {"b": "2"}], []),
}

JSON: dict[str, tuple[bytes, list[str], list[tuple[int, str, int]]]] = {
    "lines": (b'{"a":1}\n{"a":2}', ['{"a":1}', '{"a":2}'], []),
    "an array": (b' [ {"a":1} ,\n{"a":2} ]\n', ['{"a":1}', '{"a":2}'], []),
    "an empty array": (b"[]", [], []),
    "objects one after another": (b'{"a":1}{"a":2}\n\n{"a":\n3}', ['{"a":1}', '{"a":2}', '{"a":3}'], []),
    "one object": (b'{\n  "a": {"b": [1, {"c": null}]}\n}\n', ['{"a":{"b":[1,{}]}}'], []),
    "one number, many spellings": (b'{"a":1}\n{"a":1.0}\n{"a":1e0}', ['{"a":1}'], []),
    "exact numbers": (
        b'[{"a":9007199254740993},{"a":0.1000000000000000000001}]',
        ['{"a":9007199254740993}', '{"a":0.1000000000000000000001}'],
        [],
    ),
    "NaN and Infinity": (
        b'{"a":NaN}\n{"a":-Infinity}\n',
        [],
        [(1, "json-syntax", 0), (2, "json-syntax", 10)],
    ),
    "half a surrogate pair": (b'[{"a":"\\ud800"},{"a":2}]', ['{"a":2}'], [(1, "encoding-error", 1)]),
    "duplicate keys": (b'[{"a":1,"a":2},{"a":2}]', ['{"a":2}'], [(1, "duplicate-key", 1)]),
    "no objects": (b'{"a":1}\n[2]\n3\n', ['{"a":1}'], [(2, "not-an-object", 8), (3, "not-an-object", 12)]),
    "content behind the array": (b'[{"a":1}] {"a":2}', ['{"a":1}'], [(2, "trailing-content", 10)]),
    "too deep": (b'[{"a":' + b"[" * 200 + b"]" * 200 + b'},{"a":2}]', ['{"a":2}'], [(1, "too-deep", 1)]),
    "NUL": (b'{"a":"\\u0000"}\n{"a":2}\n', ['{"a":2}'], [(1, "nul-character", 0)]),
    "a broken line": (b'{"a":1}\n{"a":\n{"a":2}\n', ['{"a":1}', '{"a":2}'], [(2, "json-syntax", 8)]),
    "a broken value in an array": (b'[{"a":nul},{"a":2}]', ['{"a":2}'], [(1, "json-syntax", 1)]),
}


def numbered(found: Any) -> list[tuple[int, str, int]]:
    """Return the rejects with the number of each record in the file."""
    rejects, before = [], 0
    for block in found.blocks:
        rejects += [(before + it.record + 1, it.code, it.offset) for it in block.rejects]
        before += block.records
    return rejects


@pytest.mark.parametrize("name", CSV)
@pytest.mark.parametrize(("block_size", "chunk"), [(1 << 22, 1 << 23), (64, 1 << 23), (1 << 22, 4096)])
def test_csv_files_give_these_rows_and_rejects(name: str, block_size: int, chunk: int) -> None:
    data, options, records, rejects = CSV[name]
    if "missing_values" in options:
        options = {**options, "missing_values": tuple(options["missing_values"])}
    found = outcome(data, look(data, **options), block_size=block_size, chunk=chunk)
    assert found.records == {canonical.record(record) for record in records}
    assert numbered(found) == rejects


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(("block_size", "chunk"), [(1 << 22, 1 << 23), (8, 1 << 23), (1 << 22, 3)])
def test_json_files_give_these_rows_and_rejects(name: str, block_size: int, chunk: int) -> None:
    data, records, rejects = JSON[name]
    found = outcome(data, look(data), block_size=block_size, chunk=chunk)
    assert found.records == set(records)
    assert numbered(found) == rejects


@pytest.mark.parametrize("border", range(1, 60))
def test_a_quoted_newline_may_cross_any_border(border: int) -> None:
    rows = [["x\ny", "1"], ["\r\n", "2,\n"], ['"\n"', "3"], ["z", "\n\n"]]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["a", "b"], *rows])
    data = file.getvalue().encode()
    found = outcome(data, look(data), block_size=border, chunk=border)
    assert found.records == {canonical.record(dict(zip("ab", row, strict=True))) for row in rows}
    assert not found.rejects


def test_the_records_can_be_read_by_any_json_reader() -> None:
    for _, _, records, _ in CSV.values():
        for record in records:
            assert json.loads(canonical.record(record)).keys() <= record.keys()


PIECES = st.sampled_from(
    [
        *b"\"',;|\t\n\r{}[]:\\ \0\xff\xef",
        b'{"a":1}',
        b'"a":',
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"a,b\n",
        b"sep=;\n",
    ]
)
BYTES = st.binary(max_size=200) | st.lists(
    PIECES.map(lambda it: bytes([it]) if isinstance(it, int) else it), max_size=60
).map(b"".join)


@settings(max_examples=many(1000))
@given(BYTES, st.none() | st.sampled_from(Format), st.integers(1, 100), st.integers(1, 100))
def test_any_bytes_are_accounted_for_or_refused(
    data: bytes, declared: Format | None, block_size: int, chunk: int
) -> None:
    try:
        found = look(data, declared)
        if found.transcoded:
            return  # tests of ingestion read these
        seen = outcome(data, found, block_size=block_size, chunk=chunk, max_record=50)
    except JobFailed as failure:
        assert failure.code
        assert failure.message.endswith((".", "?"))
    else:
        rejected = sum(reject.count for block in seen.blocks for reject in block.rejects)
        assert seen.accepted + rejected == sum(block.records for block in seen.blocks)
        assert all(reject.message.endswith((".", "?")) for block in seen.blocks for reject in block.rejects)
