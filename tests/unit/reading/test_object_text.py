"""The text of an object as chunks, and how far the object was read for each."""

import gzip
import random
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.model import Dialect, Format, Gap, Source
from chalicelib.core.warnings import FileWarning
from chalicelib.formats import format_named, format_of
from chalicelib.reading import compression, encodings
from chalicelib.reading.blocks import Segment, cut_blocks
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.object_text import Chunk, ObjectText
from tests.support.fakes import MemoryStore

LIMITS = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)
CONTENT = b"".join(b"%d,%d\n" % (n, random.Random(n).getrandbits(64)) for n in range(5000))


def object_text(data: bytes, read_size: int = 1000, **dialect: Any) -> ObjectText:
    read_as = Dialect(Format.CSV, 0, columns=("a", "b"), **dialect)
    return ObjectText(MemoryStore(data), Source("bucket", "key", "e1", len(data)), read_as, LIMITS, read_size)


def _in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the text come in pieces as small as those that are decompressed and transcoded."""
    for module in (compression, encodings):
        monkeypatch.setattr(module, "_PIECE", 1)


def test_offsets_of_a_plain_text_are_those_of_the_object() -> None:
    chunks = list(object_text(CONTENT).stream(10, 5000))
    assert b"".join(chunk.data for chunk in chunks) == CONTENT[10:5000]
    assert {chunk.source_offset for chunk in chunks} == {None}


@pytest.mark.parametrize(
    ("data", "dialect"),
    [
        (gzip.compress(CONTENT), {"compression": "gzip"}),
        (gzip.compress(CONTENT) + bytes(5000), {"compression": "gzip"}),  # zeros may follow
        (CONTENT.decode().encode("utf-16"), {"encoding": "utf-16-le", "bom": True, "transcoded": True}),
    ],
    ids=["gzip", "gzip and zeros", "utf-16"],
)
def test_chunks_of_any_other_text_carry_how_far_the_object_was_read(
    data: bytes, dialect: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_small_pieces(monkeypatch)
    text = object_text(data, **dialect)
    chunks = list(text.stream(0, None))
    assert b"".join(chunk.data for chunk in chunks) == CONTENT
    offsets = [chunk.source_offset or 0 for chunk in chunks]
    assert offsets == sorted(offsets)
    assert offsets[0] == 1000
    assert offsets[-1] == len(data)


def test_blocks_carry_how_far_the_object_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _in_small_pieces(monkeypatch)
    data = gzip.compress(CONTENT)
    text = object_text(data, compression="gzip")
    blocks = list(
        cut_blocks(
            text.stream(0, None),
            Gap(0, None),
            data_start=0,
            block_size=10_000,
            framing=format_of(text.dialect).framing(text.dialect, 1000, to_end=True),
        )
    )
    offsets = [block.source_offset or 0 for block in blocks]
    assert offsets == sorted(offsets)
    assert 1000 < offsets[0] < len(data)
    assert offsets[-1] == len(data)


LINES = b"".join(b"%04d\n" % n for n in range(100))


@pytest.mark.parametrize("chunk", [1, 5, 50, 499, 500, 10_000])
@pytest.mark.parametrize("block_size", [5, 7, 50, 250, 500, 1000])
def test_the_last_block_carries_the_warnings_wherever_the_text_ends(chunk: int, block_size: int) -> None:
    warning = FileWarning("bytes-after-archive", 3, 0, "x")
    starts = range(0, len(LINES), chunk)
    chunks = [*(Chunk(LINES[at : at + chunk], at) for at in starts), Chunk(b"", 900, (warning,))]
    framing = format_named(Format.NDJSON).framing(Dialect(Format.NDJSON, 0), 1000, to_end=True)
    blocks = list(
        cut_blocks(iter(chunks), Gap(0, None), data_start=0, block_size=block_size, framing=framing)
    )
    assert b"".join(it.data for block in blocks for it in block.segments if isinstance(it, Segment)) == LINES
    assert [block.warnings for block in blocks[:-1]] == [()] * (len(blocks) - 1)
    assert blocks[-1].warnings == (replace(warning, offset=len(LINES)),)


def test_a_stream_that_does_not_reach_the_end_tells_nothing() -> None:
    text = object_text(gzip.compress(CONTENT) + b"\n", compression="gzip")
    assert [it.code for chunk in text.stream(0, None) for it in chunk.warnings] == ["bytes-after-archive"]
    assert not [it for chunk in text.stream(0, len(CONTENT)) for it in chunk.warnings]
