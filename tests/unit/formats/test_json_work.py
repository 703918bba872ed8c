"""The work for a large JSON value grows as its size does: bytes that are scanned are counted, not seconds."""

import json
from collections.abc import Callable, Iterator

import pytest

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Format, Gap
from chalicelib.formats import format_of
from chalicelib.formats.json import decode as json_decode
from chalicelib.formats.json import framing as json_framing
from chalicelib.formats.json import units as json_units
from chalicelib.formats.json.units import Units, Window
from chalicelib.reading import blocks as reading
from chalicelib.reading.blocks import cut_blocks
from chalicelib.reading.object_text import Chunk
from tests.support.pipeline import look

KIB = 1 << 10
SIZES = (64 * KIB, 128 * KIB, 512 * KIB)

VALUES: dict[str, Callable[[int], str]] = {  # of about so many bytes
    "a text": lambda size: '"' + "x" * size + '"',
    "quotes": lambda size: '"' + '\\"' * (size // 2) + '"',
    "numbers": lambda size: "[" + "1," * (size // 2) + "1]",
    "lists": lambda size: "[" + "[]," * (size // 3) + "[]]",
    "deep lists": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "members": lambda size: json.dumps({str(number): {} for number in range(size // 12)}),
    "digits": lambda size: "7" * size,
}


class Counter:
    """Count the bytes that the framing and the decoder scan."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.scanned = 0
        self._scan = json_units.scan
        for module in (json_framing, json_decode):
            patch.setattr(module, "scan", self.scan)

    def scan(self, window: Window) -> Iterator[Units]:
        self.scanned += window.stop - window.at
        return self._scan(window)


def work(text: str, chunk: int, *, max_record: int = 1 << 30) -> tuple[int, str | None]:
    """Cut and decode a file; return how often each byte was scanned on average, and the code of a failure."""
    data = text.encode()
    dialect = look(data, Format.JSON)
    framing = format_of(dialect).framing(dialect, max_record, to_end=True)
    code = None
    with pytest.MonkeyPatch.context() as patch:
        counter = Counter(patch)
        try:
            for block in cut_blocks(
                chunks_of(data[dialect.data_start :], chunk),
                Gap(0, len(data)),
                data_start=dialect.data_start,
                block_size=4 * KIB,
                framing=framing,
            ):
                for segment in block.segments:
                    if isinstance(segment, reading.Segment):
                        for _ in format_of(dialect).decode(segment, dialect):
                            pass
        except JobFailed as failure:
            code = failure.code
    return counter.scanned // len(data), code


def chunks_of(data: bytes, size: int) -> Iterator[Chunk]:
    return (Chunk(data[start : start + size]) for start in range(0, len(data), size))


@pytest.mark.parametrize("chunk", [4 * KIB, 8 << 20])
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("around", ['[{{"a":1}},{},{{"b":2}}]', '{{"a":1}}\n{}\n{{"b":2}}', '[{{"a":{}}}]'])
def test_a_large_value_is_scanned_a_few_times_whatever_its_size(kind: str, around: str, chunk: int) -> None:
    for size in SIZES:
        times, code = work(around.format(VALUES[kind](size)), chunk)
        assert code is None
        assert times <= 12


@pytest.mark.parametrize("chunk", [4 * KIB, 8 << 20])
@pytest.mark.parametrize("opening", ['"', "[", '{"a":[', '{"a":"'])
def test_a_value_that_never_ends_is_scanned_a_few_times(opening: str, chunk: int) -> None:
    for size in SIZES:
        unit = opening if opening != '{"a":"' else "x"
        text = '[{"a":1},' + opening + unit * (size // len(unit)) + "x" * 40 * KIB
        times, code = work(text, chunk, max_record=size // 32)
        assert code == ("json-syntax" if opening != '"' else code)
        assert times <= 12
