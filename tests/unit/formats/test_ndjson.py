"""NDJSON: every line is accounted for, whatever the blocks."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format
from chalicelib.formats.json.parse import parse
from chalicelib.rows import canonical
from tests.support.pipeline import outcome

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


@settings(max_examples=300)
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
    assert (found.records, found.accepted, found.rejects) == (records, accepted, rejects)


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
