"""Where a plain file may be shared out: places at which records begin, whatever came before them.

A line's end alone does not tell: it may stand between quotes. Formats in which every line ending ends a
record are looked at near the wanted places only. Any other file is cut from its beginning on, as it will be
when it is loaded, and by the same code: so the borders are those at which a single worker would have arrived,
whatever the file holds. That reads the file once more, a small part of what loading it takes, and each range
can be taken as soon as its end is known.
"""

from collections.abc import Iterator
from contextlib import closing

from chalicelib.core.model import Gap, Range
from chalicelib.reading.blocks import Framing, cut
from chalicelib.reading.object_text import Contents

_FIRST_LOOK = 1 << 16  # bytes: few lines are longer


def ends(
    text: Contents, stretch: Range, framing: Framing, *, block_size: int, range_size: int
) -> Iterator[int]:
    """Where ranges of about ``range_size`` bytes end that make up the stretch; the last ends where it does.

    Each lies on the border between two blocks. Raises what reading and cutting raise.
    """
    step = max(range_size // block_size, 1) * block_size
    data = Range(max(stretch.start, text.dialect.data_start), stretch.end)
    if framing.by_lines:
        borders = _by_looking(text, data, framing, step)
    else:
        borders = _by_cutting(text, data, framing, block_size, step)
    yield from (border for border in borders if border < stretch.end)
    yield stretch.end


def _by_looking(text: Contents, stretch: Range, framing: Framing, step: int) -> Iterator[int]:
    """Where the first record begins at each multiple of ``step``, or after it."""
    place = stretch.start
    while (place := (place // step + 1) * step) < stretch.end:
        place = _line_end(text, place - 1, framing)  # a line that ends right before the place counts, too
        yield place


def _line_end(text: Contents, start: int, framing: Framing) -> int:
    """Where the line ends that goes on at ``start``, however long it is."""
    size = _FIRST_LOOK
    while True:
        stop = min(start + size, text.source.size)
        data = text.store.read(text.source, start, stop)
        if (length := framing.line_end(data)) is not None:
            return start + length
        if stop == text.source.size:
            return stop
        start = stop - 1  # the last byte may be the CR of a CRLF
        size = min(size * 4, text.read_size)


def _by_cutting(
    text: Contents, stretch: Range, framing: Framing, block_size: int, step: int
) -> Iterator[int]:
    """The same in any format."""
    wanted = (stretch.start // step + 1) * step
    gap = Gap(stretch.start, stretch.end)
    with closing(text.stream(stretch.start, stretch.end + framing.look_ahead)) as chunks:
        for block in cut(chunks, gap, data_start=0, block_size=block_size, framing=framing):
            if block.end >= wanted:
                yield block.end
                wanted = (block.end // step + 1) * step
