"""Records that are the members of an object: what becomes of their names."""

from itertools import count
from typing import Any

from chalicelib.formats.json.parse import parse
from chalicelib.formats.json.units import WHITE
from chalicelib.rows.text import normalise

KEY = "key"  # under which a record keeps the name


def with_key(record: dict[str, Any], name: bytes) -> dict[str, Any]:
    """Return the record with the name under the first of `key`, `key_2`, `key_3` … that it does not hold.

    ``name`` is a JSON string. Raises RecordRejected.
    """
    taken = {normalise(key) for key in record}
    numbered = (f"{KEY}_{number}" for number in count(2))
    key = KEY if KEY not in taken else next(key for key in numbered if key not in taken)
    return {key: parse(name.decode(errors="surrogateescape")), **record}


def spliced(record: bytes, name: bytes) -> bytes:
    """Return the JSON object ``record`` with the name under `key`, which it must not have."""
    body = record[1:].lstrip(WHITE)
    return b'{"key":' + name + (b"" if body.startswith(b"}") else b",") + body
