"""Files as an attacker may upload them: shapes by codecs, and bytes without or with some structure.

What they cost is measured by `tests.support.costs`.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.support import hostile_archives, hostile_records

_EXTENSIONS = ("csv", "json", "ndjson", "txt", "zip", "gz", "")

# What random structure is made of: what formats, codecs and tables give a meaning to
_TOKENS = (
    *(b"a", b"b,c", b"1", b"-2.5", b"1e400", b"2025-01-31", b"true", b"null", b"\xc3\xa9", b"\xff", b"\0"),
    *(b"\n", b"\r\n", b"\r", b" ", b"\t", b",", b";", b"|", b":", b"=", b"sep=;\n", b"#", b"\x01", b"\\"),
    *(b'"', b"'", b'""', b'","', b'"x"y', b"[", b"]", b"{", b"}", b'{"a":', b'"a":1', b"[{", b"}]", b"},{"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04"),
    *(b"id,name\n", b"<html>", b"PAR1", b"\x28\xb5\x2f\xfd", b"\xf0\x9f\x99\x82", b"\xe2\x80\xa8"),
)


def _wide(size: int) -> bytes:
    """Return a table of very many columns."""
    count = min(max(size // 200, 2), 20_000)
    header = ",".join(f"c{number}" for number in range(count)) + "\n"
    return (header + ("1," * (count - 1) + "1\n") * max((size - len(header)) // (2 * count), 1)).encode()


def _deep(opening: bytes) -> Callable[[int], bytes]:
    return lambda size: opening * (size // len(opening))


# name: how a file of about so many bytes is made, and its extension
SHAPES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    **{
        name: (shape.format.value, lambda size, shape=shape: shape.file(size))  # type: ignore[misc]
        for name, shape in hostile_records.SHAPES.items()
    },
    **{f"archive {name}": ("csv", make) for name, make in hostile_archives.FILES.items()},
    "csv-wide": ("csv", _wide),
    "csv-digits": ("csv", lambda size: b"a\n" + b"1\n" * (size // 2)),
    "csv-one-line": ("csv", lambda size: b"a,b\n" + b"x" * size),
    "csv-one-cell": ("csv", lambda size: b'a,b\n1,"' + b"x\n" * (size // 2) + b'"\n'),
    "csv-open-quotes": ("csv", lambda size: b"a,b\n1,2\n" + b'"a\n' * (size // 3)),
    "csv-text-after-quotes": ("csv", lambda size: b"a\nx\n" + b'"a"b\n' * (size // 5)),
    "csv-quotes": ("csv", lambda size: b"a,b\n" + b'"' * size),
    "csv-blank-lines": ("csv", lambda size: b"a,b\n1,2\n" + b"\n" * size),
    "csv-carriage-returns": ("csv", lambda size: b"a,b\r" + b"1,2\r" * (size // 4)),
    "csv-two-tables": ("csv", lambda size: (b"a,b\n1,2\n\nc,d,e\n3,4,5\n\n") * (size // 23)),
    "json-deep-arrays": ("json", _deep(b"[")),
    "json-deep-objects": ("json", lambda size: b"[" + _deep(b'{"a":')(size)),
    "json-escapes": ("json", lambda size: b'[{"a":"' + b"\\u0041" * (size // 6) + b'"}]'),
    "json-digits": ("json", lambda size: b'[{"a":' + b"1" * size + b"}]"),
    "json-names": (
        "json",
        lambda size: b"[{" + b",".join(b'"k%d":1' % n for n in range(size // 9)) + b"}]",
    ),
    "ndjson-names": ("ndjson", lambda size: b"".join(b'{"k%d":1}\n' % n for n in range(size // 10))),
    "utf-16": ("csv", lambda size: ("a,b\n" + "1,2\n" * (size // 8)).encode("utf-16")),
}


class HostileFile(NamedTuple):
    """A file, with a name that says what is in it."""

    name: str
    extension: str
    data: bytes


def hostile_files(seed: int, size: int) -> Iterator[HostileFile]:
    """Yield each shape in about that size, as it is or compressed, as the seed draws it."""
    chance = random.Random(seed)
    codecs = [None, *hostile_archives.COMPRESS]
    for name, (extension, make) in SHAPES.items():
        codec = None if name.startswith("archive") else chance.choice(codecs)
        data = make(size)
        yield HostileFile(
            f"{name}, {codec or 'plain'}",
            extension,
            data if codec is None else hostile_archives.COMPRESS[codec](data),
        )


def random_bytes(seed: int, count: int, size: int) -> Iterator[HostileFile]:
    """Yield files of random bytes."""
    chance = random.Random(seed)
    for number in range(count):
        yield HostileFile(f"bytes {number}", chance.choice(_EXTENSIONS), chance.randbytes(size))


def random_structure(seed: int, count: int, size: int) -> Iterator[HostileFile]:
    """Yield files of tokens that formats and codecs give a meaning to, of up to ``size`` bytes."""
    chance = random.Random(seed)
    for number in range(count):
        tokens = chance.sample(_TOKENS, chance.randint(2, 12))
        data = b"".join(chance.choice(tokens) for _ in range(chance.randint(1, size // 2)))[:size]
        yield HostileFile(f"structure {number}", chance.choice(_EXTENSIONS), data)
