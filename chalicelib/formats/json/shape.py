"""What JSON records look like: the names and types of their members, learnt from some of them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa

from chalicelib.rows.canonical import MAX_DEPTH

# Of an object its members, of an array the shape of its items in a list, of anything else the name of its
# type. None: nothing but null was seen, or an array without items.
Shape: TypeAlias = "dict[str, Shape] | list[Shape] | str | None"

_INTEGER, _DOUBLE = "int64", "double"
_NUMBERS = (_INTEGER, _DOUBLE)
_NAMES = {str: "string", bool: "bool", int: _INTEGER, float: _DOUBLE}
_LARGEST = 2**63 - 1


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(pairs)
    return members


_decoder = json.JSONDecoder(object_pairs_hook=_members)


def learn(known: dict[str, Shape], records: Iterable[bytes]) -> list[int]:
    """Adds what the records show to the shape that is known, and tells which of them do not fit it.

    Of those that contradict each other the first decides. Records that are not valid do not fit.
    """
    unlike = []
    for place, record in enumerate(records):
        try:
            _grown(known, _decoder.decode(record.decode()), MAX_DEPTH)
        except (ValueError, RecursionError):
            unlike.append(place)
    return unlike


def _grown(known: Shape, value: Any, depth: int) -> Shape:  # noqa: ANN401 - any JSON value
    """The shape, grown so that the value fits. Raises ValueError if it is of another type."""
    if value is None:
        return known
    if isinstance(value, dict | list):
        if depth == 0:
            raise ValueError(known)
        return _object(known, value, depth) if isinstance(value, dict) else _array(known, value, depth)
    name = _NAMES[type(value)]
    if name == _INTEGER and abs(value) > _LARGEST:
        name = _DOUBLE
    if known is None or known == name:
        return name
    if known in _NUMBERS and name in _NUMBERS:
        return _DOUBLE
    raise ValueError(known)


def _object(known: Shape, value: dict[str, Any], depth: int) -> dict[str, Shape]:
    members: Shape = {} if known is None else known
    if not isinstance(members, dict):
        raise ValueError(known)  # noqa: TRY004 - it is no fault of the caller's
    for name, member in value.items():
        if name not in members:
            name.encode()  # raises ValueError for half of a surrogate pair
        members[name] = _grown(members.get(name), member, depth - 1)
    return members


def _array(known: Shape, value: list[Any], depth: int) -> list[Shape]:
    items: Shape = [None] if known is None else known
    if not isinstance(items, list):
        raise ValueError(known)  # noqa: TRY004 - it is no fault of the caller's
    for item in value:
        items[0] = _grown(items[0], item, depth - 1)
    return items


def size(shape: Shape) -> tuple[int, int]:
    """How many values a record of that shape has at most, outside of arrays, and how many an array's item."""
    if isinstance(shape, dict):
        sizes = [size(member) for member in shape.values()]
        return 1 + sum(outside for outside, _ in sizes), sum(inside for _, inside in sizes)
    if isinstance(shape, list):
        return 1, sum(size(shape[0]))
    return 1, 0


def struct(shape: dict[str, Shape]) -> pa.DataType:
    """The shape as Arrow knows it."""
    return pa.struct([(name, _type(member)) for name, member in shape.items()])


def _type(shape: Shape) -> pa.DataType:
    if isinstance(shape, dict):
        return struct(shape)
    if isinstance(shape, list):
        return pa.list_(_type(shape[0]))
    return pa.null() if shape is None else pa.type_for_alias(shape)


def with_doubles(kind: pa.DataType, number: pa.DataType) -> pa.DataType:
    """The type with another one for doubles."""
    if pa.types.is_struct(kind):
        return pa.struct([(it.name, with_doubles(it.type, number)) for it in kind])
    if pa.types.is_list(kind):
        return pa.list_(with_doubles(kind.value_type, number))
    return number if pa.types.is_float64(kind) else kind


def doubles(kind: pa.DataType) -> Iterator[pa.Field]:
    """Those fields of a struct in which there are doubles, and in them nothing else."""
    for it in kind:
        if (found := _only_doubles(it.type)) is not None:
            yield pa.field(it.name, found)


def _only_doubles(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_struct(kind):
        fields = list(doubles(kind))
        return pa.struct(fields) if fields else None
    if pa.types.is_list(kind):
        item = _only_doubles(kind.value_type)
        return None if item is None else pa.list_(item)
    return kind if pa.types.is_float64(kind) else None
