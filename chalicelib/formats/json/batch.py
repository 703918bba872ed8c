"""A batch of JSON records: records that were read together, and others, which are parsed one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
    offsets: Callable[[], Sequence[int]]  # of the records in the text; seldom needed

    def value(self, ordinal: int) -> dict[str, Any]:
        """See Batch."""
        record = parse_record(self.raws[ordinal])
        name = self.names[ordinal] if self.names else b""
        return with_key(record, name) if name else record

    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        """See Batch."""
        offsets, spans = self._offsets, self.raws if self.spans is None else self.spans
        return [Location(offsets[ordinal], spans[ordinal]) for ordinal in ordinals]

    @cached_property
    def _offsets(self) -> Sequence[int]:
        return self.offsets()
