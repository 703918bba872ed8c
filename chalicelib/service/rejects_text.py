"""The text of a rejects file."""

import csv
import io
import json
from collections.abc import Iterable, Iterator

from chalicelib.core.jobs import Job
from chalicelib.core.model import Dialect, Format, WholeReject


def rejects_text(_job: Job, dialect: Dialect, rejects: Iterable[WholeReject]) -> Iterator[bytes]:
    """Yield the pieces of a rejects file: one record for each reject."""
    is_csv = dialect.format is Format.CSV
    if is_csv:
        yield b"_reason,_line,_raw\r\n"
    for reject in rejects:
        raw = reject.raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        if is_csv:
            row = io.StringIO()
            csv.writer(row).writerow([reject.message, reject.place.line, raw])
            yield row.getvalue().encode()
        else:
            document = {"_reason": reject.message, "_line": reject.place.line, "_raw": raw}
            yield json.dumps(document).encode() + b"\n"


def rejects_name(dialect: Dialect) -> str:
    """Return the name of a rejects file."""
    return "rejects.csv" if dialect.format is Format.CSV else "rejects.ndjson"
