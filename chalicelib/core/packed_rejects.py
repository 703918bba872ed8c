"""The rejects of a block in little memory: a bad file has millions of them."""

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from chalicelib.core.model import Reject

_WIDTH = 6  # numbers of a reject
_NONE = -1  # in the place of a number
_MOST_TEXTS = 1000  # that are held once for all rejects that have them


class PackedRejects(Sequence[Reject]):
    """Rejects in file order, as columns. Each takes about 60 bytes and its excerpt."""

    def __init__(self, rejects: Sequence[Reject] = ()) -> None:
        self._numbers = array("q")  # ``_WIDTH`` for each reject
        self._texts: list[tuple[str, str, str | None]] = []  # code, message and field of each
        self._kept: dict[tuple[str, str, str | None], tuple[str, str, str | None]] = {}
        self._raws = bytearray()
        for reject in rejects:
            self.append(reject)

    def append(self, reject: Reject) -> None:
        """Add a reject behind the others."""
        self._raws += reject.raw.encode(errors="surrogatepass")
        line = _NONE if reject.line is None else reject.line
        sheet_row = _NONE if reject.sheet_row is None else reject.sheet_row
        numbers = (reject.record, reject.offset, line, sheet_row, reject.count, len(self._raws))
        self._numbers.extend(numbers)
        texts = (reject.code, reject.message, reject.field)
        kept = self._kept.get(texts)
        if kept is None and len(self._kept) < _MOST_TEXTS:
            self._kept[texts] = texts
        self._texts.append(kept or texts)

    def __len__(self) -> int:
        """Return the number of rejects, each of which may stand for several records."""
        return len(self._texts)

    def __iter__(self) -> Iterator[Reject]:
        """Yield the rejects."""
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Reject: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Reject]: ...

    def __getitem__(self, index: int | slice) -> Reject | Sequence[Reject]:
        """Return a reject, or some of them."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        at = index * _WIDTH
        record, offset, line, sheet_row, count, end = self._numbers[at : at + _WIDTH]
        begin = self._numbers[at - 1] if index else 0
        code, message, field = self._texts[index]
        return Reject(
            code,
            message,
            record,
            offset,
            self._raws[begin:end].decode(errors="surrogatepass"),
            field,
            None if line == _NONE else line,
            None if sheet_row == _NONE else sheet_row,
            count,
        )

    def __eq__(self, other: object) -> bool:
        """Return whether the other sequence holds the same rejects."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes
