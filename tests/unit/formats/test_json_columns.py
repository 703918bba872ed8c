"""Records that are decoded together equal those decoded one by one, as `parse_record` specifies."""

import json
import random
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.formats.interface import Batch
from chalicelib.formats.json import columns as json_columns
from chalicelib.formats.json import decode as json_decode
from chalicelib.formats.json import units as json_units
from chalicelib.formats.json.batch import JsonBatch
from chalicelib.formats.json.columns import Reader
from chalicelib.formats.json.parse import parse, parse_record
from chalicelib.formats.json.units import Layout
from chalicelib.formats.ndjson import decode as ndjson
from chalicelib.reading.blocks import Segment
from chalicelib.rows import canonical, nested
from chalicelib.rows.canonical import RecordRejected
from tests.support.examples import many
from tests.support.pipeline import print_batch

Outcome = tuple[list[str], list[tuple[int, int, bytes, str, str]], int]

OFFSET = 7
BLANKS = b" \t\r"


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for a little data columns are made."""
    monkeypatch.setattr(json_columns, "LEAST", 0)


def outcome(batches: Iterable[Batch]) -> Outcome:
    """Canonical records, rejects (ordinal, offset, bytes, code, message) and the number of records."""
    records: list[str] = []
    rejects = []
    count = 0
    for batch in batches:
        printed = print_batch(batch)
        records += printed.records
        for rejection, place in printed.rejects:
            ordinal = count + rejection.ordinal
            rejects.append((ordinal, place.offset, place.raw, rejection.code, rejection.message))
        count += batch.records
    return records, rejects, count


def together(data: bytes) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_columns, "FEWEST", 1)
        patch.setattr(json_columns, "LEAST", 0)
        return outcome(ndjson.decode(Segment(OFFSET, data, regular=True)))


def one_by_one(data: bytes) -> Outcome:
    records, rejects, count, offset = [], [], 0, OFFSET
    for raw in data.split(b"\n"):
        text = without_commas(raw)
        if text.strip(BLANKS):
            try:
                records.append(by_itself(text))
            except RecordRejected as rejected:
                rejects.append((count, offset, raw, rejected.code, str(rejected)))
            count += 1
        offset += len(raw) + 1
    return records, rejects, count


def without_commas(line: bytes) -> bytes:
    text = line.strip(BLANKS)
    if text == b",":
        return b""
    if text.endswith(b","):
        line = text = text[:-1].strip(BLANKS)
    return text[1:].strip(BLANKS) if text.startswith(b",") and text != b"," else line


def by_itself(record: bytes) -> str:
    return canonical.record(parse_record(record))


# Lines of one shape, in which now and then something does not fit


def texts(*values: str) -> list[str]:
    return [json.dumps(value, ensure_ascii=False) for value in values]


INTEGERS = ["0", "-0", "7", "-17", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
DECIMALS = [
    *("1.0", "-0.0", "0.0", "1.50", "-73.98765", "1e5", "1E-7", "2.5e-8", "1e+14", "0.000001", "0.0000001"),
    *("12345678901.25", "99999999999999.5", "999999999999999.0", "9999999999.5", "0.00001234", "-1e-10"),
]
LONG = ["0.30000000000000004", "-73.98765432109876", "1234567890.1234567", "0.10000000000000000000"]
HARD = [
    *("0.1000000000000000055511151231257827", "0.30000000000000001", "9007199254740993.0", "1e15", "1e21"),
    *(
        "1e22",
        "1234567890123456e-5",
        "1e-400",
        "1e400",
        "0e999",
        "5e-324",
        "1e-308",
        "123e-39",
        "1e999999999",
    ),
    *("9223372036854775808", "123456789012345678901234", "1" + "0" * 38, "1" + "0" * 21 + ".5", "9" * 400),
    *("0." + "0" * 37 + "1", "0." + "1" * 39, "NaN", "-Infinity", "01", "1.", "+1", "- 1", ".5", "1e"),
]
TEXTS = [
    *texts(
        "x", "", " padded\t", "A@Example.COM", "2024/01/02", "2024-01-02", "2024-01-02T10:11:12Z", "10:11"
    ),
    *texts(
        "e\u0301", "\u00a0x\u3000", "\U0001f600", "\u2028", 'q"q', "b\\", "}\n{", "1.5", "null", ", 1e-400"
    ),
    *('"\\u00e9"', '"\\ud83d\\ude00"', '"\\u001f"', '"\\/"', '"' + "\u0316\u0301" * 300 + '"', '"\x7f"'),
]
BAD_TEXTS = [
    '"\\ud800"',
    '"\\udc00"',
    '"\\u0000"',
    '"\x01"',
    '"\t"',
    '"\\x"',
    '"open',
    "'x'",
    '"\0"',
    '"\udcff"',
]
OTHERS = ["{}", "[]", "[[[1]]]", '[{"a":1}]', '{"a":{"b":1}}', "[" * 101 + "]" * 101, "", "tru"]
NAMES = ["a", "b", "z", "A", "é", "", "\\u0061", "2024/01/02", '\\"', "\U0001f600", "\uffff", " a", "e\u0301"]

Shape = Any  # a list of lexemes, or a dictionary or a one-element tuple of shapes

SHAPES = st.recursive(
    st.sampled_from(
        [INTEGERS, DECIMALS + INTEGERS, LONG + DECIMALS, LONG + HARD[:4], TEXTS, ["true", "false"], ["null"]]
    ),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3) | st.tuples(inner),
    max_leaves=6,
)
ODD = [*INTEGERS, *DECIMALS, *HARD, *TEXTS, *BAD_TEXTS, *OTHERS, "true"]
AROUND = ["{}\r", " {}", "{} ", "{}{}", "{} {}", "{}}", "[{}]", "{},", "\ufeff{}", "{}\0", "", " ", "1"]
AROUND += [",{}", " , {}", "{} , \r", ",{},", ",", ",,", "{},,", ",1"]


def value(shape: Shape, dice: random.Random, odd: float) -> str:
    if dice.random() < odd:
        return dice.choice(ODD)
    if dice.random() < 0.1:
        return "null"
    space = dice.choice(["", "", " "])
    if isinstance(shape, dict):
        names = [name for name in shape if dice.random() < 0.8]
        if names and dice.random() < odd:
            names.append(dice.choice(names))
        members = [f'"{name}":{space}{value(shape[name], dice, odd)}' for name in names]
        return "{" + space + f",{space}".join(members) + space + "}"
    if isinstance(shape, tuple):
        return "[" + ",".join(value(shape[0], dice, odd) for _ in range(dice.randrange(4))) + "]"
    return str(dice.choice(shape))


def line(shape: dict[str, Shape], dice: random.Random, odd: float) -> bytes:
    members = [f'"{name}":{value(inner, dice, odd)}' for name, inner in shape.items() if dice.random() < 0.8]
    text = "{" + ",".join(members) + "}"
    if dice.random() < odd:
        text = dice.choice(AROUND).replace("{}", text)
    return text.replace("\n", "").encode("utf-8", "surrogateescape")


@st.composite
def files(draw: st.DrawFn) -> list[bytes]:
    """Lines of one shape or two."""
    dice, odd = draw(st.randoms(use_true_random=True)), draw(st.sampled_from([0, 0, 0.01, 0.1]))
    lines: list[bytes] = []
    for _ in range(draw(st.integers(1, 2))):
        shape = draw(st.dictionaries(st.sampled_from(NAMES), SHAPES, min_size=1, max_size=4))
        lines += [line(shape, dice, odd) for _ in range(draw(st.sampled_from([1, 5, 40, 200])))]
    return lines


@settings(max_examples=many(200))
@given(files(), st.sampled_from([100, 3000, 1 << 20]), st.booleans())
def test_lines_decoded_together_equal_lines_decoded_one_by_one(
    lines: list[bytes], piece: int, ended: bool
) -> None:
    data = b"\n".join(lines) + b"\n" * ended
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ndjson, "PIECE", piece)
        assert together(data) == one_by_one(data)


@settings(max_examples=many(100))
@given(files(), st.sampled_from([100, 3000, 1 << 20]), st.sampled_from([b",", b" ,\n ", b"\n"]))
def test_values_decoded_together_equal_values_decoded_one_by_one(
    lines: list[bytes], piece: int, between: bytes
) -> None:
    array = between != b"\n"
    segment = Segment(OFFSET, between.join(lines) + b"]" * array, regular=True)
    found = []
    for fewest in (1, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            for module in (json_units, json_decode):
                patch.setattr(module, "PIECE", piece)
            patch.setattr(json_columns, "FEWEST", fewest)
            patch.setattr(json_columns, "LEAST", 0)
            found.append(
                outcome(json_decode.decode(segment, Layout.ARRAY if array else Layout.SEQUENCE, first=True))
            )
    assert found[0] == found[1]


def canonical_number(lexeme: str) -> str | None:
    try:
        return canonical.record(parse(f'{{"n":{lexeme}}}'))
    except RecordRejected:
        return None


LEXEMES = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).map(repr)
SHORT = st.builds(
    lambda digits, exponent: f"{digits}e{exponent}", st.integers(0, 10**15 - 1), st.integers(-99, 99)
)


@settings(max_examples=many(500))
@given(st.lists(LEXEMES, min_size=1, max_size=8) | st.lists(DOUBLES | SHORT, min_size=1, max_size=8))
@example(["9999999999.5", "10000000000.5", "-0.0"])
@example(["1e-400", "0.5"])
@example(["999999999999999.5"])
@example(["0.5", "9007199254740993"])
@example(["999999999999999.0", "1000000000000000.0", "9007199254740993"])
def test_numbers_in_a_column_are_printed_as_single_ones(lexemes: list[str]) -> None:
    data = b"\n".join(f'{{"n":{lexeme}}}'.encode() for lexeme in lexemes)
    expected = [text for lexeme in lexemes if (text := canonical_number(lexeme)) is not None]
    assert together(data)[0] == expected


# What is read together, and what is not


def people(count: int) -> list[dict[str, Any]]:
    dice = random.Random(1)
    return [
        {
            "id": number,
            "day": f"2024-01-{number % 28 + 1:02}",
            "at": "2024-01-02T10:11:12Z",
            "active": number % 3 == 0,
            "none": None,
            "score": round(dice.uniform(-100, 100), 3),
            "name": dice.choice(["Zoë", "Bob 😀", 'Eve\n"x"']),
            "address": {"city": "York ", "geo": {"lat": dice.randrange(90) / 4}},
            "tags": dice.sample(["a", "", "c"], number % 4 % 3),
            "orders": [{"sku": f"s{n}", "price": n * 1.25, "gift": None} for n in range(number % 3)],
            "empty": {},
            "nothing": [],
        }
        | ({"rare": {"x": [1, None]}} if number % 7 == 0 else {})
        for number in range(count)
    ]


def dumped(rows: Iterable[Any], **options: Any) -> list[bytes]:
    return [json.dumps(row, **options).encode() for row in rows]


ORDINARY = {
    "nested": dumped(people(300)),
    "compact": dumped(people(300), separators=(",", ":"), ensure_ascii=False),
    "indented": dumped(people(300), indent=2),
    "line endings of Windows": [line + b"\r" for line in dumped(people(300))],
    "empty": [b"{}"] * 100,
    "integers that no double holds": dumped({"id": 2**53 + n} for n in range(100)),
    "integers that no int64 holds": dumped({"id": 2**64 + n} for n in range(100)),
    "floats of any length": dumped({"x": n / 7, "y": [n / 3, None], "z": [[n * 1e-3]]} for n in range(100)),
    "integers and floats": dumped({"x": n if n < 90 else 0.5} for n in range(100)),
    "nulls and then values": dumped({"x": None if n < 90 else {"y": n}} for n in range(100)),
    "few members of many": dumped({f"k{n % 20}": n, f"t{n % 19}": "x", "id": n} for n in range(200)),
    "members that come late": dumped({"id": n} if n < 150 else {"id": n, "x": "y"} for n in range(200)),
}


@pytest.mark.parametrize("records", ORDINARY.values(), ids=ORDINARY)
@pytest.mark.usefixtures("little")
def test_ordinary_records_are_all_read_together(records: list[bytes]) -> None:
    table, rest = Reader().read(records)
    assert list(rest) == []
    assert nested.records(table).to_pylist() == [
        canonical.record(parse(record.decode())) for record in records
    ]


@pytest.mark.usefixtures("little")
def test_ordinary_files_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JsonBatch, "value", None)
    rows = people(300)
    lines = Segment(0, b"\n".join(dumped(rows)) + b"\n", regular=True)
    values = Segment(0, b" " + json.dumps(rows, indent=1).encode()[1:], regular=True)
    expected = outcome(ndjson.decode(lines))
    assert expected[1:] == ([], 300)
    assert outcome(json_decode.decode(values, Layout.ARRAY, first=True)) == expected
    assert outcome(json_decode.decode(lines, Layout.SEQUENCE, first=True)) == expected


FLAT = dumped({"id": n, "name": "Ada", "x": n / 4, "when": "2024-01-02", "list": [n]} for n in range(100))


@pytest.mark.parametrize(
    "odd",
    [
        *(b"", b"{", b"[1]", b"1", FLAT[0] + FLAT[0], FLAT[0] + b" " + FLAT[1], b'{"id":1}}', b'{"id":01}'),
        *(b'{"id":1,"id":1}', b'{"id":"1"}', b'{"name":1}', b'{"name":"\xff"}', b'{"name":"\\ud800"}'),
        *(
            b'{"name":"\\u0000"}',
            b'{"name":"\0"}',
            b'{"id":1}\0}',
            b'{"name":"\t"}',
            b'{"x":NaN}',
            b'{"x":"1.5"}',
        ),
        *(
            b'{"x":1e-400}',
            b'{"x":0.30000000000000001}',
            b'{"list":[[1]]}',
            b'{"list":["1"]}',
            b'{"list":{"a":1}}',
        ),
        *(b'{"list":' + b"[" * 100_000 + b"}", b'{"list":' + b"[" * 200 + b"]" * 200 + b"}"),
        *(b'{"new":' * 100_000 + b"}", b'{"new":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        *(b'{"\\ud800":1}', b'{"n\\u0000":1}', b'{"id":1}{"new":2}', b'{"id":1e999}', b'{"name":tru}'),
    ],
    ids=lambda odd: f"{odd[:12]!r} {len(odd)}",
)
@pytest.mark.parametrize("place", [0, 70, 100])
@pytest.mark.usefixtures("little")
def test_one_record_that_does_not_fit_costs_the_others_nothing(odd: bytes, place: int) -> None:
    records = [*FLAT[:place], odd, *FLAT[place:]]
    table, rest = Reader().read(records)
    assert list(rest) in ([place], [])
    together_with_it = FLAT if rest else [record for record in records if is_sound(record)]
    assert nested.records(table).to_pylist() == list(map(by_itself, together_with_it))
    data = b"\n".join(records)
    assert together(data) == one_by_one(data)


def is_sound(record: bytes) -> bool:
    try:
        by_itself(record)
    except RecordRejected:
        return False
    return True


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.usefixtures("little")
def test_what_is_of_another_type_now_and_then_is_read_by_itself(
    turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": n, "amount": "n/a" if n % 10 == turn else n / 4} for n in range(1000)]
    reader, parse = Reader(), json_columns._parse
    tables = []

    def counted(data: bytes, schema: Any, unexpected: str) -> Any:
        tables.append(parse(data, schema, unexpected))
        return tables[-1]

    monkeypatch.setattr(json_columns, "_parse", counted)
    for _ in range(2):
        tables.clear()
        table, rest = reader.read(dumped(rows))
        assert list(rest) == list(range(turn, 1000, 10))
        assert table is not None
        assert table.num_rows == 900
    assert [table.num_rows for table in tables] == [900]  # it remembers which do not fit


def test_texts_are_not_taken_for_numbers() -> None:
    rows = [{"x": n / 7, "y": [n / 7]} for n in range(100)]
    for odd in ({"x": "1.5"}, {"x": 0.5, "y": ["2.5"]}, {"x": "1e-400"}):
        data = b"\n".join(dumped([*rows, odd, *rows]))
        assert together(data) == one_by_one(data)


def test_names_that_become_one_are_looked_at_one_by_one() -> None:
    data = b"\n".join(dumped([{"a": 1}, {" a": 2}, {"a": 1, "a ": None}] * 50))
    found = together(data)
    assert found == one_by_one(data)
    assert {code for _, _, _, code, _ in found[1]} == {"duplicate-key"}


def widest(records: list[bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the largest number of cells of a table that Arrow was asked for."""
    cells = [0]
    parse = json_columns._parse

    def measured(data: bytes, schema: Any, unexpected: str) -> Any:
        table = parse(data, schema, unexpected)
        cells.append(table.nbytes)
        return table

    monkeypatch.setattr(json_columns, "_parse", measured)
    began = time.process_time()
    Reader().read(records)
    assert time.process_time() - began < 60
    return max(cells)


MANY = 20_000
ATTACKS = {
    "each record has another name": dumped({f"k{n}": n} for n in range(MANY)),
    "each record has many other names": dumped(
        {f"k{n}_{m}": n for m in range(20)} for n in range(MANY // 20)
    ),
    "names go deeper and deeper": [
        b'{"a":' * (n % 90 + 1) + b"1" + b"}" * (n % 90 + 1) for n in range(MANY // 50)
    ],
    "one record has all names": dumped([{f"k{n}": n for n in range(1900)}] + [{"k0": 1}] * MANY),
    "one object in a list has all names": dumped(
        [{"a": [{f"k{n}": n for n in range(1900)}]}] + [{"a": [{}] * 100}] * (MANY // 100)
    ),
}


@pytest.mark.parametrize("records", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.usefixtures("little")
def test_no_records_become_endless_columns(records: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    assert widest(records, monkeypatch) < 40 * sum(map(len, records))


def test_columns_are_not_made_for_a_little_data() -> None:
    wide = dumped({f"k{n}": n for n in range(1000)} for _ in range(50))
    assert len(Reader().read(wide)[1]) == 50
    assert len(Reader().read(wide * 5)[1]) == 0
