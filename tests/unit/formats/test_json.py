"""JSON that is not one object a line: every value is accounted for, whatever the reads and the blocks."""

import json
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Gap
from chalicelib.formats.interface import Batch
from chalicelib.formats.json import decode as json_decode
from chalicelib.formats.json import framing as json_framing
from chalicelib.formats.json import units as json_units
from chalicelib.formats.json.decode import decode
from chalicelib.formats.json.framing import LOOK_AHEAD, JsonFraming
from chalicelib.formats.json.parse import parse
from chalicelib.formats.json.units import Layout, Unit, Units, Window, container_end
from chalicelib.formats.ndjson import decode as ndjson
from chalicelib.reading.blocks import Block, RejectedRecord, Segment, cut_blocks
from chalicelib.reading.object_text import Chunk
from chalicelib.rows import canonical
from tests.support.examples import many
from tests.support.paths import SHARED
from tests.support.pipeline import print_batch

CORPUS = SHARED / "corpora/json-test-suite/test_parsing"
WHITE = b" \t\r\n"


@dataclass
class Read:
    """What became of a file."""

    records: list[str] = field(default_factory=list)  # canonical, in order
    rejects: list[tuple[str, int, bytes]] = field(default_factory=list)  # code, byte offset, beginning
    failed: str | None = None
    blocks: list[Block] = field(default_factory=list, compare=False)
    message: str = field(default="", compare=False)
    codes: Counter[str] = field(default_factory=Counter, compare=False)  # of rejects, each that is alike


def chunks(data: bytes, size: int) -> Iterator[Chunk]:
    for start in range(0, len(data), size):
        yield Chunk(data[start : start + size])


def layout_of(*, array: bool) -> Layout:
    return Layout.ARRAY if array else Layout.SEQUENCE


def start_of(data: bytes, *, array: bool) -> int:
    start = json_units.array_start(data, 0) if array else 0
    assert start is not None
    return start


@dataclass(frozen=True)
class Sizes:
    block: int = 1 << 20
    chunk: int = 1 << 20
    max_record: int = 1 << 20


DEFAULT = Sizes()


def blocks_of(data: bytes, gap: Gap, sizes: Sizes, *, array: bool) -> Iterator[Block]:
    data_start = start_of(data, array=array)
    start, end = max(gap.start, data_start), len(data) if gap.end is None else gap.end
    return cut_blocks(
        chunks(data[start:end], sizes.chunk),
        gap,
        data_start=data_start,
        block_size=sizes.block,
        framing=JsonFraming(layout_of(array=array), sizes.max_record, to_end=end == len(data)),
    )


def read(data: bytes, sizes: Sizes = DEFAULT, *, array: bool) -> Read:
    """Cuts and reads a file, and checks on the way what must hold of any blocks."""
    found, position = Read(), 0
    data_start = start_of(data, array=array)
    try:
        for block in blocks_of(data, Gap(0, len(data)), sizes, array=array):
            assert block.start == position < block.end
            position = block.end
            found.blocks.append(block)
            for segment in block.segments:
                collect(segment, found, array=array, first=segment.offset == data_start)
    except JobFailed as failure:
        found.failed, found.message = failure.code, failure.message
    else:
        assert position == len(data)
    numbers = [block.no for block in found.blocks]
    assert numbers == sorted(set(numbers))
    return found


def collect(segment: Segment | RejectedRecord, found: Read, *, array: bool, first: bool) -> None:
    if isinstance(segment, RejectedRecord):
        found.rejects.append((segment.code, segment.offset, segment.raw))
        found.codes[segment.code] += 1
        return
    for batch in decode(segment, layout_of(array=array), first=first):
        add(batch, found)


def add(batch: Batch, found: Read) -> None:
    printed = print_batch(batch)
    found.records += printed.records
    found.rejects += [(rejection.code, place.offset, place.raw) for rejection, place in printed.rejects]
    for rejection, _ in printed.rejects:
        found.codes[rejection.code] += rejection.repeats + 1


def detected(data: bytes) -> bool | None:
    """Whether the file is an array; None without a first token."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip(WHITE)
    return text.startswith(b"[") if text else None


# The specification once more, byte by byte and over the whole file.


def reference(data: bytes, *, array: bool, max_record: int) -> Read:
    found, end = Read(), start_of(data, array=array)
    first = True
    while True:
        end = blanks_end(data, end, max_record)
        visible = data[: end + LOOK_AHEAD * max_record]
        comma, start = passed(visible, end, array=array)
        if array and not comma and visible[start : start + 1] == b"]":
            if rest := data[start + 1 :].lstrip(WHITE):
                found.rejects.append(("trailing-content", len(data) - len(rest), rest[:1000]))
            return found
        if start == len(data) and not array:
            return found
        ended = len(visible) == len(data) and not array
        junk, stop = unit_end(visible, start, array=array, ended=ended)
        if stop is None:
            found.failed = "truncated-file" if len(visible) == len(data) else "json-syntax"
            return found
        if stop - start > max_record:
            found.rejects.append(("record-too-large", start, data[start:stop][:1000]))
        else:
            account(found, data, (end, comma, start, junk, stop), array=array, first=first)
        end, first = stop, False


def blanks_end(data: bytes, at: int, size: int) -> int:
    while not data[at : at + size].strip(WHITE) and at + size <= len(data):
        at += size
    return at


def passed(data: bytes, at: int, *, array: bool) -> tuple[bool, int]:
    comma = False
    while at < len(data) and (data[at] in WHITE or (array and data[at] == ord(",") and not comma)):
        comma = comma or data[at] == ord(",")
        at += 1
    return comma, at


def unit_end(data: bytes, at: int, *, array: bool, ended: bool) -> tuple[int, int | None]:
    """Where junk from ``at`` on ends, and where the unit does."""
    start, depth, inside, junk = at, 0, False, None
    stops = b",]" if array else WHITE
    while at < len(data):
        byte = data[at]
        if byte == ord("\\") and (inside or data[at + 1 : at + 2] in (b'"', b"\\")):
            at += 2
            continue
        if byte == ord('"'):
            inside = not inside
        elif inside:
            pass
        elif byte in b"{[":
            if depth == 0 and at > start and not array:
                return at, at
            junk = at if depth == 0 else junk
            depth += 1
        elif depth:
            depth -= byte in b"]}"
            if depth == 0:
                assert junk is not None
                return junk, at + 1
        elif byte in stops:
            return at, at
        at += 1
    return len(data), len(data) if ended and not inside and not depth else None


def account(
    found: Read, data: bytes, unit: tuple[int, bool, int, int, int], *, array: bool, first: bool
) -> None:
    begin, comma, start, junk, stop = unit
    raw = data[start:junk].rstrip(WHITE)
    if array and comma and first:
        found.rejects.append(("json-syntax", data.index(b",", begin), b","))
    if array and not comma and not first and start == junk < stop:
        found.rejects.append(("json-syntax", start, data[start:stop]))
    if start == stop:
        found.rejects.append(("json-syntax", start, b","))
    elif raw == b"," and not array:
        pass  # passed over
    elif start < junk:
        alone = junk == stop and (comma or first or not array)
        found.rejects.append((code_of(raw) or "not-an-object" if alone else "json-syntax", start, raw))
    if junk < stop:
        code = "not-an-object" if data[junk] == ord("[") else code_of(data[junk:stop])
        if code:
            found.rejects.append((code, junk, data[junk:stop]))
        else:
            found.records.append(canonical.record(parse(data[junk:stop].decode())))


def code_of(raw: bytes) -> str | None:
    if b"\0" in raw:
        return "nul-character"
    try:
        value = parse(raw.decode())
        canonical.record(value if isinstance(value, dict) else {})
    except UnicodeDecodeError:
        return "encoding-error"
    except canonical.RecordRejected as rejected:
        return rejected.code
    return None if isinstance(value, dict) else "not-an-object"


TOKENS = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b'\\"', b" ", b"\n", b"x", b"1", b"\0", b"\xff"),
    *(b'{"a":1}', b'{"b":[{"c":"]}"}]}', b'{"d":"\\"{"}', b"{}", b"[]", b'"a,]"', b"null", b'{"e":NaN}'),
    *(
        b",\n  ",
        b", ",
        b'{\n  "f": "\xc3\xa9"\n}',
        b'{"g":1,"g":2}',
        b" " * 20,
        b'{"h":"' + b"y" * 30 + b'"}',
    ),
)
NASTY = st.lists(st.sampled_from(TOKENS), max_size=30).map(b"".join)
RUNS = st.lists(  # of tokens, and of two of them in turn
    st.tuples(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=2), st.integers(1, 9)), max_size=6
).map(lambda runs: b"".join(b"".join(tokens) * times for tokens, times in runs))
TIDY = st.lists(
    st.sampled_from([token for token in TOKENS if token[:1] in b'{[n"1' and len(token) > 2]), max_size=20
)
SIZES = st.integers(1, 60)
LIMITS = st.sampled_from([1, 5, 17, 1000])


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Draw data; for an array, without its leading `[`."""
    array = draw(st.booleans())
    if draw(st.booleans()):
        return draw(NASTY), array
    if draw(st.booleans()):
        return draw(RUNS), array
    between = draw(st.sampled_from([b",", b" , ", b",\n  ", b",,"] if array else [b"", b" ", b"\n\n"]))
    data = between.join(draw(TIDY))
    return data + (draw(st.sampled_from([b"]", b"\n]\n", b",]", b"] x", b""])) if array else b""), array


@settings(max_examples=many(1000), deadline=None)
@given(
    files(),
    st.builds(Sizes, SIZES, SIZES, LIMITS),
    st.sampled_from([5, 64, json_units.PIECE]),
    st.sampled_from([2, 3, 32]),
)
@example((b'{"a":1} {"b":2}]', True), Sizes(4, 1, 1000), 5, 32)
@example((b",,{},]", True), Sizes(1, 1, 1), 5, 32)
@example((b" " * 50 + b"{}" + b" " * 50 + b",{}" + b" " * 50 + b"]", True), Sizes(7, 3, 5), 64, 32)
@example((b'{"a":"\\\\"}{}"', False), Sizes(7, 3, 1000), 64, 32)
def test_any_cut_gives_what_one_look_at_the_whole_gives(
    file: tuple[bytes, bool], sizes: Sizes, piece: int, fewest: int
) -> None:
    data, array = file
    data = b"[" + data if array else data
    with pytest.MonkeyPatch.context() as patch:
        for module in (json_units, json_decode, json_framing):
            patch.setattr(module, "PIECE", piece)
        patch.setattr(json_units, "_FEWEST", fewest)
        patch.setattr(json_decode, "MOST_UNITS", piece)
        found = read(data, sizes, array=array)
        expected = reference(data, array=array, max_record=sizes.max_record)
        if expected.failed is None:
            assert (found.records, found.failed) == (expected.records, None)
            assert found.codes == Counter(code for code, *_ in expected.rejects)
            assert Counter(found.rejects) <= Counter(expected.rejects)
            assert_every_gap_is_cut_alike(data, found.blocks, sizes, array=array)
        else:
            assert found.failed == expected.failed
            assert found.records == expected.records[: len(found.records)]
            assert found.codes <= Counter(code for code, *_ in expected.rejects)
            assert Counter(found.rejects) <= Counter(expected.rejects)
        whole = read(data, replace(sizes, chunk=max(len(data), 1)), array=array)
        assert (found.blocks, found.message) == (whole.blocks, whole.message)


def assert_every_gap_is_cut_alike(data: bytes, blocks: list[Block], sizes: Sizes, *, array: bool) -> None:
    for first in range(len(blocks)):
        for last in {first, (first + len(blocks)) // 2, len(blocks) - 1}:
            gap = Gap(blocks[first].start, blocks[last].end)
            assert list(blocks_of(data, gap, sizes, array=array)) == blocks[first : last + 1]


def read_slowly(window: Window) -> Units:
    """Read the units one by one, as the specification of the others has it."""
    units, at = Units(), window.at
    while (following := json_units.unit(window, at)) is not None:
        at = following.end
        if following.value < 0:
            units.closing = at
            break
        append(units, following)
    return units


def append(units: Units, unit: Unit) -> None:
    for column, value in zip((units.commas, units.starts, units.values, units.ends), unit, strict=True):
        column.append(value)  # type: ignore[attr-defined]


def expanded(scanned: Iterable[Units]) -> Units:
    """Put the units together, each of those that are repeats by itself."""
    whole = Units()
    for units in scanned:
        assert whole.closing is None
        rows = zip(units.commas, units.starts, units.values, units.ends, strict=True)
        for row in map(Unit._make, rows):
            append(whole, row)
        for number in range(1, units.repeats + 1):
            places = (place + number * units.period for place in (row.start, row.value, row.end))
            append(whole, Unit(row.comma, *places))
        whole.closing = units.closing
    return whole


@settings(max_examples=many(1000), deadline=None)
@given(file=files(), ended=st.booleans(), begin=st.integers(0, 3), fewest=st.sampled_from([2, 3, 32]))
@example(file=(b'{"a":"\\\\"},{"b":"\\\\\\""},{}', True), ended=False, begin=0, fewest=2)
@example(file=(b"{},}{},{}", True), ended=False, begin=0, fewest=2)
@example(file=(b",1" * 9 + b"2]", True), ended=False, begin=0, fewest=2)
@example(file=(b"," * 99 + b" 1]", True), ended=False, begin=0, fewest=32)
@example(file=(b" 1" * 99, False), ended=True, begin=0, fewest=32)
def test_the_fast_reader_finds_what_the_slow_one_finds(
    file: tuple[bytes, bool], ended: bool, begin: int, fewest: int
) -> None:
    data, array = file
    window = Window(data, min(begin, len(data)), len(data), layout_of(array=array), ended)
    slow = read_slowly(window)
    fast = json_units.regular(window)
    count = len(fast.ends)
    assert (fast.commas, fast.starts, fast.values, fast.ends) == (
        slow.first(count).commas,
        slow.first(count).starts,
        slow.first(count).values,
        slow.first(count).ends,
    )
    if fast.open:
        assert len(slow.ends) == count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_units, "_FEWEST", fewest)
        assert expanded(json_units.scan(window)) == slow


def test_regular_arrays_are_read_by_the_fast_reader_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_units, "unit", None)
    rows = [{"n": n, "s": 'a "b" \\ }', "l": [{}, []]} for n in range(50)]
    for data, array in ((json.dumps(rows, indent=2), True), ("\n".join(map(json.dumps, rows)), False)):
        window = Window(data.encode(), int(array), len(data) - 2, layout_of(array=array), ended=False)
        units = json_units.regular(window)
        assert len(units.ends) >= 49


OBJECT = b'{"a":1}'


@pytest.mark.parametrize(
    ("data", "accepted", "rejects"),
    [
        (b"[]", 0, []),
        (b" \n[ \n] \n", 0, []),
        (b'[{"a":1}]', 1, []),
        (b'\t[\r\n{"a":1}\r\n,\r\n{"a":1}\r\n]\r\n', 2, []),
        (b'{"a":1}', 1, []),
        (b'{"a":1}{"a":1}\n\n{\n"a": 1}\n', 3, []),
        # not objects
        (b'[1,"a,]",true,[{}],{"a":1}]', 1, [(1, "1"), (3, '"a,]"'), (9, "true"), (14, "[{}]")]),
        (b'1 "a b" null [1] {"a":1}', 1, [(0, "1"), (2, '"a b"'), (8, "null"), (13, "[1]")]),
        (b"[-0.5e+3, 1E9999999999]", 0, [(1, "-0.5e+3"), (10, "1E9999999999")]),
    ],
)
def test_values_that_are_not_objects_are_rejected(
    data: bytes, accepted: int, rejects: list[tuple[int, str]]
) -> None:
    found = read(data, array=bool(detected(data)))
    assert found.failed is None
    assert found.records == ['{"a":1}'] * accepted
    assert found.rejects == [("not-an-object", offset, raw.encode()) for offset, raw in rejects]


@pytest.mark.parametrize(
    ("data", "accepted", "rejects"),
    [
        # commas: one too many at the beginning, between values, at the end; none where one is due
        (b'[,{"a":1}]', 1, [(1, b",")]),
        (b'[{"a":1},,{"a":1}]', 2, [(9, b",")]),
        (b'[{"a":1}, ,\n, {"a":1}]', 2, [(10, b","), (12, b",")]),
        (b'[{"a":1},]', 1, [(9, b",")]),
        (b"[,]", 0, [(1, b","), (2, b",")]),
        (b'[{"a":1} {"a":1}]', 2, [(9, OBJECT)]),
        (b'[{"a":1}{"a":1}]', 2, [(8, OBJECT)]),
        (b'[{"a":1} 1, {"a":1}]', 2, [(9, b"1")]),
        (b"[1 2]", 0, [(1, b"1 2")]),
        # junk
        (b'[{"a":1}, some junk, {"a":1}]', 2, [(10, b"some junk")]),
        (b'[junk {"a":1}]', 1, [(1, b"junk")]),
        (b'[{"a":1} junk {"a":1} ]', 2, [(9, b"junk")]),
        (b'[{"a":1} "}" , {"a":1}]', 2, [(9, b'"}"')]),
        (b'[{"a":1}}, {"a":1}]', 2, [(8, b"}")]),
        (b'[{"a":1}, \\", {"a":1}]', 2, [(10, b'\\"')]),
        (b'{"a":1},\n{"a":1}]', 2, [(16, b"]")]),
        (b'{"a":1},,{"a":1}', 2, [(7, b",,")]),
        (b'{"a":1} tru{"a":1}', 2, [(8, b"tru")]),
        (b'\xef\xbb\xbf{"a":1}', 1, [(0, b"\xef\xbb\xbf")]),  # detection takes the first mark away
        # balanced, but invalid inside
        (b'[{"a":tru}, {"a":1}]', 1, [(1, b'{"a":tru}')]),
        (b'[{"a":"\\x"}, {"a":1}]', 1, [(1, b'{"a":"\\x"}')]),
        (b'[{"a":[}], {"a":1}]', 1, [(1, b'{"a":[}]')]),
        (b'[{"a":"\n"}, {"a":1}]', 1, [(1, b'{"a":"\n"}')]),
        (b'[{"a":1,}, {"a":1}]', 1, [(1, b'{"a":1,}')]),
        (b'{"a":NaN}{"a":1}{a:1}', 1, [(0, b'{"a":NaN}'), (16, b"{a:1}")]),
    ],
)
def test_broken_syntax_is_rejected_at_its_place(
    data: bytes, accepted: int, rejects: list[tuple[int, bytes]]
) -> None:
    for size in (1, 3, 1000):
        found = read(data, Sizes(size, size), array=bool(detected(data)))
        assert found.failed is None
        assert found.records == ['{"a":1}'] * accepted
        assert found.rejects == [("json-syntax", offset, raw) for offset, raw in rejects]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b'{"a":1,"a":1}', "duplicate-key"),
        (b'{"a":"\0"}', "nul-character"),
        (b'{"a":"\\u0000"}', "nul-character"),
        (b'{"a":"\xff"}', "encoding-error"),
        (b'{"a":"\\ud800"}', "encoding-error"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "too-deep"),
        (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too-deep"),
        (b'{"a":1e999}', "number-out-of-range"),
        (b"[" * 10_000 + b"]" * 10_000, "not-an-object"),
    ],
)
def test_a_value_that_cannot_be_stored_is_rejected_alone(value: bytes, code: str) -> None:
    for data, offset in ((b'[{"a":1},' + value + b',{"b":2}]', 9), (b'{"a":1}' + value + b'{"b":2}', 7)):
        found = read(data, array=offset == 9)
        assert found.records == ['{"a":1}', '{"b":2}']
        assert found.rejects == [(code, offset, value)]


def test_records_keep_their_order_among_what_is_none() -> None:
    objects = [b'{\n  "id": %d,\n  "name": "Ada"\n}' % number for number in range(300)]
    objects[100], objects[200], objects[250] = b"junk", b'{"id": "x"}', b'{"id": tru}'
    for between, array in ((b",", True), (b" , ", True), (b"\n", False)):
        data = b"[" * array + between.join(objects) + b"]" * array
        found = read(data, array=array)
        numbers = [json.loads(record)["id"] for record in found.records]
        assert numbers == [n if n != 200 else "x" for n in range(300) if n not in (100, 250)]
        assert found.rejects == [
            ("json-syntax", data.index(objects[number]), objects[number]) for number in (100, 250)
        ]


def test_messages_are_sentences() -> None:
    data = b'[,{"a":tru} {"a":1}, x {}, 1, "a" b,]'
    segment = Segment(0, data[1:-1], regular=True)
    (batch,) = decode(segment, Layout.ARRAY, first=True)
    assert [rejection.message for rejection, _ in print_batch(batch).rejects] == [
        "The list begins with a comma: a value is missing before it.",
        "The record is not valid JSON at character 6: Expecting value.",
        "There is no comma between this value and the one before it.",
        "This text is between values, but is not a value.",
        "The record is JSON, but not an object in braces { }.",
        "The record is not valid JSON at character 5: Extra data.",
        "A comma has no value after it.",
    ]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_what_comes_after_the_end_of_the_list_is_one_reject(chunk: int) -> None:
    data = b'[{"a":1}]\n \n{"b":2}, more\n' + b"x" * 5000
    found = read(data, Sizes(block=4, chunk=chunk), array=True)
    assert found.records == ['{"a":1}']
    assert found.rejects == [("trailing-content", 12, data[12:1012])]
    assert found.blocks[-1].end == len(data)


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_a_value_over_the_limit_is_set_apart_alone(chunk: int) -> None:
    large = b'{"a":"' + b"y" * 500 + b'"}'
    sizes = Sizes(16, chunk, 100)
    found = read(b'[{"a":1},\n ' + large + b' ,{"b":2}]', sizes, array=True)
    assert found.records == ['{"a":1}', '{"b":2}']
    assert found.rejects == [("record-too-large", 11, large)]
    found = read(b'{"a":1}\n\n' + large + large + b'{"b":2}', sizes, array=False)
    assert found.records == ['{"a":1}', '{"b":2}']
    assert found.rejects == [("record-too-large", 9, large), ("record-too-large", 517, large)]


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
@pytest.mark.parametrize("opening", [b'{"a":{', b'{"a":"', b"[["])
def test_a_value_that_is_never_closed_fails_the_job(chunk: int, opening: bytes) -> None:
    data = b'[{"a":1},\n' + opening + b" " * (LOOK_AHEAD * 100) + b"]"
    found = read(data, Sizes(4, chunk, 100), array=True)
    assert found.failed == "json-syntax"
    assert found.message.startswith(
        "The value that begins at byte 10 does not end within 3,200 bytes: a brace"
    )
    assert found.records == ['{"a":1}']
    assert found.blocks[-1].end == 8


@pytest.mark.parametrize("chunk", [1, 1 << 20])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[", "The file ends at byte 1 without the ] that ends the list: it was cut short."),
        (b"[ \n", "The file ends at byte 3 without the ] that ends the list: it was cut short."),
        (b'[{"a":1}', "The file ends at byte 8 without the ] that ends the list: it was cut short."),
        (b'[{"a":1}, ', "The file ends at byte 10 without the ] that ends the list: it was cut short."),
        (
            b'[{"a":1},{"a":1',
            "The file ends at byte 15, within the value that begins at byte 9: it was cut short.",
        ),
        (
            b'[{"a":1},2',
            "The file ends at byte 10, within the value that begins at byte 9: it was cut short.",
        ),
        (b'{"a":1}\n{', "The file ends at byte 9, within the value that begins at byte 8: it was cut short."),
        (b'{"a":1}"b', "The file ends at byte 9, within the value that begins at byte 7: it was cut short."),
    ],
)
def test_a_file_that_was_cut_short_fails_with_a_message_that_says_so(
    data: bytes, message: str, chunk: int
) -> None:
    for block in (1, 8, 1000):
        found = read(data, Sizes(block, chunk), array=data.startswith(b"["))
        assert (found.failed, found.message) == ("truncated-file", message)


def test_no_gap_is_left_where_only_the_end_of_the_list_is_missing() -> None:
    whole = read(b'[{"a":1},{"b":2}]', Sizes(block=8), array=True)
    assert [(block.start, block.end) for block in whole.blocks] == [(0, 8), (8, 16), (16, 17)]
    short = read(b'[{"a":1},{"b":2}', Sizes(block=8), array=True)
    assert [(block.start, block.end) for block in short.blocks] == [(0, 8)]


MIB = 1 << 20


ATTACKS = (
    *(
        b"[" * 4 * MIB,
        b"{" * 4 * MIB,
        b'"' * 4 * MIB,
        b"\\" * 4 * MIB,
        b'{"' + b"\\" * 4 * MIB,
        b"[]" * (MIB // 4),
    ),
    *(
        b'{"a":"' + b"y" * 10 * MIB,
        b"[" * MIB + b"]" * MIB,
        b"x" * 40 * MIB,
        b" " * 20 * MIB,
        b"[" * 16 * MIB,
    ),
    *((b'{"a":"' + b"y" * 2 * MIB + b'"},') * 20, b"{}," * 100_000, b"," * 100_000, b"1," * 50_000),
    *(
        b"{}{}," * 25_000,
        b"x{}," * 25_000,
        b"{" + b'"' * 4 * MIB,
        b'{"":[' * (MIB // 4),
        b'{"a":1}' + b" " * 40 * MIB,
    ),
)


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack[:6]!r} {len(attack)}")
def test_no_input_takes_long(attack: bytes, array: bool) -> None:
    data = b"[" + attack + b"]" if array else attack
    began = time.process_time()
    found = read(data, Sizes(block=4 * MIB, chunk=64 << 10), array=array)
    assert time.process_time() - began < 100  # seconds; quadratic would be hours
    assert found.failed in (None, "json-syntax", "truncated-file")


def test_an_array_is_read_in_constant_memory() -> None:
    size = 64 * MIB
    row = b'{"name": "Ada", "note": "' + b"x" * 2000 + b'"},\n'

    def stream() -> Iterator[Chunk]:
        for _ in range(size // MIB):
            yield Chunk(row * (MIB // len(row)))
        yield Chunk(b"{}] " + b" " * MIB)
        for _ in range(8):
            yield Chunk(b"more" * MIB)

    tracemalloc.start()
    try:
        framing = JsonFraming(Layout.ARRAY, max_record=MIB, to_end=True)
        found = Read()
        for block in cut_blocks(stream(), Gap(0, None), data_start=1, block_size=2 * MIB, framing=framing):
            for segment in block.segments:
                collect(segment, found, array=True, first=segment.offset == 1)
            assert set(found.records) <= {"{}", *found.records[:1]}
            found.records.clear()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [code for code, _, _ in found.rejects] == ["trailing-content"]
    assert peak < 24 * MIB


@pytest.mark.parametrize("chunk", [5, MIB])
def test_white_space_without_end_is_cut_too(chunk: int) -> None:
    space = b" " * 1000
    data = b"[" + space + b'{"a":1}' + space + b"," + space + b'{"b":2}' + space + b"]" + space
    found = read(data, Sizes(100, chunk, 50), array=True)
    assert (found.records, found.rejects, found.failed) == (['{"a":1}', '{"b":2}'], [], None)
    assert len(found.blocks) > 20
    found = read(data[1:].replace(b",", b"").replace(b"]", b""), Sizes(100, chunk, 50), array=False)
    assert (found.records, found.rejects, found.failed) == (['{"a":1}', '{"b":2}'], [], None)


# https://github.com/nst/JSONTestSuite: y_ must be accepted, n_ rejected, i_ may be either

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the JSON test suite is not at {CORPUS}")
FILES = sorted(CORPUS.glob("*.json"))
REFUSED = {  # valid JSON that is not a record here
    "y_object_duplicated_key.json": "duplicate-key",
    "y_object_duplicated_key_and_value.json": "duplicate-key",
    "y_object_escaped_null_in_key.json": "nul-character",
}


def is_of_objects(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and all(isinstance(item, dict) for item in value)
    )


def assert_as_expected(name: str, text: bytes, found: Read) -> None:
    if name in REFUSED:
        assert [code for code, _, _ in found.rejects] == [REFUSED[name]]
    elif name.startswith("n_"):
        assert found.failed or found.rejects
    elif name.startswith("y_") and is_of_objects(value := json.loads(text)):
        assert (found.failed, found.rejects) == (None, [])
        assert len(found.records) == (len(value) if isinstance(value, list) else 1)


@needs_corpus
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_json_test_suite_is_loaded_or_refused_as_whole_files(file: Path) -> None:
    data = file.read_bytes()
    text = data.removeprefix(b"\xef\xbb\xbf")
    array = detected(data)
    if array is None:
        return  # no value at all: detection says so
    for sizes in (DEFAULT, Sizes(1, 1), Sizes(3, 2, 1000)) if len(data) < 1000 else (DEFAULT,):
        assert_as_expected(file.name, text, read(text, sizes, array=array))


@needs_corpus
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_json_test_suite_is_loaded_or_rejected_as_lines(file: Path) -> None:
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if file.name.startswith("y_"):
        text = text.replace(b"\n", b" ")  # white space: a line feed in a string would be not JSON
        if text.lstrip().startswith(b"["):
            return
    found = Read()
    for batch in ndjson.decode(Segment(0, text, regular=True)):
        add(batch, found)
    if text.strip(WHITE):  # else there are no records
        assert_as_expected(file.name, text, found)


@needs_corpus
def test_the_json_test_suite_is_complete() -> None:
    assert len(FILES) == 318
    named = [
        file for file in FILES if file.name.startswith("y_") and is_of_objects(json.loads(file.read_bytes()))
    ]
    assert len(named) == 14


def _closes_at(data: bytes) -> int | None:
    """Return the length of the container that the text begins with, byte by byte; None without an end."""
    depth = at = 0
    inside = False
    while at < len(data):
        byte = data[at : at + 1]
        if byte == b"\\" and data[at + 1 : at + 2] in (b'"', b"\\"):
            at += 1
        elif byte == b'"':
            inside = not inside
        elif not inside and byte in b"{[":
            depth += 1
        elif not inside and byte in b"}]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return None


_LONG_TOKENS = st.tuples(
    st.sampled_from([b"{", b"[", b"]", b"}", b'"', b"\\", b'\\"', b'"x"', b'"{"', b"{}", b"a"]),
    st.sampled_from([1, 1, 2, 3, 2047, 2048, 9000]),
).map(lambda it: it[0] * it[1])


@given(st.lists(_LONG_TOKENS, min_size=1, max_size=9).map(b"".join))
@example(b"[" + b"x" * 2047 + b'\\\\"]"]')
@example(b'["' + b"x" * 2045 + b'\\"]"]')
def test_the_end_of_a_long_container_is_found_as_byte_by_byte(text: bytes) -> None:
    data = b"[" + text

    assert container_end(data, 0, len(data)) == _closes_at(data)
