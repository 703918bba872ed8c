"""The notes of a block's batches become one warning for each code, at the first place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.warnings import KINDS, FileWarning
from chalicelib.formats.interface import Batch, Location, Note
from chalicelib.reading.blocks import Segment
from chalicelib.service.notes import Notes

CODES = st.sampled_from(sorted(KINDS)[:3])
MARK = "byte-order-mark"


@dataclass(frozen=True, kw_only=True)
class Lines(Batch):
    """Records of one line each."""

    offset: int
    raws: Sequence[bytes]
    asked: list[Sequence[int]] = field(default_factory=list)

    def locate(self, ordinals: Sequence[int]) -> list[Location]:
        self.asked.append(ordinals)
        starts = [self.offset + len(b"".join(self.raws[:ordinal])) for ordinal in ordinals]
        return [Location(start, self.raws[at]) for start, at in zip(starts, ordinals, strict=True)]


def segment_of(raws: Sequence[bytes], offset: int, line: int) -> Segment:
    return Segment(offset, b"".join(raws), regular=True, line=line)


def lines(raws: Sequence[bytes], offset: int, notes: Sequence[Note]) -> Lines:
    return Lines(len(raws), None, notes=notes, offset=offset, raws=raws)


def test_a_note_without_a_location_is_at_its_record() -> None:
    raws = [b"1,2\r\n", b"3,\x1b\r\n", b"5,6\r\n"]
    notes = Notes()
    notes.add(segment_of(raws, 100, 4), lines(raws, 100, [Note("short-rows", 2, 1)]), before=10)

    assert notes.warnings == (FileWarning("short-rows", 2, 105, "3,\\x1b", record=11, line=5),)


def test_a_note_about_a_line_that_is_no_record_is_at_that_line() -> None:
    raws = [b"1,2\n", b"a,b\n"]
    header = Note("repeated-header", 1, 1, Location(4, raws[1]))
    batch = Lines(1, None, notes=[header], offset=0, raws=raws[:1])
    notes = Notes()
    notes.add(segment_of(raws, 0, 0), batch, before=0)

    assert notes.warnings == (FileWarning("repeated-header", 1, 4, "a,b", record=1, line=1),)
    assert batch.asked == []


def test_a_batch_is_asked_once_for_the_locations_that_are_new() -> None:
    raws = [b"%d\n" % number for number in range(5)]
    first = lines(raws, 0, [Note(MARK, 1, 3), Note("short-rows", 1, 1), Note("extra-cells", 1, 3)])
    second = lines(raws, 10, [Note(MARK, 1, 3)])
    notes = Notes()
    notes.add(segment_of(raws, 0, 0), first, before=0)
    notes.add(segment_of(raws, 10, 5), second, before=5)

    assert (first.asked, second.asked) == ([[1, 3]], [])


@given(st.lists(st.lists(st.tuples(CODES, st.integers(1, 9), st.integers(0, 2)), unique_by=lambda it: it[0])))
def test_counts_are_summed_and_the_first_place_stays(batches: list[list[tuple[str, int, int]]]) -> None:
    raws = [b"a\n", b"bb\r\n", b"ccc\r"]
    size = sum(map(len, raws))
    notes = Notes()
    for number, told in enumerate(batches):
        made = [Note(code, count, ordinal) for code, count, ordinal in told]
        segment = segment_of(raws, number * size, number * 3)
        notes.add(segment, lines(raws, number * size, made), before=number * 3)

    def of(code: str) -> Iterator[tuple[int, int]]:
        for number, told in enumerate(batches):
            yield from ((count, number * 3 + ordinal) for name, count, ordinal in told if name == code)

    codes = {code for told in batches for code, _, _ in told}
    assert {warning.code for warning in notes.warnings} == codes
    for warning in notes.warnings:
        found = list(of(warning.code))
        assert warning.count == sum(count for count, _ in found)
        assert (warning.record, warning.line) == (found[0][1], found[0][1])
