"""Cut a stretch of a job's text into blocks. An ingestion, and whatever reads its blocks again, cut alike."""

from collections.abc import Generator
from contextlib import closing

from chalicelib.core.jobs import Reading
from chalicelib.core.model import Gap
from chalicelib.formats import format_of
from chalicelib.reading.blocks import EXCERPT, Block, cut_blocks
from chalicelib.reading.object_text import ObjectText


def cut_text(  # noqa: PLR0913 - what the text is, and what is to be cut from it
    text: ObjectText, reading: Reading, gap: Gap, max_record: int, *, to_end: bool, excerpt: int = EXCERPT
) -> Generator[Block]:
    """Yield the blocks of a gap in the text of a reading.

    ``max_record`` and ``excerpt`` are in bytes: the longest record, and what is kept of one that cannot be
    read whole. ``to_end``: the gap ends where the text does. Raises JobFailed, and the errors of the store.
    """
    dialect = reading.dialect
    framing = format_of(dialect).framing(dialect, max_record, to_end=to_end)
    end = None if to_end or gap.end is None else gap.end + framing.look_ahead
    with closing(text.stream(max(gap.start, dialect.data_start), end)) as chunks:
        yield from cut_blocks(
            chunks,
            gap,
            data_start=dialect.data_start,
            data_line=dialect.data_line or 0,
            block_size=reading.block_size,
            framing=framing,
            excerpt=excerpt,
        )
