"""Find the records of a batch that hold an erased value."""

import json
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib import interruption
from chalicelib.core.erased_values import ErasedValues
from chalicelib.rows import nested
from chalicelib.rows.columns import whole
from chalicelib.rows.text import normalise

_ASK_EVERY = 1 << 14  # values


def erased_in_table(
    table: pa.Table, erased: ErasedValues, finish: Callable[[str, pa.Array], pa.Array]
) -> Iterator[tuple[str, pa.Array]]:
    """Yield each field whose erased values some rows hold, and whether each row holds one.

    ``finish`` returns what becomes of a column of normalised strings before it is stored.
    """
    columns = {
        normalise(name): column for name, column in zip(table.column_names, table.columns, strict=True)
    }
    for field in erased.fields & columns.keys():
        texts = nested.texts(whole(columns[field]))
        if texts is None:
            continue
        texts = finish(field, texts)
        sizes = pc.binary_length(texts)
        may_be = pc.is_in(sizes, pa.array(erased.sizes(field), sizes.type))
        distinct = texts.filter(may_be).cast(pa.binary()).dictionary_encode()
        is_erased = erased.among(field, interruption.asking(distinct.dictionary.to_pylist(), _ASK_EVERY))
        if any(is_erased):
            found = pa.array(is_erased, pa.bool_()).take(distinct.indices)
            yield field, pc.replace_with_mask(may_be, may_be, found)


def erased_field(record: str, erased: ErasedValues) -> str | None:
    """Return a field of a canonical record that holds an erased value; None if there is none."""
    members = json.loads(record, parse_int=str, parse_float=str)  # numbers as they are written
    for field in erased.fields:
        value = members.get(field)
        text = str(value).lower() if isinstance(value, bool) else value
        if isinstance(text, str) and any(erased.among(field, [text.encode()])):
            return field
    return None
