"""A batch of JSON records: records that were read together, and others, which are parsed one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.formats.interface import Batch, Location
from chalicelib.formats.json.parse import parse_record


@dataclass(frozen=True, kw_only=True)
class JsonBatch(Batch):
    """Records of a segment, as their bytes."""

    raws: Sequence[bytes]
    offsets: Callable[[], Sequence[int]]  # of the records in the text; seldom needed
    noun: str  # for a record, in messages

    def value(self, ordinal: int) -> dict[str, Any]:
        """See Batch."""
        return parse_record(self.raws[ordinal], self.noun)

    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        """See Batch."""
        offsets = self.offsets()
        return [Location(offsets[ordinal], self.raws[ordinal]) for ordinal in ordinals]
