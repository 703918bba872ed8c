"""A worker with parts of it exchanged: `python -m bench.worker [--file PATH] [--sink none|FOLDER]`.

With `--file` it reads that file from the disk whatever a job's object is: no time goes to LocalStack, which
has the same cores. With `--sink` it writes no rows, but the ledger, so that jobs complete: `none` drops the
rows, a folder gets them as text for COPY, a file a block, each record with its hash as Sluice made them.
"""

import argparse
import os
import re
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from chalicelib import settings
from chalicelib.core.blocks import LoadedBlock
from chalicelib.core.jobs import Job
from chalicelib.core.model import Source, Tally
from chalicelib.entrypoints.worker import slots_of
from chalicelib.memory import give_back_large_pieces
from chalicelib.reading.object_store import ObjectStore
from chalicelib.service.ingestion import BlockWriter
from chalicelib.settings import Settings
from chalicelib.wiring import Services

NO_SINK = "none"
_ID = re.compile(rb'"id":"?(\d+)')


@dataclass(frozen=True)
class DiskStore:
    """Fills the port ObjectStore from one file."""

    path: Path

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """See the port."""
        return Source(bucket, key, "disk", self.path.stat().st_size, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:  # noqa: ARG002 - there is one file
        """See the port."""
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), end - start, start)


@dataclass(frozen=True)
class NoRows:
    """Fills the port BlockWriter: the ledger is written and counts all rows as duplicates."""

    ledger: BlockWriter
    folder: Path | None  # where the rows go

    def write(self, job: Job, block: LoadedBlock) -> Tally:
        """See the port."""
        if self.folder is not None:
            (self.folder / f"{block.start:015}.copy").write_bytes(copy_lines(block))
        return self.ledger.write(job, replace(block, rows=block.rows.slice(0, 0)))


def copy_lines(block: LoadedBlock) -> bytes:
    """The block's rows as lines for COPY, in the order of the records' ids, which is the file's."""
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
    """The id that the generators number records with. Raises ValueError."""
    found = _ID.search(record)
    if found is None:
        raise ValueError(f"a record without an id: {record[:100]!r}")
    return int(found[1])


class ExchangedServices(Services):
    """Sluice, with another store or sink if there is one."""

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
    """Works until SIGTERM, as `python -m chalicelib.worker` does, but sweeps nothing."""
    parser = argparse.ArgumentParser(prog="python -m bench.worker", description=__doc__)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--sink", metavar="none|FOLDER")
    asked = parser.parse_args()
    give_back_large_pieces()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    services = ExchangedServices(settings.load(), asked.file, asked.sink)
    health_file = services.settings.health_file
    slots = replace(slots_of(services), count=1)
    in_time = slots.run(stop, health_file=Path(health_file) if health_file else None, grace_seconds=25)
    services.close()
    return 0 if in_time else 1


if __name__ == "__main__":
    sys.exit(main())
