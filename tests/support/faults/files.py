"""Files to load, and what must become of them: counted by the standard library alone, from their bytes."""

import csv
import gzip
import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

WORDS = [
    "Änne",
    "Ștefan",
    "Zażółć",
    "naïve",
    "Straße",
    "İpek",
    "東京",
    "pêche",
    "«dash»",
    "back\\slash",
    "tab\there",
    "🜁🜂",
    "co-op",
    "O'Brien",
]
HEADER = ("id", "name", "note")
Row = tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A file's bytes and what it is called by its kind."""

    kind: str
    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Expected:
    """What must become of a file."""

    size: int  # of its text, in bytes
    records: int
    good: int
    distinct: frozenset[bytes]  # SHA-256 of the good records' canonical JSON
    rejects: Counter[str]

    @property
    def duplicates(self) -> int:
        return self.good - len(self.distinct)

    @property
    def rejected(self) -> int:
        return self.rejects.total()


def canonical(record: object) -> bytes:
    """RFC 8785, as far as records of texts without surrogates are concerned."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# -- what a file holds


def expected(file: File) -> Expected:
    data = gzip.decompress(file.data) if file.data[:2] == b"\x1f\x8b" else file.data
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    records = list({"csv": _csv, "ndjson": _ndjson, "json": _json}[file.name.split(".")[1]](text))
    good = [it for it in records if isinstance(it, dict)]
    return Expected(
        size=len(text.encode()),
        records=len(records),
        good=len(good),
        distinct=frozenset(hashlib.sha256(canonical(it)).digest() for it in good),
        rejects=Counter(it for it in records if isinstance(it, str)),
    )


def _csv(text: str) -> Iterator[dict[str, str] | str]:
    """Each record; of a bad one the code."""
    header, *rows = (row for row in csv.reader(io.StringIO(text, newline="")) if row)
    for row in rows:
        if len(row) == len(header):
            yield {name: cell for name, cell in zip(header, row, strict=True) if cell}
        else:
            yield "missing-cell" if len(row) < len(header) else "extra-cell"


def _ndjson(text: str) -> Iterator[dict[str, str] | str]:
    for line in text.split("\n"):
        if line:
            try:
                yield json.loads(line)
            except ValueError:
                yield "json-syntax"


def _json(text: str) -> Iterator[dict[str, str] | str]:
    for it in json.loads(text):
        yield it if isinstance(it, dict) else "not-an-object"


# -- making files


def rows(draw: random.Random, count: int) -> Iterator[Row | None]:
    """Rows of texts that no normalisation changes; many come again. None: a bad one."""
    made: list[Row] = []
    far = draw.choice([0, 0.5])  # blocks without rows of other blocks are written in another way
    for number in range(count):
        chance = draw.random()
        if made and chance < 0.02:
            yield None
        elif made and chance < 0.12:
            yield draw.choice(made if draw.random() < far else made[-20:])
        else:
            note = "" if number % 9 == 0 else "x".join(draw.choices(WORDS, k=draw.randrange(1, 6)))
            made.append((f"n{number}", draw.choice(WORDS), note))
            yield made[-1]


def _csv_text(draw: random.Random, count: int, *, newlines: bool = False) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for row in rows(draw, count):
        if row is None:
            writer.writerow(draw.choice([("short",), ("one", "cell", "too", "many")]))
        elif newlines and row[2]:
            writer.writerow((*row[:2], f'{row[1]}\n"{row[2]}",\r\n\n{row[1]}'))
        else:
            writer.writerow(row)
    return out.getvalue()


def _json_texts(draw: random.Random, count: int, bad: str) -> Iterator[str]:
    for row in rows(draw, count):
        if row is None:
            yield bad
        else:
            record = {name: text for name, text in zip(HEADER, row, strict=True) if text}
            yield json.dumps(record, ensure_ascii=draw.random() < 0.5)


def _array(draw: random.Random, count: int) -> str:
    return "[" + ",\n ".join(_json_texts(draw, count, '["no", "object"]')) + "]\n"


KINDS: dict[str, tuple[str, Callable[[random.Random, int], bytes]]] = {
    "csv": ("file.csv", lambda draw, count: _csv_text(draw, count).encode()),
    "csv-newlines": ("file.csv", lambda draw, count: _csv_text(draw, count, newlines=True).encode()),
    "ndjson": ("file.ndjson", lambda draw, count: "\n".join(_json_texts(draw, count, '{"a": ')).encode()),
    "json-array": ("file.json", lambda draw, count: _array(draw, count).encode()),
    "csv-gzip": ("file.csv.gz", lambda draw, count: gzip.compress(_csv_text(draw, count).encode(), 1)),
    "csv-utf-16": ("file.csv", lambda draw, count: _csv_text(draw, count, newlines=True).encode("utf-16")),
}


def make(kind: str, seed: object, count: int) -> File:
    name, write = KINDS[kind]
    return File(kind, name, write(random.Random(f"{seed}/{kind}"), count))
