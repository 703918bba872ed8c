"""Files of separators, or of records that cannot be loaded: as many as their size allows.

Each shape gives a file of about so many bytes, which reads as its format says.
"""

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.core.model import Format


class Shape(NamedTuple):
    """A file that repeats a unit: ``size`` bytes of it between a beginning and an end."""

    format: Format
    begin: bytes
    unit: bytes
    end: bytes = b""

    def file(self, size: int) -> bytes:
        """Return the file."""
        repeats = max(size - len(self.begin) - len(self.end), len(self.unit)) // len(self.unit)
        return self.begin + self.unit * repeats + self.end


def _json(begin: bytes, unit: bytes, end: bytes = b"") -> Shape:
    return Shape(Format.JSON, begin, unit, end)


def _csv(begin: bytes, unit: bytes, end: bytes = b"") -> Shape:
    return Shape(Format.CSV, begin, unit, end)


def _ndjson(begin: bytes, unit: bytes, end: bytes = b"") -> Shape:
    return Shape(Format.NDJSON, begin, unit, end)


SHAPES: Mapping[str, Shape] = {
    "json-commas": _json(b"[", b",", b"]"),
    "json-commas-between-objects": _json(b'[{"a":1}', b",", b',{"a":2}]'),
    "json-commas-and-blanks": _json(b"[", b", ", b"]"),
    "json-empty-objects": _json(b"[{}", b",{}", b"]"),
    "json-objects-without-commas": _json(b"[", b"{}", b"]"),
    "json-named-objects-without-commas": _json(b"[", b'{"a":1}', b"]"),
    "json-two-objects-and-commas": _json(b"[{}", b"{},,", b"{}]"),
    "json-arrays": _json(b"[[]", b",[]", b"]"),
    "json-arrays-without-commas": _json(b"[", b"[]", b"]"),
    "json-numbers": _json(b"[1", b",1", b"]"),
    "json-two-numbers": _json(b"[1", b",1,2", b"]"),
    "json-texts": _json(b'[""', b',""', b"]"),
    "json-words": _json(b"[x", b",x", b"]"),
    "json-closing-braces": _json(b"[", b"}", b"]"),
    "json-closing-braces-apart": _json(b"[}", b",}", b"]"),
    "json-closing-brackets": _json(b"[", b"]"),
    "json-colons": _json(b"[", b":", b"]"),
    "json-colons-apart": _json(b"[:", b",:", b"]"),
    "json-quotes": _json(b"[", b'""', b"]"),
    "json-blanks": _json(b"[", b" ", b"]"),
    "json-junk-and-objects": _json(b"[", b"x{}", b"]"),
    "json-values-apart": _json(b"{} {}", b" 1"),
    "json-commas-apart": _json(b"{} {}", b" ,"),
    "json-brackets-apart": _json(b"{} {}", b" ]"),
    "json-objects-apart": _json(b"{} {}", b"{}"),
    "ndjson-numbers": _ndjson(b'{"a":1}\n', b"1\n"),
    "ndjson-two-numbers": _ndjson(b'{"a":1}\n', b"1\n2\n"),
    "ndjson-commas": _ndjson(b'{"a":1}\n', b",\n"),
    "ndjson-two-commas": _ndjson(b'{"a":1}\n', b",,\n"),
    "ndjson-lines": _ndjson(b'{"a":1}\n', b"\n"),
    "ndjson-objects": _ndjson(b'{"a":1}\n', b"{}\n"),
    "ndjson-braces": _ndjson(b'{"a":1}\n', b"}\n"),
    "csv-commas": _csv(b"a,b\n", b",\n"),
    "csv-many-commas": _csv(b"a,b,c,d,e,f,g,h\n1,2,3,4,5,6,7,8\n", b",,,,,,,\n"),
    "csv-blank-cells": _csv(b"a,b\n", b" ,\n,\n"),
    "csv-too-few-cells": _csv(b"a,b\n1,2\n", b"x\n1,2\n"),
    "csv-too-many-cells": _csv(b"a,b\n1,2\n", b"1,2,3\n1,2\n1,2\n"),
    "csv-stray-quotes": _csv(b"a,b\n1,2\n", b'"x"y,\n'),
    "csv-nul": _csv(b"a,b\n1,2\n", b"\0,\n"),
    "csv-bad-utf8": _csv(b"a,b\n1,2\n", b"\xff,\n"),
}
