"""The contents of the packages: which requirements, and which of their files are left out and why."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


@dataclass(frozen=True)
class LeftOut:
    """Files that no function needs. In a pattern, `*` matches slashes too."""

    reason: str
    patterns: tuple[str, ...]


# Lambda's own versions are older than the pinned ones. The code must work with both.
# Source: AWS Lambda Developer Guide, "Runtime-included SDK versions"; the last five are what Boto3 requires.
RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")

LEFT_OUT = (
    LeftOut("tests", ("*/tests/*", "*/conftest.py", "*/_pyarrow_cpp_tests.*")),
    LeftOut("types for type checkers", ("*.pyi", "*/py.typed", "*-stubs/*")),
    LeftOut(
        "sources and headers", ("*.c", "*.h", "*.pxd", "*.pxi", "*.pyx", "pyarrow/include/*", "pyarrow/src/*")
    ),
    LeftOut("commands", ("bin/*",)),
    # METADATA stays, because psycopg and redis read their versions from it. Licences stay too.
    LeftOut("pip's own records", ("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")),
    LeftOut("Powertools' routing: Chalice does that", ("aws_lambda_powertools/event_handler/*",)),
    LeftOut(
        "Powertools' utilities that are not used",
        tuple(
            f"aws_lambda_powertools/utilities/{name}/*"
            for name in (
                "auth_alpha",
                "batch",
                "circuit_breaker",
                "data_masking",
                "feature_flags",
                "idempotency",
                "kafka",
                "parser",
                "streaming",
                "validation",
            )
        ),
    ),
    LeftOut("X-Ray's patches of other libraries: none is applied", ("aws_xray_sdk/ext/*/*",)),
    # Only the methods that create their clients import them.
    LeftOut(
        "Redis' modules: streams need none",
        tuple(f"redis/commands/{name}/*" for name in ("bf", "json", "search", "timeseries", "vectorset")),
    ),
    LeftOut(
        "psycopg on ctypes: the binary one is installed",
        ("psycopg/pq/pq_ctypes.py", "psycopg/pq/_pq_ctypes.py"),
    ),
    # cryptography imports cffi's backend, a module of its own, and none of its Python.
    LeftOut("what makes bindings to C: cryptography's are made", ("cffi/*", "pycparser/*")),
    # The linker loads libarrow_python.so.2600. Wheels hold no links, so the other two names are copies.
    LeftOut(
        "libraries under a second and third name", ("pyarrow/libarrow*.so", "pyarrow/libarrow*.so.*.*.*")
    ),
    LeftOut("Arrow Flight", ("pyarrow/*_flight.*", "pyarrow/flight.py")),
    LeftOut(
        "Arrow's file systems",
        (
            "pyarrow/_azurefs.*",
            "pyarrow/_gcsfs.*",
            "pyarrow/_hdfs.*",
            "pyarrow/_s3fs.*",
            "pyarrow/libarrow_s3.*",
        ),
    ),
    # libarrow_python.so needs the libraries of Acero, Substrait, Dataset and Parquet, used or not: they stay.
    LeftOut(
        "Python modules of Arrow's other formats and engines",
        (
            *(f"pyarrow/_{name}.*" for name in ("acero", "feather", "orc", "parquet", "substrait")),
            "pyarrow/_dataset*",
            "pyarrow/*_parquet_encryption.*",
            "pyarrow/parquet/*",
            "pyarrow/interchange/*",
        ),
    ),
)

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def why_left_out(path: PurePosixPath) -> str | None:
    """Return why the file is left out, or None if it stays. `path` is relative to the installed packages."""
    for rule in LEFT_OUT:
        if any(fnmatchcase(str(path), pattern) for pattern in rule.patterns):
            return rule.reason
    return None


def pinned(requirements: str) -> dict[str, str]:
    """Return the entries of a compiled requirements file: all lines of each, with hashes, by name."""
    entries: dict[str, str] = {}
    name = ""
    for line in requirements.splitlines(keepends=True):
        if match := _NAME.match(line):
            name = match.group()
            entries[name] = ""
        if name and not line.lstrip().startswith("#"):
            entries[name] += line
    return entries


def required(requirements: str, *, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the entries that neither the Lambda runtime nor `without` provides."""
    return {name: entry for name, entry in pinned(requirements).items() if name not in {*RUNTIME, *without}}
