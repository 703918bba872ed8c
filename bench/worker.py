"""A worker with another store or sink: `python -m bench.worker [--file PATH] [--sink none|FOLDER]`.

With `--file` it reads that file from the disk instead of any job's object, so that LocalStack, which shares
the cores, costs no time. With `--sink` it writes the ledger, so that jobs complete, but no rows: `none` drops
them, a folder gets them in COPY's text format, one file per block, with the hashes that Sluice computed.
"""

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chalicelib import settings
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.completion import Completion
from chalicelib.core.jobs import Job
from chalicelib.core.model import Source, Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.entrypoints.worker import slots_of
from chalicelib.memory import return_large_allocations
from chalicelib.reading.object_store import ObjectStore
from chalicelib.service.ingestion import BlockWriter
from chalicelib.settings import Settings
from chalicelib.wiring import Services

NO_SINK = "none"
_ID = re.compile(rb'"id":"?(\d+)')


@dataclass(frozen=True)
class DiskStore:
    """An ObjectStore with one file."""

    path: Path

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        """See the port."""
        source = self.pin(bucket, key, version_id)
        return source, self.read(source, 0, min(size, source.size))

    def is_current(self, source: Source) -> bool:
        """See the port."""
        return source == self.pin(source.bucket, source.key, source.version_id)

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """See the port."""
        return Source(bucket, key, "disk", self.path.stat().st_size, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:  # noqa: ARG002 - there is one file
        """See the port."""
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), end - start, start)


@dataclass(frozen=True)
class NoRows:
    """A BlockWriter that writes the ledger only, with all rows as duplicates."""

    ledger: BlockWriter
    folder: Path | None  # for the rows; None drops them

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """See the port."""
        return self.ledger.write(job, self._without_rows(block))

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally] | None:
        """See the port."""
        return self.ledger.write_whole(job, self._without_rows(block), warnings)

    def _without_rows(self, block: PreparedBlock) -> PreparedBlock:
        if self.folder is not None:
            (self.folder / f"{block.start:015}.copy").write_bytes(copy_lines(block))
        return replace(block, rows=block.rows.slice(0, 0), repeats=block.repeats + len(block.rows))


def copy_lines(block: PreparedBlock) -> bytes:
    """Return the block's rows in COPY's text format, in file order, which is that of the ids."""
    hashes, records = (block.rows[name].cast("binary").to_pylist() for name in ("content_hash", "record"))
    lines = [
        (
            number_of(record),
            b"1\t1\t1\t\\\\x%b\t%b\n" % (digest.hex().encode(), record.replace(b"\\", b"\\\\")),
        )
        for digest, record in zip(hashes, records, strict=True)
    ]
    return b"".join(line for _, line in sorted(lines))


def number_of(record: bytes) -> int:
    """Return the id with which the generators number records. Raises ValueError if there is none."""
    match = _ID.search(record)
    if match is None:
        raise ValueError(f"a record without an id: {record[:100]!r}")
    return int(match[1])


class ExchangedServices(Services):
    """Services with another store or sink, if one is given."""

    def __init__(self, chosen: Settings, file: Path | None, sink: str | None) -> None:
        super().__init__(chosen)
        self._file = file
        self._sink = sink

    @property
    def ingested_store(self) -> ObjectStore:
        """See Services."""
        return super().ingested_store if self._file is None else DiskStore(self._file)

    def new_block_writer(self) -> BlockWriter:
        """See Services."""
        writer = super().new_block_writer()
        if self._sink is None:
            return writer
        return NoRows(writer, None if self._sink == NO_SINK else Path(self._sink))


def main() -> int:
    """Work until SIGTERM, as `python -m chalicelib.worker` does, but without sweeps."""
    parser = argparse.ArgumentParser(prog="python -m bench.worker", description=__doc__)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--sink", metavar="none|FOLDER")
    arguments = parser.parse_args()
    return_large_allocations()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    services = ExchangedServices(settings.load(), arguments.file, arguments.sink)
    health_file = services.settings.health_file
    slots = replace(slots_of(services), count=1)
    in_time = slots.run(stop, health_file=Path(health_file) if health_file else None, grace_seconds=25)
    services.close()
    return 0 if in_time else 1


if __name__ == "__main__":
    sys.exit(main())
