"""Collect the notes of a block's batches as warnings, one for each code."""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.warnings import FileWarning
from chalicelib.formats.interface import Batch, Location, Note
from chalicelib.reading.blocks import Segment
from chalicelib.rows.text import excerpt
from chalicelib.service.lines import Lines


class Notes:
    """The notes of a block. Batches are added in file order."""

    def __init__(self) -> None:
        self._warnings: dict[str, FileWarning] = {}

    @property
    def warnings(self) -> tuple[FileWarning, ...]:
        """The warnings so far: the sum of counts for each code, and the first place."""
        return tuple(self._warnings.values())

    def add(self, segment: Segment, batch: Batch, before: int, more: Sequence[Note] = ()) -> None:
        """Add the notes of a batch of the segment, which follows ``before`` records, and ``more`` of it."""
        notes = [*batch.notes, *more]
        new = [note for note in notes if note.code not in self._warnings]
        locations = _locate(batch, sorted({note.ordinal for note in new if note.location is None}))
        for note in notes:
            known = self._warnings.get(note.code)
            if known is None:
                location = note.location or locations[note.ordinal]
                self._warnings[note.code] = _first(segment, note, location, before)
            else:
                self._warnings[note.code] = replace(known, count=known.count + note.count)


def _locate(batch: Batch, ordinals: Sequence[int]) -> dict[int, Location]:
    """Return the locations of records. To look for several at once costs no more than for one."""
    return dict(zip(ordinals, batch.locate(ordinals), strict=True)) if ordinals else {}


def _first(segment: Segment, note: Note, location: Location, before: int) -> FileWarning:
    """Return the warning for the first note of a code in a block."""
    return FileWarning(
        note.code,
        note.count,
        location.offset,
        excerpt(location.raw),
        record=before + note.ordinal,
        line=Lines(segment).before(location.offset),
    )
