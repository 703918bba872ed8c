"""Records inside an envelope: loaded by their path, whatever is around them; told where none is declared."""

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Dialect, Format, Gap
from chalicelib.formats import format_of
from chalicelib.formats.json import envelope, scanner
from chalicelib.formats.json.envelope import find_records, tokens_of
from chalicelib.formats.json.parse import parse
from chalicelib.formats.json.units import Layout
from chalicelib.reading.blocks import Block, cut_blocks
from chalicelib.reading.object_text import Chunk
from chalicelib.rows import canonical
from tests.support.examples import many
from tests.support.json_documents import (
    draw_envelope,
    draw_envelope_of_one,
    draw_envelopes,
    draw_lines,
    draw_record,
)
from tests.support.pipeline import Outcome, detect, look, outcome, read_file

MIB = 1 << 20


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def blocks_of(data: bytes, dialect: Dialect, gap: Gap, *, block_size: int, chunk: int) -> list[Block]:
    """Cut a gap of a file as a worker does."""
    start, end = max(gap.start, dialect.data_start), len(data) if gap.end is None else gap.end
    framing = format_of(dialect).framing(dialect, MIB, to_end=end == len(data))
    chunks = map(Chunk, pieces(data[start:end], chunk))
    return list(
        cut_blocks(chunks, gap, data_start=dialect.data_start, block_size=block_size, framing=framing)
    )


def read_by_path(data: bytes, pointer: str, *, block_size: int, chunk: int) -> Outcome:
    dialect = look(data, Format.JSON, records=pointer)
    return outcome(data, dialect, block_size=block_size, chunk=chunk)


def canonical_of(record: Any) -> str:
    return canonical.record(parse(json.dumps(record)))


NAMES = st.text(st.sampled_from('abd~/"\\é{}[]:,01'), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('ab"\\{}[],: é'), max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.sampled_from(["id", "name", "key", "key_2", "é"]), VALUES, max_size=3)


@st.composite
def enveloped(draw: st.DrawFn, records: st.SearchStrategy[Any]) -> tuple[bytes, str, Any]:
    """Draw a document, the path of a value in it, and the value."""
    inner = value = draw(records)
    tokens: list[str] = []
    for _ in range(draw(st.integers(0, 3))):
        before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        if draw(st.booleans()):
            name = draw(NAMES)
            others = draw(st.lists(NAMES, min_size=4, max_size=4))
            members = [(f"{other}-" if other == name else other, draw(VALUES)) for other in others]
            members = [*members[:before], (name, inner), *members[2 : 2 + after]]
            inner = Members(members)
            tokens.insert(0, name)
        else:
            inner = [*(draw(VALUES) for _ in range(before)), inner, *(draw(VALUES) for _ in range(after))]
            tokens.insert(0, str(before))
    indent = draw(st.sampled_from([None, 1]))
    space = draw(st.sampled_from(["", "\n ", "\r\n"]))
    text = space + dumped(inner, "\n" * bool(indent)) + draw(st.sampled_from(["", "\n", " \n\n"]))
    pointer = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
    return text.encode(), pointer, value


class Members(list[tuple[str, Any]]):
    """An object that may have a name more than once."""


def dumped(value: Any, space: str) -> str:
    """Return JSON with white space wherever it may stand."""
    if isinstance(value, Members | dict):
        members = value.items() if isinstance(value, dict) else value
        parts = [
            f"{space}{json.dumps(name)}{space}:{space}{dumped(it, space)}{space}" for name, it in members
        ]
        return "{" + ",".join(parts) + space + "}"
    if isinstance(value, list):
        return "[" + ",".join(f"{space}{dumped(it, space)}{space}" for it in value) + space + "]"
    return json.dumps(value, ensure_ascii=False)


@settings(max_examples=many(100), deadline=None)
@given(enveloped(st.lists(RECORDS, max_size=8)), st.integers(1, 40), st.integers(1, 40))
def test_a_list_is_loaded_by_its_path_whatever_is_around_it(
    document: tuple[bytes, str, list[Any]], block_size: int, chunk: int
) -> None:
    data, pointer, records = document

    dialect = look(data, Format.JSON, records=pointer)
    found = outcome(data, dialect, block_size=block_size, chunk=chunk)

    assert (dialect.array, dialect.keyed, dialect.records) == (True, False, pointer)
    assert found.records == set(map(canonical_of, records))
    assert (found.accepted, found.rejects) == (len(records), [])
    assert dialect.data_line == data[: dialect.data_start].replace(b"\r\n", b"\n").count(b"\n")
    assert_every_gap_is_cut_alike(data, dialect, block_size, chunk)


def assert_every_gap_is_cut_alike(data: bytes, dialect: Dialect, block_size: int, chunk: int) -> None:
    blocks = blocks_of(data, dialect, Gap(0, len(data)), block_size=block_size, chunk=chunk)
    for first in {0, len(blocks) // 3, len(blocks) * 2 // 3, len(blocks) - 1}:
        for last in {first, len(blocks) - 1}:
            gap = Gap(blocks[first].start, blocks[last].end)
            again = blocks_of(data, dialect, gap, block_size=block_size, chunk=chunk)
            assert again == blocks[first : last + 1]


KEYED = st.dictionaries(st.text(st.sampled_from('ab"\\é~/'), min_size=1, max_size=5), RECORDS, max_size=8)


@settings(max_examples=many(100), deadline=None)
@given(enveloped(KEYED), st.integers(1, 40), st.integers(1, 40))
def test_objects_by_their_names_are_loaded_with_these(
    document: tuple[bytes, str, dict[str, Any]], block_size: int, chunk: int
) -> None:
    data, pointer, members = document

    dialect = look(data, Format.JSON, records=pointer)
    found = outcome(data, dialect, block_size=block_size, chunk=chunk)

    assert (dialect.array, dialect.keyed) == (False, True)
    assert found.records == {canonical_of(named(record, name)) for name, record in members.items()}
    assert (found.accepted, found.rejects) == (len(members), [])
    assert_every_gap_is_cut_alike(data, dialect, block_size, chunk)


def named(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the record with its name under the first name that is free."""
    free = next(key for key in ("key", "key_2", "key_3") if key not in record)
    return {**record, free: name}


OBJECTS = RECORDS.filter(lambda record: any(not isinstance(value, dict) for value in record.values()))


@settings(max_examples=many(100), deadline=None)
@given(enveloped(OBJECTS), st.integers(1, 40), st.integers(1, 40))
def test_an_object_that_holds_no_records_is_one(
    document: tuple[bytes, str, dict[str, Any]], block_size: int, chunk: int
) -> None:
    data, pointer, record = document

    dialect = look(data, Format.JSON, records=pointer)
    found = outcome(data, dialect, block_size=block_size, chunk=chunk)

    assert (dialect.array, dialect.keyed) == (False, False)
    assert (found.records, found.accepted, found.rejects) == ({canonical_of(record)}, 1, [])
    assert_every_gap_is_cut_alike(data, dialect, block_size, chunk)


@settings(max_examples=many(100), deadline=None)
@given(
    enveloped(st.lists(RECORDS, max_size=3) | KEYED | OBJECTS),
    st.integers(1, 10),
    st.integers(1, 40),
    st.data(),
)
def test_a_file_that_was_cut_short_fails(
    document: tuple[bytes, str, Any], block_size: int, chunk: int, data: st.DataObject
) -> None:
    whole, pointer, _ = document
    end = data.draw(st.integers(1, len(whole.rstrip()) - 1))
    if not whole[:end].strip():
        return

    with pytest.raises(JobFailed) as failure:
        read_by_path(whole[:end], pointer, block_size=block_size, chunk=chunk)
    assert failure.value.code == "truncated-file"


@settings(max_examples=many(100), deadline=None)
@given(enveloped(st.lists(RECORDS, max_size=3) | KEYED | OBJECTS), st.integers(1, 20), st.integers(0, 50))
def test_the_place_does_not_depend_on_the_reads(
    document: tuple[bytes, str, Any], size: int, limit: int
) -> None:
    data, pointer, _ = document
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope, "LOOK", limit)
        assert find_records(pieces(data, size), 7, pointer) == find_records(iter([data]), 7, pointer)


@settings(max_examples=many(200))
@given(
    VALUES,
    st.sampled_from(["", "}", ' "', "\n{"]),
    st.integers(1, 30),
    st.integers(1, 12),
    st.sampled_from(["", " "]),
)
@example({"a": 1}, "", 30, 8, "")
def test_a_value_is_passed_over_whatever_its_length(
    value: Any, behind: str, size: int, near: int, space: str
) -> None:
    text = dumped([value], space).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "NEAR", near)
        patch.setattr(scanner, "PIECE", 4 * near)
        walk = scanner.Scanner(pieces(text + behind.encode(), size), 7)
        walk.skip_value()
    assert walk.offset == 7 + len(text)


@pytest.mark.parametrize("length", [*range(2045, 2053), *range(10_238, 10_244)])
def test_no_length_of_a_file_is_taken_for_one_that_was_cut_short(length: int) -> None:
    filling = "x" * (length - len('{"data": [], "x": {"y": ""}}'))
    data = json.dumps({"data": [], "x": {"y": filling}}).encode()
    assert len(data) == length
    assert (
        len(
            detect(
                json.dumps({"data": [{"y": "x" * (length - len('{"data": [{"y": ""}]}'))}]}).encode()
            ).warnings
        )
        == 1
    )
    assert read_file(data, records="/data").accepted == 0
    assert (
        read_file(json.dumps({"x": {"y": filling}, "data": [{"a": 1}]}).encode(), records="/data").accepted
        == 1
    )


ATTACKS = st.lists(
    st.sampled_from([*'{}[]:,"\\ \n0x', '"a"', '"a":', '{"a":', '"data":[', "[[", "]]"]), max_size=25
).map("".join)


@settings(max_examples=many(400), deadline=None)
@given(ATTACKS, st.sampled_from(["", "/a", "/a/0", "/data", "/0/a"]), st.integers(1, 9), st.integers(1, 20))
@example('{"a":[{"b":1}],"a":[{"b":2}]}', "/a", 9, 20)
def test_broken_files_are_read_alike_whatever_the_reads(
    text: str, pointer: str, size: int, block_size: int
) -> None:
    data = ("{" + text).encode()

    def read(chunk: int) -> Any:
        try:
            place = find_records(pieces(data, chunk), 0, pointer)
            dialect = replace(
                look(data, Format.JSON),
                data_start=place.offset,
                records=pointer,
                array=place.layout is Layout.ARRAY,
                keyed=place.layout is Layout.MEMBERS,
            )
            return outcome(data, dialect, block_size=block_size, chunk=chunk)
        except JobFailed as failure:
            return failure.code

    assert read(size) == read(len(data))


@pytest.mark.parametrize(
    ("data", "pointer", "code", "message"),
    [
        (
            b'{"s": "ok", "count": 2}',
            "/data",
            "records-not-found",
            "There is no list of records at /data: at the top is an object with the members 's', 'count'.",
        ),
        (
            b'{"result": {"rows": []}}',
            "/result/items",
            "records-not-found",
            "There is no list of records at /result/items: at /result is an object with the members 'rows'.",
        ),
        (
            b'{"data": "none"}',
            "/data",
            "records-not-found",
            "There is no list of records at /data: at /data is a single value.",
        ),
        (
            b'{"data": 7}',
            "/data/items",
            "records-not-found",
            "There is no list of records at /data/items: at /data is a single value.",
        ),
        (
            b'[{"data": []}]',
            "/1/data",
            "records-not-found",
            "There is no list of records at /1/data: at the top is a list of 1 values.",
        ),
        (
            b"{}",
            "/a",
            "records-not-found",
            "There is no list of records at /a: at the top is an empty object.",
        ),
        (
            b'{"meta" 1, "data": []}',
            "/data",
            "json-syntax",
            "The path of the records, /data, could not be followed: the file is not valid JSON at byte 8.",
        ),
        (
            b'{"meta": {"page": 1',
            "/data",
            "truncated-file",
            "The file ends at byte 19, before the records at /data: it was cut short.",
        ),
        (
            b'{"data": [{"a": 1}], "meta": {',
            "/data",
            "truncated-file",
            "The file ends at byte 30, before the end of the envelope around the records: it was cut short.",
        ),
        (
            b'{"data": {"a": {"b": 1}',
            "/data",
            "truncated-file",
            "The file ends at byte 23 without the } that ends the records: it was cut short.",
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error_that_says_what_is_there(
    data: bytes, pointer: str, code: str, message: str
) -> None:
    with pytest.raises(JobFailed) as failure:
        outcome(data, look(data, records=pointer))
    assert (failure.value.code, failure.value.message) == (code, message)


def test_many_names_are_cut_in_a_message() -> None:
    data = json.dumps(dict.fromkeys(map(str, range(50)), "x" * 3000)).encode()
    with pytest.raises(JobFailed, match=r"members '0', .*, '9' and others\.$"):
        look(data, records="/x")


@pytest.mark.parametrize(
    ("pointer", "tokens"),
    [("", ()), ("/", ("",)), ("/a/0", ("a", "0")), ("/a~1b/~01", ("a/b", "~1")), ("/a//b", ("a", "", "b"))],
)
def test_a_path_is_a_json_pointer(pointer: str, tokens: tuple[str, ...]) -> None:
    assert tokens_of(pointer) == tokens


@pytest.mark.parametrize("block_size", [1, 10, MIB])
@pytest.mark.parametrize(
    ("data", "accepted", "rejects"),
    [
        (b'{"data":[{"a":1},2,["x"]]}', 1, [("not-an-object", 17), ("not-an-object", 19)]),
        (b'{"data":[{"a":1}],"data":[{"a":2}]}', 1, [("trailing-content", 18)]),
        (b'{"data":[{"a":1}]} \n{"data":[]}', 1, [("trailing-content", 20)]),
        (b'{"data":[{"a":1}] x, "b":1}', 1, [("trailing-content", 18)]),
        (b'{"data":[{"a":1},], "b":{}}', 1, [("json-syntax", 17)]),
        (b'{"data":{"x":{"a":1},"y":["b"]}}', 1, []),  # one record: not all of its values are objects
        (b'{"data":{"x":{"a":1},,"y":{}}}', 2, [("json-syntax", 21)]),
        (b'{"data":{"x":{"a":1} "y":{}}}', 2, [("json-syntax", 21)]),
        (b'{"data":{,"x":{"a":1}}}', 1, [("json-syntax", 9)]),
        (b'{"data":{"x":{"a":1},"y" 5}}', 1, [("json-syntax", 21)]),
        (b'{"data":{"x":{"a":1},{"a":1}}}', 1, [("json-syntax", 21)]),
        (b'{"data":{"x":{"a":1},"y":x {"a":1}}}', 0, [("json-syntax", 8)]),
        (b'{"data":{"x":{"a":tru},"y":{}}}', 1, [("json-syntax", 9)]),
        (b'{"data":{"x\xff":{"a":1},"y":{}}}', 1, [("encoding-error", 9)]),
    ],
)
def test_what_is_wrong_inside_an_envelope_is_rejected(
    data: bytes, accepted: int, rejects: list[tuple[str, int]], block_size: int
) -> None:
    found = outcome(data, look(data, records="/data"), block_size=block_size)
    assert (found.accepted, found.rejects) == (accepted, rejects)


def test_a_value_behind_many_objects_by_name_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "LOOK", 100)
    members = {f"a{number}": {"n": number} for number in range(100)} | {"count": 100, "list": [1], "s": "x\n"}
    data = json.dumps(members).encode()

    found = outcome(data, look(data, records=""), block_size=50)

    assert found.accepted == 100
    assert found.rejects == [
        ("not-an-object", data.index(b'"%s"' % name)) for name in (b"count", b"list", b"s")
    ]
    raws = [reject.raw for block in found.blocks for reject in block.rejects]
    assert raws == ['"count": 100', '"list": [1]', '"s": "x\\n"']


def test_a_large_envelope_is_read_in_little_memory() -> None:
    filling = b'"' + b"x" * 20 * MIB + b'": ["' + b"[{" * 8 * MIB + b'", {"a": [' + b"1," * MIB + b"1]}]"
    data = b"{" + filling + b', "data": [' + b'{"a": 1},' * 100 + b'{"a": 2}], ' + filling + b"}"
    tracemalloc.start()
    try:
        place = find_records(pieces(data, MIB), 0, "/data")
        dialect = replace(look(b"{}", Format.JSON), data_start=place.offset, array=True, records="/data")
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        (block,) = blocks_of_stream(data, dialect)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert data[place.offset - 1 : place.offset + 8] == b'[{"a": 1}'
    assert block.end == len(data)
    assert peak < 16 * MIB


def blocks_of_stream(data: bytes, dialect: Dialect) -> Iterator[Block]:
    chunks = (Chunk(data[at : at + MIB]) for at in range(dialect.data_start, len(data), MIB))
    framing = format_of(dialect).framing(dialect, MIB, to_end=True)
    return cut_blocks(
        chunks, Gap(0, len(data)), data_start=dialect.data_start, block_size=4 * MIB, framing=framing
    )


def test_a_list_beyond_the_head_is_found_in_any_encoding() -> None:
    text = '{"x": "' + "é" * MIB + '", "data": [{"a": "é"}, {"a": "ü"}], "y": 1}'
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        data = text.encode(encoding)
        dialect = look(data, records="/data", encoding=encoding if encoding == "latin-1" else None)
        plain = text.encode()
        start = plain.index(b'[{"a"') + 1 + (3 if encoding == "utf-8-sig" else 0)
        assert (dialect.data_start, dialect.array) == (start, True), encoding


ROWS = [{"id": number, "name": f"name {number}"} for number in range(50)]


@pytest.mark.parametrize(
    ("document", "example"),
    [
        ({"data": ROWS}, "/data: 50 records"),
        ({"data": ROWS[:2], "meta": {"page": 1, "pages": 7}}, "/data: 2 records"),
        ({"result": {"items": ROWS}, "ok": True}, "/result/items: 50 records"),
        ({"a~/b": ROWS}, "/a~0~1b: 50 records"),
        ({f"a{number}": row for number, row in enumerate(ROWS)}, '"": 50 records'),
        ({"a1": {"x": 1}, "a2": {"x": 2}}, '"": 2 records'),
        ({"users": {"u1": {"x": 1}, "u2": {"x": 2}}, "groups": {}}, "/users: 2 records"),
        (
            {"few": ROWS[:3], "data": ROWS, "more": ROWS[:20]},
            "/data: 50 records, /more: 20 records, /few: 3 records",
        ),
        ([{"data": ROWS}], "/0/data: 50 records"),
        ({"numbers": list(range(1000)), "data": ROWS}, "/data: 50 records"),
        (
            {"type": "FeatureCollection", "features": [{"geometry": {"a": [1, 2]}}] * 2},
            "/features: 2 records",
        ),
        ({"data": ROWS[:1]}, "/data: 1 record"),
        ({"data": []}, "/data: 0 records"),
        ({"users": []}, "/users: 0 records"),
        ({"meta": {"page": 1}, "items": ROWS[:1]}, "/items: 1 record"),
        (
            {"type": "FeatureCollection", "name": "x", "features": [{"type": "Feature"}]},
            "/features: 1 record",
        ),
        ({"kind": "PodList", "items": ROWS[:1], "spec": 1}, "/items: 1 record"),
        ({"company": "x", "employees": ROWS[:2]}, "/employees: 2 records"),  # the evidence is even
        ({"id": "x", "items": ROWS * 20}, "/items: 1,000 records"),
        ({"request_id": "x", "data": ROWS[:2]}, "/data: 2 records"),
        ({"status": "ok", "data": {"id": 1}}, "/data: 1 record"),
        ({"response": {"data": {"id": 1, "lines": ROWS[:2]}}}, "/response/data: 1 record"),
        ({"data": {"b": {"x": 1}}}, "/data: 1 record"),
        ({"data": {}}, "/data: 0 records"),
        ([{"data": ROWS[:1], "next": None}], "/0/data: 1 record"),
        # records that hold others, or nothing that looks like records
        ({"id": 1}, None),
        ({}, None),
        ({"id": 7, "customer": "x", "lines": ROWS[:2]}, None),
        ({"customer": "x", "items": ROWS[:2]}, None),
        ({"date": "2025-09-24", "items": ROWS[:2], "total": 12.5}, None),
        ({"number": "A-7", "items": ROWS[:2]}, None),
        ({"order_id": 7, "items": ROWS[:9]}, None),
        ({"id": 7, "items": []}, None),
        ({"tags": []}, None),
        ({"status": "ok", "warnings": []}, None),
        ({"name": "Ada", "orders": ROWS[:2]}, None),
        ({"event": "x", "data": {"id": 1}}, None),
        ({"order": {"id": 7, "total": 5}, "customer": {"id": 8, "name": "x"}}, None),
        ({"id": 7, "addresses": {"billing": {"street": "a"}, "shipping": {"street": "b"}}}, None),
        ([{"users": ROWS[:1]}], None),
        ([{"data": {"id": 1}}], None),
        ({"data": [1, 2, 3], "more": [[ROWS]]}, None),
        ({"name": {"first": "Ada"}, "address": {"street": "x"}}, None),
        (
            {"id": 7, "date": "2025-09-24", "customer": {"name": "Ada", "city": "York"}, "lines": ROWS[:2]},
            None,
        ),
        (ROWS, None),
        ([[{"data": ROWS}]], None),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_envelope_is_told_with_the_path_of_what_it_holds(
    document: Any, example: str | None, indent: int | None
) -> None:
    data = b"\xef\xbb\xbf\n " + json.dumps(document, indent=indent).encode() + b"\n"

    found = detect(data)

    assert [warning.code for warning in found.warnings] == ["json-envelope"] * (example is not None)
    for warning in found.warnings:
        assert (warning.example, warning.count, warning.offset, warning.line) == (example, 1, 5, 1)
        assert not detect(data, records=example.split(":")[0].strip('"') if example else "").warnings


def json_of(documents: list[Any], how: str) -> bytes:
    """Return a file of the documents: one a line, one after another, or as a list."""
    if how == "list":
        return json.dumps(documents, indent=1).encode()
    text = "\n".join(json.dumps(document, indent=None if how == "lines" else 1) for document in documents)
    return text.encode() + b"\n"


@pytest.mark.parametrize("how", ["lines", "one after another", "list"])
@pytest.mark.parametrize(
    ("documents", "count", "example"),
    [
        ([{"data": ROWS}] * 2, 2, "/data of each: 100 records"),
        ([{"data": ROWS[:1]}, {"data": [], "next": None}], 2, "/data of each: 1 record"),
        ([{"users": ROWS[:2], "next_cursor": "x"}] * 30, 30, "/users of each: 60 records"),
        ([{"data": ROWS[:2]}, {"error": "x"}, {"data": ROWS[:1]}], 2, "/data of each: 3 records"),
        ([{"d": {"results": ROWS}}] * 150, 100, "/d/results of each: 5,000 records"),
        # records that hold others
        ([{"data": []}] * 2, None, None),
        ([{"data": ROWS[:2]}, {"error": "x"}], None, None),
        ([{"error": "x"}] * 10 + [{"data": ROWS}] * 90, None, None),
        ([{"id": 1, "items": ROWS}] * 2, None, None),
        ([{"messages": ROWS[:2]}] * 2, None, None),
        ([{"orders": ROWS[:2]}] * 2, None, None),
        ([{"data": {"id": 1}}] * 2, None, None),
        ([{"data": {"before": {"a": 1}, "after": {"a": 2}}}] * 2, None, None),
    ],
)
def test_several_envelopes_are_told_if_their_names_show_them(
    documents: list[Any], count: int | None, example: str | None, how: str
) -> None:
    found = read_file(json_of(documents, how))

    assert [(it.code, it.count, it.example) for it in found.warnings] == (
        [("json-envelope", count, example)] if count else []
    )
    assert found.accepted == len(documents)


def test_an_envelope_with_others_behind_it_in_a_list_is_not_the_only_one() -> None:
    data = b'{"orders": [{"a": 1}, {"a": 2}]}\n{"orders": [{"a": 1'
    assert not detect(data).warnings
    assert not detect(data + b"x" * MIB).warnings
    assert detect(data.splitlines()[0]).warnings


LABELLED = 400  # documents of each kind


def share_told(files: Iterator[tuple[str, list[Any]]]) -> tuple[float, Counter[str]]:
    """Return how many of the files are told to hold envelopes, and of which kinds those that are not are."""
    silent: Counter[str] = Counter()
    for number, (kind, documents) in enumerate(islice(files, LABELLED)):
        how = ("lines", "one after another", "list")[number % 3 if len(documents) > 1 else number % 2]
        codes = {warning.code for warning in detect(json_of(documents, how)).warnings}
        assert codes <= {"json-envelope"}
        silent[kind] += not codes
    return 1 - silent.total() / LABELLED, silent


def test_nearly_all_envelopes_are_told_and_no_ordinary_record_is() -> None:
    rng = random.Random(16)
    one = ((it.kind, [it.document]) for it in iter(lambda: draw_envelope(rng), None))
    assert share_told(one)[0] >= 0.99
    around_one = ((it.kind, [it.document]) for it in iter(lambda: draw_envelope_of_one(rng), None))
    assert share_told(around_one)[0] == 1
    several = iter(lambda: draw_envelopes(rng, rng.randrange(2, 9)), None)
    assert share_told(several)[0] >= 0.95

    records = ((kind, [record]) for kind, record in iter(lambda: draw_record(rng), None))
    assert share_told(records)[0] == 0
    lines = iter(lambda: draw_lines(rng, rng.randrange(2, 9)), None)
    assert share_told(lines)[0] == 0


@settings(max_examples=many(100))
@given(st.randoms(use_true_random=False))
def test_what_is_told_is_what_the_path_loads(rng: random.Random) -> None:
    drawn = rng.choice([draw_envelope, draw_envelope_of_one])(rng)
    data = json.dumps(drawn.document).encode()
    for warning in detect(data).warnings:
        for part in warning.example.split(", "):
            path, count = part.split(": ")
            loaded = read_file(data, records=path.strip('"'))
            rejected = len(loaded.rejects)
            assert f"{loaded.accepted + rejected:,}" == count.split()[0]


def test_an_envelope_that_is_larger_than_the_head_is_told() -> None:
    rows = [{"id": number, "text": "a,]}" * 50} for number in range(10_000)]
    for document in (
        {"meta": {"x": "y" * (MIB // 2)}, "data": rows},
        {"r": {"data": rows}},
        [{"data": rows}],
    ):
        data = json.dumps(document).encode()
        (warning,) = detect(data).warnings
        path, count = warning.example.split(": at least ")
        assert path in ("/data", "/r/data", "/0/data")
        seen = data[:MIB].count(b'{"id"')
        assert seen - 1 <= int(count.split()[0].replace(",", "")) <= seen


@pytest.mark.parametrize(
    "head",
    [
        b"{" * MIB,
        b'{"a":' + b"[," * MIB,
        b'{"a":"' + b"," * MIB,
        b'{"a":[' + b"{}," * MIB,
        b"{" + b'"a":[],' * 200_000,
        b"{" + b",".join(b'"a%d":[{}],"b%d":1' % (n, n) for n in range(50_000)) + b"}",
        json.dumps({"x" * MIB: 1, "type": "a List" * (MIB // 8), "items": [{}]}).encode(),
    ],
)
def test_an_odd_head_takes_no_time_and_is_no_error(head: bytes) -> None:
    assert len(detect(head).warnings) <= 1


def test_a_declared_path_is_not_heeded_for_other_formats() -> None:
    assert look(b"a,b\n1,2\n", records="/data").format is Format.CSV
    dialect = look(b'{"data":[]}\n', Format.NDJSON, records="/data")
    assert (dialect.format, dialect.records) == (Format.NDJSON, None)
