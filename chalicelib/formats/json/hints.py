"""Tell whether what a file holds as a record looks like an envelope around the records that were meant."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from chalicelib.core.warnings import FileWarning
from chalicelib.formats.json.evidence import Number, Step, is_of_envelopes, points, wraps
from chalicelib.formats.json.first_records import FirstRecords, first_records
from chalicelib.reading.head import HEAD_SIZE, Head
from chalicelib.reading.lines import count_lines

ENVELOPE = "json-envelope"

_MANY = 10  # records in a list that count as many
ENOUGH = 10  # records: if most of them are not envelopes, the others are not looked at
_MOST_CANDIDATES = 10  # in a record that are weighed
_DEEPEST = 8  # names in a path
_LONGEST_PATH = 1000  # characters: of a path that can be declared
_MOST_SHOWN = 3
_SURE = 3  # points: where the file has several records, or has its record in a list
_BY_COUNT = ((1000, 8), (100, 4), (_MANY, 1), (2, 0), (1, -1), (0, -3))
_MOST_VALUES = 1
_ALONE = 1
_LARGER_THAN_HEAD = 4


class _Candidate(NamedTuple):
    """What may be a list of records: the way to it, and how many records and values the head shows of it."""

    way: tuple[Step, ...]
    records: int
    values: int
    is_list: bool

    @property
    def pointer(self) -> str:
        """Return the path of the list in the record."""
        return "".join(f"/{step.name.replace('~', '~0').replace('/', '~1')}" for step in self.way)


def envelope_warnings(head: Head) -> Sequence[FileWarning]:
    """Return the warning that the records that were meant seem to be inside those of the file, if they do.

    A record may well hold a list of others: :mod:`chalicelib.formats.json.evidence` tells by the names. Where
    the evidence is even for the only record, it is told. Where the file has several records, or has its only
    one in a list, these are what was meant unless the evidence is clear.
    """
    first = first_records(head.text, is_cut=len(head.data) >= HEAD_SIZE)
    values = (_parsed(record, head.text_encoding) for record in first.records)
    if first.is_only:
        count, examples = 1, _around_records(first, next(values))
    else:
        count, examples = _each_around_records(values)
    if not examples:
        return ()
    offset = len(head.data) - len(head.text)
    line = count_lines(head.data[:offset])
    return [FileWarning(ENVELOPE, count, offset, ", ".join(examples), record=0, line=line)]


def _around_records(first: FirstRecords, value: Any) -> Sequence[str]:  # noqa: ANN401 - any JSON value
    """Return what seem to be lists of records in the only record of a file, the longest first, as shown."""
    half = _count_values(value) / 2
    least = _SURE if first.pointer else 0

    def all_points(candidate: _Candidate) -> int:
        found = points(candidate.way, candidate.records)
        found += next(worth for count, worth in _BY_COUNT if candidate.records >= count)
        if candidate.values > half:
            found += _MOST_VALUES
        if not first.pointer and all(len(step.around) == 1 for step in candidate.way):
            found += _ALONE
        return found if first.is_whole else found + _LARGER_THAN_HEAD

    candidates = sorted(_candidates(value, ()), key=lambda candidate: -candidate.records)
    found = [candidate for candidate in candidates[:_MOST_CANDIDATES] if all_points(candidate) >= least]
    if not found and not first.pointer and (wrapped := _wrapped(value)):
        found = [wrapped]
    return [_shown(first.pointer, candidate, is_whole=first.is_whole) for candidate in found[:_MOST_SHOWN]]


def _each_around_records(values: Iterator[Any]) -> tuple[int, Sequence[str]]:
    """Return how many of a file's records are envelopes by their names, and what they hold, as shown.

    Nothing is shown unless most of them are, and hold any record.
    """
    lists = [_sure_list(value) for value in islice(values, ENOUGH)]
    if _are_most(lists):
        lists += [_sure_list(value) for value in values]
    found = [candidate for candidate in lists if candidate is not None]
    total = sum(candidate.records for candidate in found)
    if not total or not _are_most(lists):
        return 0, ()
    return len(found), [f"{found[0].pointer} of each: {_counted(total)}"]


def _are_most(lists: Sequence[_Candidate | None]) -> bool:
    return 2 * lists.count(None) < len(lists)


def _sure_list(value: Any) -> _Candidate | None:  # noqa: ANN401 - any JSON value
    """Return the first list in a value that is one of records by the names alone; None if there is none."""
    lists = (candidate for candidate in _candidates(value, ()) if candidate.is_list)
    first = islice(lists, _MOST_CANDIDATES)
    return next((it for it in first if points(it.way, it.records) >= _SURE), None)


def _wrapped(value: Any) -> _Candidate | None:  # noqa: ANN401 - any JSON value
    """Return the object in wrappers, such as a `data` beside which nothing stands; None if there are none."""
    way: list[Step] = []
    while isinstance(value, dict):
        steps = [
            step for name, it in value.items() if isinstance(it, dict) and wraps(step := Step(value, name))
        ]
        if not steps or len(way) == _DEEPEST:
            break
        way.append(steps[0])
        value = value[steps[0].name]
    if not way:
        return None
    count = len(value) if all(isinstance(member, dict) for member in value.values()) else 1
    return _Candidate(tuple(way), count, 0, is_list=False)


def _candidates(value: Any, way: tuple[Step, ...]) -> Iterator[_Candidate]:  # noqa: ANN401 - any JSON value
    """Yield the lists of objects in a value, and the objects whose members look like records."""
    if len(way) > _DEEPEST or sum(len(step.name) + 1 for step in way) > _LONGEST_PATH:
        return
    if isinstance(value, list):
        objects = sum(isinstance(item, dict) for item in value)
        if way and (2 * objects > len(value) or not value):
            yield _Candidate(way, objects, _count_values(value), is_list=True)
    elif isinstance(value, dict):
        if _are_alike(value):
            yield _Candidate(way, len(value), _count_values(value), is_list=False)
            return
        for name, member in value.items():
            yield from _candidates(member, (*way, Step(value, name)))


def _are_alike(members: Mapping[str, Any]) -> bool:
    """Return whether an object's members are several objects with much the same names: records by their keys.

    Of many, most must share a name; of fewer, the names that most of them share must be more than the others.
    """
    objects = [member for member in members.values() if isinstance(member, dict)]
    if len(objects) < max(2, len(members)) or any(map(is_of_envelopes, members)):
        return False
    names = Counter(name for item in objects for name in item)
    shared = [count for count in names.values() if 2 * count > len(objects)]
    return bool(shared) if len(objects) >= _MANY else 2 * sum(shared) > names.total()


def _parsed(record: bytes, encoding: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a record, its numbers as text; None if it is not valid."""
    text = record.decode(encoding, "replace")
    try:
        return json.loads(text, strict=False, parse_int=Number, parse_float=Number)
    except (ValueError, RecursionError):
        return None


def _count_values(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Return the number of texts, numbers and literals in a value."""
    count, rest = 0, [value]
    while rest:
        match rest.pop():
            case dict() as members:
                rest += members.values()
            case list() as items:
                rest += items
            case _:
                count += 1
    return count


def _shown(pointer: str, candidate: _Candidate, *, is_whole: bool) -> str:
    least = "" if is_whole else "at least "
    path = (pointer + candidate.pointer) or '""'
    return f"{path}: {least}{_counted(candidate.records)}"


def _counted(records: int) -> str:
    return f"{records:,} record{'s' * (records != 1)}"
