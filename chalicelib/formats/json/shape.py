"""The shape of JSON records: the names and types of their members, learned from some of them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa

from chalicelib.rows.canonical import MAX_DEPTH
from chalicelib.rows.text import normalise

# Of an object its members; of an array the shape of its items, in a list; of anything else the name of its
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


def learn(shape: dict[str, Shape], records: Iterable[bytes]) -> list[int]:
    """Add the members of records to a shape. Return the indices of the records that do not fit it.

    If records contradict each other, the first decides. Invalid records do not fit.
    """
    mismatches = []
    for index, record in enumerate(records):
        try:
            _grow(shape, _decoder.decode(record.decode()), MAX_DEPTH)
        except (ValueError, RecursionError):
            mismatches.append(index)
    return mismatches


def _grow(shape: Shape, value: Any, depth: int) -> Shape:  # noqa: ANN401 - any JSON value
    """Return the shape, grown so that the value fits. Raises ValueError if it is of another type."""
    if value is None:
        return shape
    if isinstance(value, dict | list):
        if depth == 0:
            raise ValueError(shape)
        return _object(shape, value, depth) if isinstance(value, dict) else _array(shape, value, depth)
    name = _NAMES[type(value)]
    if name == _INTEGER and abs(value) > _LARGEST:
        name = _DOUBLE
    if shape is None or shape == name:
        return name
    if shape in _NUMBERS and name in _NUMBERS:
        return _DOUBLE
    raise ValueError(shape)


def _object(shape: Shape, value: dict[str, Any], depth: int) -> dict[str, Shape]:
    members: Shape = {} if shape is None else shape
    if not isinstance(members, dict):
        raise ValueError(shape)  # noqa: TRY004 - not the caller's error
    for name, member in value.items():
        if name not in members:
            name.encode()  # raises ValueError for half of a surrogate pair
        members[name] = _grow(members.get(name), member, depth - 1)
    return members


def _array(shape: Shape, value: list[Any], depth: int) -> list[Shape]:
    items: Shape = [None] if shape is None else shape
    if not isinstance(items, list):
        raise ValueError(shape)  # noqa: TRY004 - not the caller's error
    for item in value:
        items[0] = _grow(items[0], item, depth - 1)
    return items


def names_collide(shape: Shape) -> bool:
    """Return whether two names in one object are the same when they are normalised."""
    if isinstance(shape, dict):
        names = {normalise(name) for name in shape}
        return len(names) < len(shape) or any(map(names_collide, shape.values()))
    return isinstance(shape, list) and names_collide(shape[0])


def size(shape: Shape) -> tuple[int, int]:
    """Return the most values that a record has outside of arrays, and the most that an array's item has."""
    if isinstance(shape, dict):
        sizes = [size(member) for member in shape.values()]
        return 1 + sum(outside for outside, _ in sizes), sum(inside for _, inside in sizes)
    if isinstance(shape, list):
        return 1, sum(size(shape[0]))
    return 1, 0


def struct(shape: dict[str, Shape]) -> pa.DataType:
    """Return the shape as an Arrow type."""
    return pa.struct([(name, _type(member)) for name, member in shape.items()])


def _type(shape: Shape) -> pa.DataType:
    if isinstance(shape, dict):
        return struct(shape)
    if isinstance(shape, list):
        return pa.list_(_type(shape[0]))
    return pa.null() if shape is None else pa.type_for_alias(shape)


def with_doubles(kind: pa.DataType, number: pa.DataType) -> pa.DataType:
    """Return the type with another one in the place of doubles."""
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, with_doubles(field.type, number)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(with_doubles(kind.value_type, number))
    return number if pa.types.is_float64(kind) else kind


def doubles(kind: pa.DataType) -> Iterator[pa.Field]:
    """Yield the fields of a struct that hold doubles, stripped of everything else."""
    for field in kind:
        if (only_doubles := _only_doubles(field.type)) is not None:
            yield pa.field(field.name, only_doubles)


def _only_doubles(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_struct(kind):
        fields = list(doubles(kind))
        return pa.struct(fields) if fields else None
    if pa.types.is_list(kind):
        item = _only_doubles(kind.value_type)
        return None if item is None else pa.list_(item)
    return kind if pa.types.is_float64(kind) else None
