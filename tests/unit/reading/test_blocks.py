"""Blocks count the lines of their text, however its bytes arrive and wherever reading begins."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format, Gap
from chalicelib.formats import format_of
from chalicelib.reading.blocks import Block, RejectedRecord, cut_blocks
from chalicelib.reading.lines import count_lines
from chalicelib.reading.object_text import Chunk

MAX_RECORD = 24  # bytes
PIECES = ("a", ",", '"', "\r", "\n", "\r\n", "longer than a record may be")
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1).map(lambda pieces: "".join(pieces).encode())
VALUES = ("{}", "7", ",", " ", "\r", "\n", "\r\n", '{"a":"longer than a record may be"}', "x")
ARRAYS = st.lists(st.sampled_from(VALUES)).map(lambda values: f"\n[{''.join(values)}]\r\n more".encode())


def line_endings(data: bytes, start: int, end: int) -> int:
    """Return how many lines end at a byte in ``[start, end)``: with a LF, or a CR before another byte."""
    ends = (data[at] == 10 or (data[at] == 13 and data[at + 1 : at + 2] != b"\n") for at in range(start, end))
    return sum(ends)


def cut(
    data: bytes, dialect: Dialect, *, gap: Gap | None = None, chunk: int = 7, block_size: int = 16
) -> list[Block]:
    gap = gap or Gap(0, len(data))
    framing = format_of(dialect).framing(dialect, MAX_RECORD, to_end=True)
    stop = len(data) if gap.end is None else min(gap.end + framing.look_ahead, len(data))

    def chunks() -> Iterator[Chunk]:
        for start in range(max(gap.start, dialect.data_start), stop, chunk):
            yield Chunk(data[start : min(start + chunk, stop)])

    return list(
        cut_blocks(
            chunks(),
            gap,
            data_start=dialect.data_start,
            data_line=dialect.data_line or 0,
            block_size=block_size,
            framing=framing,
        )
    )


def check(data: bytes, dialect: Dialect, block: Block) -> None:
    """Check the lines of a block and of the segments in it."""
    assert block.lines == line_endings(data, block.start, block.end)
    for segment in block.segments:
        assert segment.line == line_endings(data, block.start, segment.offset)
        raw = segment.raw if isinstance(segment, RejectedRecord) else segment.data
        assert data.startswith(raw, segment.offset)
        assert dialect.data_start <= segment.offset


@given(TEXTS)
def test_count_lines_counts_crlf_once(data: bytes) -> None:
    assert count_lines(data) == line_endings(data, 0, len(data))


@pytest.mark.parametrize("quote", ['"', ""])
@given(header=st.sampled_from([b"", b"\r\n\na,b\n", b"a\r\n", b"a\r"]), body=TEXTS, chunk=st.integers(1, 40))
@example(header=b"", body=b"a\r\n" * 9, chunk=2)
def test_csv_blocks_know_their_lines(quote: str, header: bytes, body: bytes, chunk: int) -> None:
    if header.endswith(b"\r") and body.startswith(b"\n"):
        header += b"\n"  # a header ends with its whole line ending
    data, data_line = header + body, line_endings(header, 0, len(header))
    dialect = Dialect(Format.CSV, len(header), data_line=data_line, columns=("a",), quote=quote)

    blocks = cut(data, dialect, chunk=chunk)

    assert sum(block.lines for block in blocks) == line_endings(data, 0, len(data))
    for block in blocks:
        check(data, dialect, block)
        assert cut(data, dialect, gap=Gap(block.start, block.end)) == [block]  # by a worker that resumes


@given(ARRAYS, st.integers(1, 40))
def test_json_blocks_know_their_lines(data: bytes, chunk: int) -> None:
    dialect = Dialect(Format.JSON, 2, data_line=1, array=True)

    blocks = cut(data, dialect, chunk=chunk)

    assert sum(block.lines for block in blocks) == line_endings(data, 0, len(data))
    assert [block.end for block in blocks[:-1]] == [after.start for _, after in itertools.pairwise(blocks)]
    for block in blocks:
        check(data, dialect, block)
