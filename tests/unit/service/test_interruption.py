"""Work on a claim is interrupted wherever it is: before the first block, and within one."""

import bz2
import gzip
import lzma
from collections.abc import Callable

import pyarrow as pa
import pytest

from chalicelib.core.jobs import Instructions
from chalicelib.core.model import Options, Status
from chalicelib.interruption import asking, interruptible
from chalicelib.rows.identify import identify
from chalicelib.service.ingestion import Result
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.hostile_archives import zip_of
from tests.support.jobs import changed, new_job
from tests.support.workers import ingest, new_ingester, new_previewer

ROWS = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(20_000))
ENVELOPE = b'{"x":[' + b"1," * 500_000 + b'1],"data":[{"a":1}]}'
FILES = {
    "plain": ROWS,
    "gzip": gzip.compress(ROWS),
    "bzip2": bz2.compress(ROWS),
    "xz": lzma.compress(ROWS),
    "zip": zip_of("a.csv", content=ROWS),
    "utf-16": ROWS.decode().encode("utf-16"),
    "records far down": ENVELOPE,
    "rejects": b"a,b\n1,2\n" + b",\n" * 20_000,
    "irregular quotes": b"a,b\n1,2\n" + b'x"y,"z" w\n' * 5_000,
    "two tables": b"a,b\n1,2\n\nc,d,e\n3,4,5\n\n" * 2000,
    "blank lines": b"a,b\n1,2\n" + b"\n" * 100_000,
    "bad UTF-8": b"a,b\n1,2\n" + b"\xff,x\n" * 20_000,
}
# Questions that there are at least, where little text makes much work
LEAST = {
    "rejects": 40,
    "irregular quotes": 10,
    "bad UTF-8": 20,
    "blank lines": 100,
    "two tables": 3000,
    "records far down": 8,
}


def keep_going_for(times: int) -> tuple[Callable[[], bool], list[bool]]:
    """Return a function that returns True so many times, and its answers so far."""
    answers: list[bool] = []

    def keep_going() -> bool:
        answers.append(len(answers) < times)
        return answers[-1]

    return keep_going, answers


def run(data: bytes, keep_going: Callable[[], bool], jobs: MemoryJobs, *, preview: bool = False) -> Result:
    records = "/data" if data is ENVELOPE else None
    job = jobs.put(
        changed(
            new_job(),
            instructions=Instructions(None, Options(records=records), preview=preview),
            status=Status.PROCESSING,
            block_size=1 << 17,
        )
    )
    sizes = {"max_upload": 10**9, "max_record": 10**6, "read_size": 8 << 20}
    ingester = new_ingester(jobs, MemoryStore(data), **sizes)
    if preview:
        return new_previewer(jobs, ingester).preview(job, keep_going)
    return ingest(job, ingester, keep_going)


@pytest.mark.parametrize("name", FILES)
def test_an_ingestion_stops_where_it_is_asked_to(name: str) -> None:
    """Each of these files comes with one read. The first No is heard, before the first block, too."""
    endless, answers = keep_going_for(10**9)
    run(FILES[name], endless, MemoryJobs())
    assert len(answers) >= LEAST.get(name, 5)
    for times in {0, 1, len(answers) // 2, len(answers) - 1}:
        keep_going, given = keep_going_for(times)
        jobs = MemoryJobs()
        assert run(FILES[name], keep_going, jobs) is Result.INTERRUPTED
        assert given == [True] * times + [False]
        if times <= 1:
            assert not any(jobs.blocks.values())


@pytest.mark.parametrize("name", FILES)
def test_a_preview_stops_where_it_is_asked_to(name: str) -> None:
    keep_going, answers = keep_going_for(1)
    assert run(FILES[name], keep_going, MemoryJobs(), preview=True) is Result.INTERRUPTED
    assert answers == [True, False]


def test_hashing_is_asked_about_every_so_often() -> None:
    endless, answers = keep_going_for(10**9)
    with interruptible(endless):
        assert len(identify(pa.array(["{}"] * 500_000))) == 1
    assert len(answers) >= 4


def test_items_are_asked_about_every_so_often() -> None:
    endless, answers = keep_going_for(10**9)
    with interruptible(endless):
        assert list(asking(range(10), 4)) == [*range(10)]
    assert len(answers) == 3
