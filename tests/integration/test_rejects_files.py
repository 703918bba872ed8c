"""The life of a rejects file on a real Postgres: asked for, made, taken over, undone, purged."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from chalicelib.backends.postgres.blocks import PostgresBlocks
from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.core.jobs import Changes, Claim, Job, RejectsFile, RejectsSource, Task
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status, WholeReject
from chalicelib.service.ingestion import Ingester, Result
from chalicelib.service.rejects_file import RejectsFileMaker, WholeRejects
from chalicelib.service.rejects_request import RejectsFiles
from chalicelib.service.rejects_text import rejects_text
from tests.support.fakes import FixedSigner, MemoryQueue, MemoryStore, MemoryUploads
from tests.support.ingesting import in_steps, opened_by, work
from tests.support.life import DAY, Life, at_once

LONG = "x" * 3000
FILE = b"id,name,city\r\n" + b"".join(
    b'%d,"Ann\nLee",York\r\n' % n if n % 7 else b'%d,"A, %s",York,UK\r\n' % (n, LONG.encode())
    for n in range(1, 300)
)
EXPECTED = [(n, f"A, {LONG}") for n in range(7, 300, 7)]


def loaded(life: Life, data: bytes = FILE, **limits: int) -> tuple[Job, Ingester]:
    """Return a job whose file is loaded, and the ingester that did it."""
    job_id, ingester = opened_by(life, MemoryStore(data), **limits)
    while life.found(job_id).status is not Status.COMPLETED:
        work(life, job_id, ingester)
    return life.found(job_id), ingester


def rejects_of(life: Life, job: Job, ingester: Ingester) -> WholeRejects:
    assert job.reading is not None
    return WholeRejects(
        life.rejects_files, ingester.store, ingester.limits, ingester.block_memory, job.id, job.reading
    )


def everything(rejects: WholeRejects) -> list[WholeReject]:
    return [reject for some in rejects.by_block() for reject in some]


def cells(reject: WholeReject) -> tuple[int, str]:
    (row,) = csv.reader(io.StringIO(reject.raw.decode(), newline=""))
    return int(row[0]), row[1]


def maker_of(life: Life, ingester: Ingester) -> RejectsFileMaker:
    bucket = MemoryUploads()
    return RejectsFileMaker(
        life.rejects_files, ingester.store, bucket, ingester.limits, ingester.block_memory, max_attempts=3
    )


def claim(life: Life, job_id: UUID, owner: str = "me") -> Claim | None:
    return life.leases.claim(job_id, owner=owner, lease_seconds=60)


def make(life: Life, maker: RejectsFileMaker, job_id: UUID, owner: str = "me") -> RejectsFile:
    claimed = claim(life, job_id, owner)
    assert claimed is not None
    assert claimed.task is Task.REJECTS_FILE
    attempt = claimed.attempts_without_progress
    assert maker.make(claimed.job, owner=owner, attempt=attempt, keep_going=lambda: True)
    made = life.found(job_id).rejects_file
    assert made is not None
    return made


def resumed(life: Life) -> tuple[Job, Ingester]:
    job_id, ingester = opened_by(life, MemoryStore(FILE))
    assert in_steps(life, job_id, ingester, 2) > 5
    return life.found(job_id), ingester


def split(life: Life) -> tuple[Job, Ingester]:
    return loaded(life, range_size=20_000)


@pytest.mark.parametrize("load", [loaded, resumed, split])
def test_the_records_are_whole_and_have_their_places(
    life: Life, load: Callable[[Life], tuple[Job, Ingester]]
) -> None:
    job, ingester = load(life)
    rejects = rejects_of(life, job, ingester)
    found = everything(rejects)
    assert [cells(reject) for reject in found] == EXPECTED
    assert not rejects.has_excerpts
    stored = life.jobs.rejects(job.id, limit=1000, after=None)
    assert [(it.code, it.message, it.field, it.place) for it in found] == [
        (it.code, it.message, it.field, it.place) for it in stored
    ]
    assert all(reject.raw.endswith(b"\r\n") for reject in found)


def test_a_file_that_is_gone_leaves_the_excerpts(life: Life) -> None:
    job, ingester = loaded(life)
    gone = replace(ingester, store=MemoryStore(FILE, etag="another"))
    rejects = rejects_of(life, job, gone)
    found = everything(rejects)
    assert rejects.has_excerpts
    assert rejects.count == len(found) == len(EXPECTED)
    assert all(reject.is_excerpt for reject in found)
    stored = life.jobs.rejects(job.id, limit=1000, after=None)
    assert [(it.place, it.raw.decode()) for it in found] == [(it.place, it.raw) for it in stored]


def test_a_block_that_is_not_as_the_ledger_has_it_is_made_of_excerpts(life: Life) -> None:
    job, ingester = loaded(life)
    (first, second) = (life.rejects_files.blocks(job.id))[:2]
    life.change(
        f"UPDATE ingestion_blocks SET rejected = rejected + 1, records = records + 1 "
        f"WHERE job_id = '{job.id}' AND block_no = {first.no}"
    )
    found = everything(rejects_of(life, job, ingester))
    (unstored,) = [it for it in found if it.code == "too-many-rejects"]  # the one that was added
    found.remove(unstored)
    assert [it.is_excerpt for it in found] == [it.place.offset < second.start for it in found]
    assert {it.is_excerpt for it in found} == {True, False}


def limited(life: Life, most: int, **limits: int) -> tuple[Job, Ingester]:
    """Return a job that is loaded by workers who store so many rejects of it, and count the others."""
    job_id, ingester = opened_by(life, MemoryStore(FILE), max_rejects=most, **limits)
    life.change("UPDATE ingestion_jobs SET rejects_beyond_limit = 'count'")
    limited = replace(ingester, new_writer=lambda: PostgresBlocks(life.pool, IngestedData(), most))
    while life.found(job_id).status is not Status.COMPLETED:
        work(life, job_id, limited)
    return life.found(job_id), ingester


@pytest.mark.parametrize("most", [0, 5, len(EXPECTED)])
@pytest.mark.parametrize("range_size", [0, 20_000], ids=["alone", "split"])
def test_the_file_has_the_records_that_are_not_stored(life: Life, most: int, range_size: int) -> None:
    job, ingester = limited(life, most, range_size=range_size)
    tally = job.progress.tally
    assert (tally.rejected, tally.unstored) == (len(EXPECTED), len(EXPECTED) - most)
    assert life.sql("SELECT count(*) FROM validation_errors") == [(most,)]

    rejects = rejects_of(life, job, ingester)

    assert [cells(reject) for reject in everything(rejects)] == EXPECTED
    assert (rejects.count, rejects.has_excerpts) == (len(EXPECTED), False)


@pytest.mark.parametrize("range_size", [0, 20_000], ids=["alone", "split"])
def test_excerpts_say_how_many_records_are_not_stored(life: Life, range_size: int) -> None:
    job, ingester = limited(life, 5, range_size=range_size)
    assert job.reading is not None
    gone = replace(ingester, store=MemoryStore(FILE, etag="another"))

    rejects = rejects_of(life, job, gone)
    found = everything(rejects)
    lines = b"".join(rejects_text(job, job.reading.dialect, found, longest=10**6)).decode().splitlines()

    missing = [it for it in found if it.code == "too-many-rejects"]
    assert (rejects.count, len(found) - len(missing)) == (5, 5)
    assert sum(int(it.message.partition("records: ")[2].rstrip(").")) for it in missing) == len(EXPECTED) - 5
    assert sum("counted and not stored" in line for line in lines) == len(missing)
    assert [it.place.offset for it in found] == sorted(it.place.offset for it in found)


def test_a_wish_is_made_once(life: Life) -> None:
    job, ingester = loaded(life)
    queue, maker = MemoryQueue(), maker_of(life, ingester)
    files = RejectsFiles(life.jobs, life.rejects_files, queue, FixedSigner())
    assert claim(life, job.id) is None
    assert at_once(*[lambda: files.fetch(life.found(job.id), "rejects.csv")] * 8) == [None] * 8
    assert [it.job_id for it in queue.waiting] == [job.id]

    made = make(life, maker, job.id)
    assert (made.rejects, made.source, made.error) == (len(EXPECTED), RejectsSource.OBJECT, None)
    assert claim(life, job.id) is None
    download = files.fetch(life.found(job.id), "rejects.csv")
    assert download is not None
    assert (download.filename, download.rejects) == ("f-rejects.csv", len(EXPECTED))
    assert len(queue.waiting) == 1


def test_a_killed_worker_is_replaced(life: Life) -> None:
    job, ingester = loaded(life)
    maker = maker_of(life, ingester)
    assert life.rejects_files.wish(job.id)
    dead = claim(life, job.id, "dead")
    assert dead is not None
    assert claim(life, job.id) is None
    assert life.leases.renew(job.id, owner="dead", lease_seconds=60)
    assert life.leases.holds(job.id, owner="dead")
    life.later(61)
    assert life.upkeep.take_silent(seconds=60, limit=9) == [job.id]
    assert life.upkeep.take_silent(seconds=60, limit=9) == []
    made = make(life, maker, job.id)
    assert not life.leases.renew(job.id, owner="dead", lease_seconds=60)
    assert not life.leases.holds(job.id, owner="dead")
    lost = (dead.job, "dead", "rejects/late", 1, RejectsSource.OBJECT)
    assert not life.rejects_files.finish(lost[0], owner=lost[1], key=lost[2], rejects=lost[3], source=lost[4])
    assert life.found(job.id).rejects_file == made


def test_a_wish_whose_message_was_lost_is_swept(life: Life) -> None:
    job, _ = loaded(life)
    assert life.rejects_files.wish(job.id)
    assert life.upkeep.take_silent(seconds=60, limit=9) == []
    life.later(61)
    assert life.upkeep.take_silent(seconds=60, limit=9) == [job.id]
    life.later(61)
    assert life.upkeep.take_silent(seconds=60, limit=9) == []
    life.later(61)
    assert life.upkeep.take_silent(seconds=60, limit=9) == [job.id]


def test_attempts_are_counted_but_interruptions_are_not(life: Life) -> None:
    job, ingester = loaded(life)
    maker = maker_of(life, ingester)
    assert life.rejects_files.wish(job.id)
    for expected, without_progress in ((1, False), (1, True), (2, True), (3, True)):
        claimed = claim(life, job.id)
        assert claimed is not None
        assert claimed.attempts_without_progress == expected
        life.leases.release(job.id, owner="me", without_progress=without_progress)
    claimed = claim(life, job.id)
    assert claimed is not None
    assert maker.fail(claimed.job, owner="me")
    failed = life.found(job.id).rejects_file
    assert failed is not None
    assert failed.error is not None
    assert claim(life, job.id) is None
    assert not life.rejects_files.wish(job.id)
    life.rejects_files.clear_failure(job.id)
    assert life.rejects_files.wish(job.id)
    claimed = claim(life, job.id)
    assert claimed is not None
    assert claimed.attempts_without_progress == 1
    assert life.found(job.id).progress.attempts == job.progress.attempts


def test_undo_leaves_the_file(life: Life) -> None:
    job, ingester = loaded(life)
    maker = maker_of(life, ingester)
    assert life.rejects_files.wish(job.id)
    before = claim(life, job.id, "slow")
    assert before is not None
    assert life.jobs.act(job.id, Action.UNDO)
    undoing = claim(life, job.id)
    assert undoing is not None
    assert undoing.task is Task.JOB
    assert not life.leases.renew(job.id, owner="slow", lease_seconds=60)

    assert not maker.make_before_undo(undoing.job, owner="me", keep_going=lambda: False)
    for _ in range(2):
        assert maker.make_before_undo(undoing.job, owner="me", keep_going=lambda: True)
        assert isinstance(maker.bucket, MemoryUploads)
        assert len(maker.bucket.written) == 1
    late = {"owner": "slow", "key": "k", "rejects": 1, "source": RejectsSource.OBJECT}
    assert not life.rejects_files.finish(before.job, **late)  # type: ignore[arg-type]
    assert life.undo.undo(undoing.job, owner="me", keep_going=lambda: True)

    undone = life.found(job.id)
    assert (undone.status, undone.progress.tally.rejected, undone.has_rejects) == (Status.UNDONE, 0, True)
    files = RejectsFiles(life.jobs, life.rejects_files, MemoryQueue(), FixedSigner())
    download = files.fetch(undone, "rejects.csv")
    assert download is not None
    assert download.rejects == len(EXPECTED)


def test_undo_goes_on_without_a_file_that_cannot_be_made(life: Life) -> None:
    job, ingester = loaded(life)
    assert life.jobs.act(job.id, Action.UNDO)
    for attempt in range(1, 4):
        assert life.rejects_files.begin_in_undo(job, owner="nobody") is None
        assert claim(life, job.id, f"{attempt}") is not None
        for _ in range(2):  # an outage, then the worker dies
            assert life.rejects_files.begin_in_undo(job, owner=f"{attempt}") == attempt
        life.later(61)
    assert claim(life, job.id) is not None
    assert maker_of(life, ingester).make_before_undo(job, owner="me", keep_going=lambda: True)
    file = life.found(job.id).rejects_file
    assert file is not None
    assert file.error is not None
    assert life.undo.undo(life.found(job.id), owner="me", keep_going=lambda: True)
    assert not life.found(job.id).has_rejects


def test_an_interruption_of_an_undo_is_no_attempt_to_make_the_file(life: Life) -> None:
    job, _ = loaded(life)
    assert life.jobs.act(job.id, Action.UNDO)
    for _ in range(5):
        assert claim(life, job.id) is not None
        assert life.rejects_files.begin_in_undo(job, owner="me") == 1
        life.leases.release(job.id, owner="me", without_progress=False)


def retried(life: Life, job_id: UUID) -> None:
    assert life.do(job_id, Action.UNDO)
    assert life.do(job_id, Action.CLAIM)
    assert life.do(job_id, Action.FINISH_UNDO)
    assert life.do(job_id, Action.RETRY)


def reread(life: Life, job_id: UUID) -> None:
    assert life.jobs.reread(job_id, Changes())
    assert life.do(job_id, Action.CLAIM)
    assert life.do(job_id, Action.START_OVER)


@pytest.mark.parametrize("again", [retried, reread])
def test_a_file_of_an_earlier_reading_is_not_handed_out(
    life: Life, again: Callable[[Life, UUID], None]
) -> None:
    job, ingester = loaded(life)
    maker = maker_of(life, ingester)
    assert life.rejects_files.wish(job.id)
    first = make(life, maker, job.id)
    again(life, job.id)
    assert life.found(job.id).rejects_file is None
    assert not life.rejects_files.wish(job.id)
    assert work(life, job.id, ingester) is Result.JOB_ENDED
    assert life.rejects_files.wish(job.id)
    second = make(life, maker, job.id)
    assert second.key is not None
    assert second.key != first.key


def test_a_duplicate_offers_the_file_of_its_loader(life: Life) -> None:
    store = MemoryStore(FILE, checksum="c" * 44)
    job_id, ingester = opened_by(life, store)
    assert work(life, job_id, ingester) is Result.JOB_ENDED
    duplicate_id, _ = opened_by(life, store)
    assert work(life, duplicate_id, ingester) is Result.JOB_ENDED
    duplicate = life.found(duplicate_id)
    assert duplicate.outcome.duplicate_of == job_id
    assert duplicate.has_rejects
    assert duplicate.rejects_format == "csv"
    queue = MemoryQueue()
    files = RejectsFiles(life.jobs, life.rejects_files, queue, FixedSigner())
    assert files.fetch(duplicate, "rejects.csv") is None
    assert [it.job_id for it in queue.waiting] == [job_id]
    make(life, maker_of(life, ingester), job_id)
    assert files.fetch(life.found(duplicate_id), "rejects.csv") is not None


def test_a_purge_removes_the_file(life: Life) -> None:
    job, ingester = loaded(life)
    maker = maker_of(life, ingester)
    assert life.rejects_files.wish(job.id)
    make(life, maker, job.id)
    assert life.upkeep.purged_rejects_files(limit=9) == []
    life.later(31 * DAY)
    assert life.upkeep.purge(days=30, limit=9) == 1
    assert life.upkeep.purged_rejects_files(limit=9) == [(job.id, "default")]
    assert not life.found(job.id).has_rejects
    life.upkeep.forget_rejects_file(job.id)
    assert life.upkeep.purged_rejects_files(limit=9) == []
    assert not life.rejects_files.wish(job.id)
    assert life.found(job.id).rejects_file is None


def interrupted_after(blocks: int) -> Callable[[], bool]:
    turns: Iterator[bool] = iter([True] * blocks)
    return lambda: next(turns, False)


def test_an_interrupted_maker_writes_nothing(life: Life) -> None:
    job, ingester = loaded(life)
    maker = maker_of(life, ingester)
    assert life.rejects_files.wish(job.id)
    claimed = claim(life, job.id)
    assert claimed is not None
    assert not maker.make(claimed.job, owner="me", attempt=1, keep_going=interrupted_after(4))
    assert isinstance(maker.bucket, MemoryUploads)
    assert not maker.bucket.written
    life.leases.release(job.id, owner="me", without_progress=False)
    assert make(life, maker, job.id).rejects == len(EXPECTED)


UNFINISHED: Sequence[Status] = (Status.PENDING, Status.PROCESSING, Status.UNDOING)


@pytest.mark.parametrize("status", Status)
def test_only_jobs_that_have_ended_take_a_wish(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    assert life.rejects_files.wish(job_id) == (status not in UNFINISHED)
