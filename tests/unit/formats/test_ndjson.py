"""NDJSON: every line is accounted for, whatever the blocks."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.model import RULES, Dialect, Format
from chalicelib.formats.interface import Location, Note
from chalicelib.formats.json.decode import decode as json_decode
from chalicelib.formats.json.parse import parse
from chalicelib.formats.json.units import Layout
from chalicelib.formats.ndjson.decode import decode
from chalicelib.reading.blocks import Segment
from chalicelib.rows import canonical
from tests.support.examples import many
from tests.support.pipeline import detect, look, outcome, print_batch, runs

DIALECT = Dialect(Format.NDJSON, data_start=0)
LINES = st.lists(
    st.sampled_from(
        [
            *(b'{"a":1}', b'{"a":"x"}\r', b"", b"  ", b"\r", b"[1]", b"{", b'{"a":\xff}', b'{"a":"\0"}'),
            *(b"null", b'{"a":1}{"b":2}', b'{"a":"' + b"y" * 80 + b'"}', b'{"b":"\xc3\xa9"}'),
        ]
    ),
    max_size=20,
)


def reference(data: bytes, max_record: int) -> tuple[set[str], int, list[tuple[str, int]]]:
    records, rejects, offset = [], [], 0
    for line in data.splitlines(keepends=True) if b"\r" not in data else _lines(data):
        if len(line) > max_record:
            rejects.append(("record-too-large", offset))
        elif line.strip():
            code = _code(line)
            if code:
                rejects.append((code, offset))
            else:
                records.append(canonical.record(parse(line.decode().strip())))
        offset += len(line)
    return set(records), len(records), rejects


def _lines(data: bytes) -> list[bytes]:
    *whole, last = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([last] if last else [])


def _code(line: bytes) -> str | None:
    if b"\0" in line:
        return "nul-character"
    try:
        value = json.loads(line)
    except UnicodeDecodeError:
        return "encoding-error"
    except ValueError:
        return "json-syntax"
    return None if isinstance(value, dict) else "not-an-object"


@settings(max_examples=many(300))
@given(LINES, st.booleans(), st.integers(1, 60), st.integers(1, 60), st.sampled_from([50, 1000]))
def test_any_split_accounts_for_every_line(
    lines: list[bytes], ended: bool, block_size: int, chunk: int, max_record: int
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    found = (
        outcome(data, DIALECT, block_size=block_size, chunk=chunk, max_record=max_record) if data else None
    )
    records, accepted, rejects = reference(data, max_record)
    if found is None:
        assert not accepted
        return
    assert (found.records, found.accepted, found.runs) == (records, accepted, runs(rejects))
    assert found.rejected == len(rejects)


OBJECTS = st.lists(
    st.dictionaries(
        st.sampled_from("ab,"), st.integers() | st.sampled_from([",", "},", "", " ,\n,"]), max_size=3
    ),
    max_size=60,
)
COMMA = "commas-between-lines"


def decoded(data: bytes, *, offset: int = 0) -> tuple[list[str], list[Note]]:
    """Return the records of a segment and the notes about it; there is nothing to reject."""
    batches = list(decode(Segment(offset, data, regular=True)))
    printed = [print_batch(batch) for batch in batches]
    assert not [reject for it in printed for reject in it.rejects]
    return [record for it in printed for record in it.records], [note for it in batches for note in it.notes]


@settings(max_examples=many(200))
@given(
    OBJECTS,
    st.sampled_from([",\n", "\n,", " , \r\n", "\r\n\t, ", "\n,\n", ",\n\n,"]),
    st.sampled_from(["", ",", "\n", ",\n"]),
)
def test_lines_with_commas_hold_the_same_records(
    objects: list[dict[str, int | str]], between: str, end: str
) -> None:
    lines = [json.dumps(it) for it in objects]
    plain, notes = decoded("\n".join(lines).encode())
    assert not notes

    records, notes = decoded((between.join(lines) + end).encode())

    assert records == plain
    assert [note.code for note in notes] == [COMMA] * (len(lines) > 1 or "," in end)


def test_commas_are_told_where_they_are() -> None:
    _, (note,) = decoded(b'{"a":1}\n\n{"a":2} , \r\n,\n{"a":3},', offset=100)
    assert (note.count, note.ordinal, note.location) == (3, 1, Location(109, b'{"a":2} , \r'))
    _, (note,) = decoded(b'{"a":1}\n,\n{"a":3}')
    assert (note.count, note.ordinal, note.location) == (1, 1, Location(8, b","))


def test_a_reject_shows_the_line_with_its_comma() -> None:
    data = b'{"a":1},\n{"a":},\n[1],\n{"a":2},,\n,,\n'
    (block,) = outcome(data, look(data)).blocks
    assert [(it.code, it.offset, it.raw) for it in block.rejects] == [
        ("json-syntax", 9, '{"a":},'),
        ("not-an-object", 17, "[1],"),
        ("json-syntax", 22, '{"a":2},,'),
        ("json-syntax", 32, ",,"),
    ]
    assert block.records == 5


def test_a_job_of_the_first_rules_rejects_commas() -> None:
    data = b'{"a":1},\n{"a":2}\n'
    assert look(data).rules == RULES
    assert outcome(data, Dialect(Format.NDJSON, 0)).rejects == [("json-syntax", 0)]
    data = b'{\n"a":1},\n{"a":2}\n'
    assert outcome(data, Dialect(Format.JSON, 0)).rejects == [("json-syntax", 8)]
    assert not outcome(data, look(data)).rejects


def test_commas_between_objects_over_several_lines_are_passed_over() -> None:
    data = json.dumps([{"a": 1}, {"a": 2}, {"a": 3}], indent=2).strip("[]").encode() + b","
    found = outcome(data, look(data), block_size=1)
    assert (found.accepted, found.rejects) == (3, [])
    (batch,) = json_decode(Segment(5, data, regular=True), Layout.SEQUENCE, first=True)
    (note,) = batch.notes
    comma = Location(5 + data.index(b"},") + 1, b",")
    assert (note.code, note.count, note.ordinal, note.location) == (COMMA, 3, 1, comma)


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1E+0400", "1e-400", "-1e-400", "9.99e399", "10e399", "0e999"]
)
@pytest.mark.parametrize("count", [1, 200])
def test_numbers_are_loaded_to_the_documented_ends(number: str, count: int) -> None:
    for data in lines_and_list(number, count):
        found = outcome(data, look(data))
        assert (found.accepted, found.rejects) == (count, [])
        assert canonical.record(parse(f'{{"n":{number}}}')) in found.records


@pytest.mark.parametrize(
    "number", ["1e401", "-1e401", "1.0000000000000001e400", "2e400", "9.9e-401", "1e-401"]
)
@pytest.mark.parametrize("count", [1, 200])
def test_numbers_beyond_the_documented_ends_are_rejected(number: str, count: int) -> None:
    for data in lines_and_list(number, count):
        found = outcome(data, look(data))
        assert found.accepted == count - 1
        assert [code for code, _ in found.rejects] == ["number-out-of-range"]


def lines_and_list(number: str, count: int) -> list[bytes]:
    """Return NDJSON and JSON of so many records, one of them with the number, the others with short ones."""
    objects = [f'{{"n":{index}.5}}' for index in range(count)]
    objects[count // 2] = f'{{"n":{number}}}'
    return ["\n".join(objects).encode(), f"[{','.join(objects)}]".encode()]


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        # commas beside objects
        ("x", b'{"a":1},\n{"a":2},\n', Format.NDJSON),
        ("x", b'{"a":1} , \r\n', Format.NDJSON),
        ("x", b',{"a":1}\n,{"a":2}', Format.NDJSON),
        ("x", b'{"a":1}\n,{"a":2}', Format.NDJSON),
        ("x", b'{"a":1},{"a":2}\n', Format.JSON),
        ("x", b'{"a":1},,\n', Format.JSON),
        ("x", b'[\n{"a":1},\n{"a":2}\n]', Format.JSON),
        ("x", b",a,b\n1,2,3\n", Format.CSV),
        # arrays one a line
        ("x", b"[1,2]\n[3,4]\n", Format.NDJSON),
        ("x", b'["a"],\n[3', Format.JSON),
        ("x", b"[1,2]", Format.JSON),
        ("x", b'[{"a":1}]\n[{"a":2}]', Format.JSON),
        ("x.jsonl", b'[{"a":1}]\n[{"a":2}]', Format.NDJSON),
        ("x.jsonl", b'[{"a":1},\n{"a":2}]', Format.JSON),
        # scalars
        ("x.json", b"123", Format.JSON),
        ("x.json", b' "abc"\n', Format.JSON),
        ("X.JSON", b"null", Format.JSON),
        ("x.json.gz", b"true\r\n", Format.JSON),
        ("x.geojson", b"-1.5e3", Format.JSON),
        ("x.jsonl", b'"a"\n1\n\nnull\n', Format.NDJSON),
        ("x.ndjson", b"1", Format.NDJSON),
        ("x.csv", b"123", Format.CSV),
        ("json", b"123", Format.CSV),
        ("x", b'"abc"', Format.CSV),
        # CSV, whatever its name
        ("x.json", b"id,name\n1,x\n", Format.CSV),
        ("x.json", b'"id","name"\n"1","x"\n', Format.CSV),
        ("x.json", b'"name"\nAda\n', Format.CSV),
        ("x.jsonl", b"id\n1\n2\n", Format.CSV),
        ("x.json", b"NaN\n", Format.CSV),
        # JSON, whatever its name
        ("x.csv", b'{"a":1}\n', Format.NDJSON),
        ("x.csv", b'[{"a":1}]\n', Format.JSON),
    ],
)
def test_the_format_is_recognised_by_the_content_then_by_the_name(
    name: str, data: bytes, form: Format
) -> None:
    assert detect(data, filename=name).dialect.format is form


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_scalars_and_arrays_are_rejected_one_by_one(name: str) -> None:
    for data, offsets in ((b'1\n"a,b"\nnull', [0, 2, 8]), (b"[1,2]\n[3,4]\n", [0, 6])):
        found = outcome(data, detect(data, filename=name).dialect)
        assert (found.accepted, found.rejects) == (0, [("not-an-object", offset) for offset in offsets])


def test_numbers_stay_what_they_are() -> None:
    data = b'{"id":9007199254740993,"x":0.10000000000000000001,"y":1.50}\n'
    assert outcome(data, DIALECT).records == {'{"id":9007199254740993,"x":0.10000000000000000001,"y":1.5}'}


def test_nested_values_are_kept_and_normalised() -> None:
    data = b'{"who":{"mail":" A@B.org ","tags":["x ",null]},"none":null}'
    assert outcome(data, DIALECT).records == {'{"who":{"mail":"a@b.org","tags":["x",null]}}'}


def test_rejects_among_many_records_are_numbered_and_found() -> None:
    lines = [b'{"id":%d,"name":"Ada"}' % number for number in range(300)]
    lines[0], lines[100], lines[101], lines[299] = b"{", b"", b'{"id":1,"id":2}', b"[1]"
    lines[200] = b'{"id":"x","name":null}\r'  # fits no other, but is sound
    (block,) = outcome(b"\n".join(lines), DIALECT).blocks
    assert [(reject.record, reject.code) for reject in block.rejects] == [
        (0, "json-syntax"),
        (100, "duplicate-key"),
        (298, "not-an-object"),
    ]
    assert [reject.offset for reject in block.rejects] == [
        sum(len(line) + 1 for line in lines[:n]) for n in (0, 101, 299)
    ]
    assert block.records == 299
    assert '{"id":"x"}' in block.rows["record"].to_pylist()
