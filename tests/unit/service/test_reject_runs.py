"""Rejects that follow each other and are alike are one, and each record counts, whatever the file holds."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.model import Dialect, Format, Gap
from chalicelib.formats import format_of
from chalicelib.reading.blocks import cut_blocks
from chalicelib.reading.object_text import Chunk
from chalicelib.service.transform import Rejected, RejectRuns, print_block, transform
from tests.support.examples import many
from tests.support.hostile_records import SHAPES
from tests.support.pipeline import detect, outcome

SIZE = 20_000  # bytes
MOST = 25  # rejects of a file of a shape that repeats; without runs there are thousands


def cut(data: bytes, dialect: Dialect, size: int) -> list[PreparedBlock]:
    blocks = cut_blocks(
        iter([Chunk(data[dialect.data_start :])]),
        Gap(0, len(data)),
        data_start=dialect.data_start,
        data_line=dialect.data_line or 0,
        block_size=size,
        framing=format_of(dialect).framing(dialect, 1 << 20, to_end=True),
    )
    return [transform(block, dialect) for block in blocks]


def is_made_of_runs(name: str) -> bool:
    """Whether nothing in the file can be corrected, and the same is repeated."""
    others = ("two-numbers", "two-objects", "too-", "stray", "nul", "bad-utf8", "junk-and", "braces")
    return not any(other in name for other in others)


@pytest.mark.parametrize("name", [name for name in SHAPES if is_made_of_runs(name)])
def test_a_file_that_repeats_itself_has_few_rejects(name: str) -> None:
    shape = SHAPES[name]
    data = shape.file(SIZE)
    found = outcome(data, detect(data, shape.format).dialect)
    assert len(found.rejects) <= MOST


@pytest.mark.parametrize("name", SHAPES)
def test_counts_do_not_depend_on_where_blocks_end(name: str) -> None:
    shape = SHAPES[name]
    data = shape.file(3000)
    dialect = detect(data, shape.format).dialect
    counts = set()
    for size in (1 << 20, 1000, 97):
        blocks = cut(data, dialect, size)
        codes = Counter[str]()
        for reject in (reject for block in blocks for reject in block.rejects):
            codes[reject.code] += reject.count
        rejected = sum(block.rejected for block in blocks)
        assert codes.total() == rejected
        counts.add((sum(block.records for block in blocks), rejected, frozenset(codes.items())))
    assert len(counts) == 1


CELLS = st.sampled_from([b",", b"1,2", b" ,", b'"",', b"", b"x", b"1,2,3"])
DIALECT = detect(b"a,b\n1,2\n3,4\n5,6\n", Format.CSV).dialect


@settings(max_examples=many(200))
@given(st.lists(CELLS, max_size=60), st.sampled_from([1000, 40]))
@example([b","] * 9 + [b"x"] + [b" ,"] * 3, 1000)
def test_empty_rows_of_a_table_are_counted_as_they_stand(lines: list[bytes], size: int) -> None:
    lines = [b"a,b", b"1,2", *lines, b"1,2"]
    data = b"".join(line + b"\n" for line in lines)
    rows = [line for line in lines[1:] if line]
    blank = [not line.replace(b'"', b"").strip(b", ") for line in rows]
    blocks = cut(data, DIALECT, size)
    told: list[bool] = []  # for each record, whether it is an empty row
    for block in blocks:
        is_blank = [False] * block.records
        for reject in block.rejects:
            if reject.code == "blank-row":
                is_blank[reject.record : reject.record + reject.count] = [True] * reject.count
        told += is_blank
        runs = [it for it in block.rejects if it.code == "blank-row"]
        assert all(it.record + it.count < following.record for it, following in pairwise(runs))
    assert told == blank


@given(
    st.lists(st.sampled_from([(b",", 1), (b",", 3), (b"1", 1), (b"{", 1)]), max_size=30), st.integers(0, 9)
)
def test_what_is_beyond_the_most_is_counted(drawn: list[tuple[bytes, int]], most: int) -> None:
    passed: list[Rejected] = []
    runs = RejectRuns(Dialect(Format.JSON, 0), passed.append, most)
    record = 0
    for raw, count in drawn:
        runs.add(Rejected("json-syntax", "Why.", record, record, raw, repeats=count - 1))
        record += count
    runs.finish()
    assert len(passed) <= most
    assert runs.rejected == record == sum(it.repeats + 1 for it in passed) + runs.beyond
    assert all(one.raw != other.raw or one.raw == b"{" for one, other in pairwise(passed))


def test_a_block_keeps_no_more_rejects_than_it_may() -> None:
    data = b"a,b\n" + b"x\n,\n" * 50
    dialect = detect(data, Format.CSV).dialect
    (block,) = cut_blocks(
        iter([Chunk(data[dialect.data_start :])]),
        Gap(0, len(data)),
        data_start=dialect.data_start,
        block_size=1 << 20,
        framing=format_of(dialect).framing(dialect, 1 << 20, to_end=True),
    )
    prepared = transform(block, dialect, most_rejects=7)
    assert (len(prepared.rejects), prepared.rejected, prepared.unstored) == (7, 100, 93)
    passed: list[Rejected] = []
    print_block(block, dialect, RejectRuns(dialect, passed.append))
    assert len(passed) == 100
