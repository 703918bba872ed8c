"""Keep the rejected records of a block, of which there may be millions."""

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from chalicelib.core.model import Reject
from chalicelib.rows.text import excerpt

_MOST_KINDS = 1000  # beyond them a message is kept as often as it comes
_NONE = -1


class Rejected(NamedTuple):
    """A rejected record of a block, with all bytes that the block has of it. See :class:`Reject`."""

    code: str
    message: str
    record: int
    offset: int
    raw: bytes
    field: str | None = None
    line: int | None = None
    sheet_row: int | None = None

    def with_excerpt(self) -> Reject:
        """Return the reject as it is stored."""
        return Reject(**{**self._asdict(), "raw": excerpt(self.raw)})


class RejectedRecords(Sequence[Rejected]):
    """The rejected records of a block in file order, each in 56 bytes beside its text."""

    def __init__(self) -> None:
        self._places = array("q")  # record, offset, line and sheet row of each
        self._kinds = array("q")
        self._ends = array("q", [0])  # of the texts
        self._message_ends = array("q", [0])
        self._texts = bytearray()
        self._messages = bytearray()  # of rejects whose kind is without one
        self._numbers: dict[tuple[str, str | None, str | None], int] = {}  # code, message, field
        self._by_number: list[tuple[str, str | None, str | None]] = []

    def append(self, rejected: Rejected) -> None:
        """Add a record."""
        code, message, record, offset, raw, field, line, sheet_row = rejected
        self._places.extend(
            (record, offset, _NONE if line is None else line, _NONE if sheet_row is None else sheet_row)
        )
        kind: tuple[str, str | None, str | None] = (code, message, field)
        if kind not in self._numbers and len(self._numbers) >= _MOST_KINDS:
            kind = (code, None, field)
            self._messages += message.encode("utf-8", "surrogatepass")
        if kind not in self._numbers:
            self._numbers[kind] = len(self._by_number)
            self._by_number.append(kind)
        self._kinds.append(self._numbers[kind])
        self._texts += raw
        self._ends.append(len(self._texts))
        self._message_ends.append(len(self._messages))

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._kinds)

    def __iter__(self) -> Iterator[Rejected]:
        """Yield them in file order."""
        return map(self._at, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Rejected: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rejected]: ...
    def __getitem__(self, index: int | slice) -> Rejected | Sequence[Rejected]:
        """Return one of them, or several."""
        if isinstance(index, slice):
            return [self._at(number) for number in range(len(self))[index]]
        return self._at(range(len(self))[index])

    def _at(self, index: int) -> Rejected:
        record, offset, line, sheet_row = self._places[4 * index : 4 * index + 4]
        code, message, field = self._by_number[self._kinds[index]]
        if message is None:
            start, end = self._message_ends[index : index + 2]
            message = self._messages[start:end].decode("utf-8", "surrogatepass")
        return Rejected(
            code,
            message,
            record,
            offset,
            bytes(self._texts[self._ends[index] : self._ends[index + 1]]),
            field,
            None if line == _NONE else line,
            None if sheet_row == _NONE else sheet_row,
        )


class Excerpts(Sequence[Reject]):
    """Rejected records as they are stored."""

    def __init__(self, records: RejectedRecords) -> None:
        self._records = records

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._records)

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same rejects."""
        return isinstance(other, Excerpts) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: int) -> Reject: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Reject]: ...
    def __getitem__(self, index: int | slice) -> Reject | Sequence[Reject]:
        """Return one of them, or several."""
        if isinstance(index, slice):
            return [rejected.with_excerpt() for rejected in self._records[index]]
        return self._records[index].with_excerpt()
