"""The CSV format as a plug-in."""

from collections.abc import Iterator, Mapping

from chalicelib.core.model import Dialect, ExtraCells, Format, Options
from chalicelib.formats.csv.decode import decode
from chalicelib.formats.csv.dialect import detect
from chalicelib.formats.csv.fit import BLANK_ROW
from chalicelib.formats.csv.framing import CsvFraming
from chalicelib.formats.csv.reasons import UNREADABLE
from chalicelib.formats.csv.rules_1.decode import decode as decode_by_rules_1
from chalicelib.formats.csv.rules_1.framing import CsvFraming as FramingByRules1
from chalicelib.formats.interface import MOST_JSON, Batch, Detection, Reason
from chalicelib.reading.blocks import Framing, Segment
from chalicelib.reading.head import Head

_STRICT = 2  # the rules since which quotes are read strictly
_LEAST_BLOCK = 1 << 15  # bytes


class CsvFormat:
    """See :class:`chalicelib.formats.interface.FileFormat`."""

    name = Format.CSV
    is_flat = True
    empty_record: Reason | None = BLANK_ROW
    unreadable: Mapping[str, str] = UNREADABLE

    def recognise(self, head: Head, options: Options, extension: str) -> bool:  # noqa: ARG002 - any text may be
        """See FileFormat."""
        return True

    def read_dialect(self, head: Head, options: Options) -> Detection:
        """See FileFormat."""
        return detect(head, options)

    def framing(self, dialect: Dialect, max_record: int, *, to_end: bool) -> Framing:  # noqa: ARG002
        """See FileFormat."""
        if dialect.rules < _STRICT:
            return FramingByRules1(dialect, max_record)
        return CsvFraming(dialect, max_record)

    def can_be_split(self, dialect: Dialect) -> bool:  # noqa: ARG002 - all can
        """See FileFormat."""
        return True

    def max_block_size(self, dialect: Dialect) -> int:
        """See FileFormat. A cell of one byte and its delimiter become a member with the column's name."""
        if dialect.extra_cells is ExtraCells.KEEP:  # any cell may get the key `extra_1000000`
            return max(_LEAST_BLOCK, MOST_JSON * 2 // (max(map(len, dialect.columns)) + 19))
        names = sum(len(name) + 6 for name in dialect.columns)
        return max(_LEAST_BLOCK, MOST_JSON * 2 * len(dialect.columns) // names)

    def decode(self, segment: Segment, dialect: Dialect) -> Iterator[Batch]:
        """See FileFormat. A segment is one batch, unless very many records are listed."""
        if dialect.rules < _STRICT:
            yield decode_by_rules_1(segment, dialect)
        else:
            yield from decode(segment, dialect)
