"""The kinds of input of `docs/reference/costs.md`: how each is made, and what it may cost at most.

`bench/measurements/costs.py` and `tests/faults/test_costs.py` send them in the sizes that the page shows,
`tests/unit/service/test_costs.py` in a smaller one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.hostile_archives import LINE, bomb, empty_members, zip_of_entries
from tests.support.hostile_files import SHAPES

MB = 1_000_000
GIB = 1 << 30
SMALL = 1 << 20  # bytes that tests of the suite send, unless the kind says otherwise
# What a file may cost beyond its factors: what a job takes whatever it loads
SLACK_SECONDS = 1.0  # of CPU, for the first MiB of text in which it is found out how to read it
SLACK_BYTES = 1 << 16  # in Postgres


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    ``make`` takes a size in bytes: that of the file, or that of the content of a bomb. The page has files of
    ``sizes``; the suite sends one of ``small`` bytes.
    """

    name: str
    extension: str
    make: Callable[[int], bytes]
    sizes: tuple[int, ...]
    bound: str  # what bounds it, as the page says
    cpu: float  # at most so many times the CPU time of as many bytes of the first kind
    stored: float  # at most so many bytes in Postgres for a byte that is sent
    small: int = SMALL
    code: str | None = None  # the error with which its job fails; None: it ends COMPLETED
    before: Mapping[int, str] = field(default_factory=dict)  # by size, what it cost before it was bounded
    labels: Mapping[str, str] = field(default_factory=dict)


def size_text(size: int) -> str:
    """Return a size as the page has it."""
    if size < 1000:
        return f"{size} B"
    return f"{size / MB:.1f} MB" if size >= MB else f"{size / 1000:.0f} kB"


def people(size: int) -> bytes:
    """Return a CSV file as people have them."""
    line = "{0},name {0},name{0}@example.org,2025-01-{1:02},{0}.50\n"
    lines = [line.format(number, number % 28 + 1) for number in range(size // 54)]
    return ("id,name,email,day,amount\n" + "".join(lines)).encode()


def objects(size: int) -> list[str]:
    """Return JSON objects as people have them, of so many bytes in all."""
    line = '{{"id": {0}, "name": "name {0}", "email": "name{0}@example.org", "paid": true}}'
    return [line.format(number) for number in range(size // 79)]


def columns(count: int, size: int, filled: int = 10) -> bytes:
    """Return a CSV file of so many columns; ``filled`` of ten cells hold a digit, the others nothing."""
    cells = ("1234567890"[number % 10] if number % 10 < filled else "" for number in range(count))
    line = ",".join(cells) + "\n"
    head = ",".join(f"c{number}" for number in range(count)) + "\n"
    return (head + line * max((size - len(head)) // len(line), 1)).encode()


def numbers(size: int) -> bytes:
    """Return a CSV file of one column of different numbers."""
    return b"a\n" + b"".join(b"%d\n" % number for number in range(size // 5))


def shape(name: str) -> Callable[[int], bytes]:
    """Return how files of a shape of the generator are made."""
    return SHAPES[name][1]


def _quotes(size: int) -> bytes:
    return b"a,b\n" + b"x,y\n" * 50 + b'"x" y,z\n1,2\n' * (size // 12)


def _endings(size: int) -> bytes:
    return b"a,b\n" + b"1,2\n3,4\r\n" * (size // 9)


_SIZE = "its size"
_BLOCKS = "`SLUICE_MEMORY_BUDGET`: blocks are small enough to be prepared within it"
_TEXT = "`SLUICE_MAX_RATIO`: 200 times its size, at least 64 MiB"
_RECORD = "`SLUICE_MAX_RECORD_SIZE`"
_ENTRIES = "10,000 entries of a zip file"
_REJECTS = "`SLUICE_MAX_REJECTS`"
_RUNS = "rejects that are alike are stored as one, with a count"
_PIECES = "pieces: decompressors take 64 KiB and give 1 MiB at most"
_LABELS = "4 kB of labels, stored once, with the job"
_LABELS_OF_FILE = {f"label {number:02}": "x" * 180 for number in range(20)}

KINDS = (
    Kind("CSV, 5 columns", "csv", people, (4 * MB,), _SIZE, cpu=1, stored=8, small=4 * SMALL),
    Kind(
        "NDJSON, 4 members",
        "ndjson",
        lambda size: "\n".join(objects(size)).encode(),
        (4 * MB,),
        _SIZE,
        cpu=3,
        stored=6,
    ),
    Kind(
        "JSON, 4 members",
        "json",
        lambda size: f"[{','.join(objects(size))}]".encode(),
        (4 * MB,),
        _SIZE,
        cpu=3,
        stored=6,
    ),
    Kind(
        "CSV, 10,000 columns",
        "csv",
        lambda size: columns(10_000, size, filled=6),
        (12_900_000,),
        _BLOCKS,
        cpu=15,
        stored=2,
        before={12_900_000: "7.2 GiB, 193 s"},
    ),
    Kind(
        "CSV, 2,600 columns",
        "csv",
        lambda size: columns(2600, size),
        (4_200_000,),
        _BLOCKS,
        cpu=10,
        stored=1,
        before={4_200_000: "3,964 MB, 23 s (to decode it)"},
    ),
    Kind(
        "CSV, 60 columns",
        "csv",
        lambda size: columns(60, size),
        (8 * MB,),
        _BLOCKS,
        cpu=5,
        stored=1,
        before={8 * MB: "405 MiB"},
    ),
    Kind(
        "CSV, one digit a row",
        "csv",
        shape("csv-digits"),
        (20 * MB,),
        _BLOCKS,
        cpu=15,
        stored=1,
        before={20 * MB: "622 MB"},
    ),
    Kind("CSV, one number a row", "csv", numbers, (4 * MB,), _BLOCKS, cpu=15, stored=50),
    Kind("CSV, line endings in turns", "csv", _endings, (4 * MB,), _BLOCKS, cpu=45, stored=1),
    Kind(
        "CSV, text behind quotes",
        "csv",
        _quotes,
        (4 * MB,),
        _BLOCKS,
        cpu=15,
        stored=1,
        before={4 * MB: "755 MB, 27 s of CPU"},
    ),
    Kind(
        "CSV, rows of a comma",
        "csv",
        shape("csv-commas"),
        (200_000,),
        _RUNS,
        code="nothing-loaded",
        cpu=20,
        stored=1,
        before={200_000: "16.7 MB in Postgres"},
    ),
    Kind(
        "CSV, bytes that are no UTF-8",
        "csv",
        shape("csv-bad-utf8"),
        (4 * MB,),
        _REJECTS,
        before={4 * MB: "1,154 MiB, 85 s of CPU"},
        code="too-many-rejects",
        cpu=300,
        stored=130,
    ),
    Kind(
        "CSV, two tables in turns",
        "csv",
        shape("csv-two-tables"),
        (MB,),
        _REJECTS,
        cpu=500,
        stored=80,
        small=SMALL // 8,
    ),
    Kind(
        "CSV, header in every row",
        "csv",
        lambda size: LINE * (size // len(LINE)),
        (MB,),
        _BLOCKS,
        cpu=250,
        stored=1,
        small=SMALL // 8,
    ),
    Kind(
        "CSV, 20 labels",
        "csv",
        numbers,
        (24_000,),
        _LABELS,
        cpu=15,
        stored=90,
        before={24_000: "127 MB in Postgres"},
        labels=_LABELS_OF_FILE,
        small=24000,
    ),
    Kind(
        "JSON, commas",
        "json",
        shape("json-commas"),
        (4 * MB, 16 * MB),
        _RUNS,
        code="nothing-loaded",
        cpu=5,
        stored=1,
        before={
            4 * MB: "1.2 GB, 50 to 60 s of CPU",
            16 * MB: "2.7 GB in Postgres; cancel 503 for 5½ minutes",
        },
    ),
    Kind(
        "JSON, objects without commas",
        "json",
        shape("json-objects-without-commas"),
        (4 * MB,),
        _REJECTS,
        cpu=60,
        stored=1,
        before={4 * MB: "1.2 GB, 50 to 60 s of CPU"},
    ),
    Kind(
        "JSON, words between objects",
        "json",
        shape("json-junk-and-objects"),
        (MB,),
        _REJECTS,
        cpu=400,
        stored=80,
        small=SMALL // 4,
    ),
    Kind("JSON, empty objects", "json", shape("json-empty-objects"), (4 * MB,), _BLOCKS, cpu=30, stored=1),
    Kind("NDJSON, empty objects", "ndjson", shape("ndjson-objects"), (4 * MB,), _BLOCKS, cpu=20, stored=1),
    Kind(
        "gzip, empty members",
        "gz",
        lambda size: empty_members("gzip", size),
        (2 << 20, 4 << 20, 8 << 20),
        _PIECES,
        code="empty-file",
        cpu=15,
        stored=1,
        before={2 << 20: "9.7 s of CPU", 4 << 20: "43.9 s of CPU", 8 << 20: "cancel heard after 269 s"},
    ),
    Kind(
        "zip, directory",
        "zip",
        lambda size: zip_of_entries("f/", size),
        (56 * MB,),
        _ENTRIES,
        code="unsupported-format",
        cpu=1,
        stored=1,
        before={56 * MB: "578 MB"},
    ),
    Kind(
        "zip, bzip2 of one line",
        "zip",
        lambda size: bomb("zip-bzip2", b"x", size),
        (GIB,),
        _RECORD,
        code="header-too-long",
        cpu=1,
        stored=1,
        before={GIB: "2.3 GB"},
    ),
    Kind(
        "zip, LZMA of lines",
        "zip",
        lambda size: bomb("zip-lzma", LINE, size, b"a,b\n"),
        (GIB // 4,),
        _TEXT,
        code="compression-bomb",
        cpu=15,
        stored=1,
        before={GIB // 4: "1.3 GB"},
        small=SMALL,
    ),
    Kind(
        "gzip of lines",
        "gz",
        lambda size: bomb("gzip", LINE, size, b"a,b\n"),
        (),
        _TEXT,
        code="compression-bomb",
        cpu=15,
        stored=1,
        small=SMALL,
    ),
)
