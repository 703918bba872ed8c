"""A batch of JSON records: records that were read together, and others, which are parsed one by one."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.formats.interface import Batch, Location
from chalicelib.formats.json.members import with_key
from chalicelib.formats.json.parse import parse_record


@dataclass(frozen=True, kw_only=True)
class JsonBatch(Batch):
    """Records of a segment, as their bytes."""

    raws: Sequence[bytes]
    names: Sequence[bytes] | None = (
        None  # of members whose values the records are, as JSON; empty: it has none
    )
    spans: Sequence[bytes] | None = None  # the records with what belongs to them in the file; None: ``raws``
    ordinals: Sequence[int] | None = None  # of ``raws``; None: each is that of a record
    objects: Sequence[int] | None = (
        None  # ordinals of the table's rows and of singles; None: no rejection repeats
    )
    offsets: Callable[[], Sequence[int]]  # of the records in the text; seldom needed

    def value(self, ordinal: int) -> dict[str, Any]:
        """See Batch."""
        index = self._index(ordinal)
        record = parse_record(self.raws[index])
        name = self.names[index] if self.names else b""
        return with_key(record, name) if name else record

    def source(self, ordinal: int) -> bytes:
        """See Batch."""
        index = self._index(ordinal)
        return self.names[index] + self.raws[index] if self.names else self.raws[index]

    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        """See Batch."""
        offsets, spans = self.offsets(), self.raws if self.spans is None else self.spans
        return [Location(offsets[index], spans[index]) for index in map(self._index, ordinals)]

    def table_ordinals(self) -> pa.Array:
        """See Batch."""
        if self.objects is None:
            return super().table_ordinals()
        objects = pa.array(self.objects, pa.int64())
        return objects.filter(pc.invert(pc.is_in(objects, pa.array(self.singles, pa.int64()))))

    def _index(self, ordinal: int) -> int:
        """Return the index of a record in ``raws``; of a comma that is missing, that of the next value."""
        return ordinal if self.ordinals is None else bisect_left(self.ordinals, ordinal)
