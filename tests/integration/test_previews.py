"""Previews on a real Postgres: preview, load, retry, expiry, and workers that come too late."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from chalicelib.core.errors import InvalidRequest, JobEnded, JobFailed, NotPossible
from chalicelib.core.jobs import Changes, Job, JobFilters
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Options, Place, Status, StoredReject, Tally
from chalicelib.core.preview import Preview, RunnerUp, Sureness
from chalicelib.core.warnings import JobWarning
from chalicelib.service.ingestion import Ingester, Result
from tests.support.blocks import block
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.ingesting import opened_by, work
from tests.support.life import DAY, DIALECT, PREVIEW, SOURCE, Life, at_once
from tests.support.workers import new_previewer

FILE = b"n;v;x,w\n" + b"".join(b"%d;a;b,%d\n" % (number, number % 3) for number in range(200)) + b"short\n"
RECORDS = tuple(f'{{"n":"{number}","v":"a","x,w":"b,{number % 3}"}}' for number in range(20))
COMMAS = Changes({"delimiter": ","})


def uploaded(life: Life, store: MemoryStore) -> tuple[UUID, Ingester]:
    """Return a job that is to be previewed, and an ingester that writes to Postgres."""
    job_id, ingester = opened_by(life, store)
    life.change(f"UPDATE ingestion_jobs SET preview = true, uploaded_at = now() WHERE id = '{job_id}'")
    return job_id, ingester


def preview(
    life: Life, job: Job, ingester: Ingester, keep_going: Callable[[], bool] = lambda: True
) -> Result:
    previewer = new_previewer(MemoryJobs(), ingester, ledger=life.ledger, previews=life.previews)
    return previewer.preview(job, keep_going)


def claimed(life: Life, job_id: UUID, owner: str = "me") -> Job:
    assert life.do(job_id, Action.CLAIM, owner)
    return life.found(job_id)


def previewed(life: Life, store: MemoryStore) -> tuple[UUID, Ingester]:
    job_id, ingester = uploaded(life, store)
    assert preview(life, claimed(life, job_id), ingester) is Result.PREVIEWED
    return job_id, ingester


def load(life: Life, job_id: UUID, ingester: Ingester, changes: Changes | None = None) -> Job:
    """Load the job as its client asks, and return it as it is then."""
    asked = life.jobs.load(job_id, changes)
    assert asked == life.found(job_id)
    assert asked is not None
    assert (asked.status, asked.instructions.preview) == (Status.PENDING, False)
    work(life, job_id, replace(ingester, ledger=life.ledger))
    return life.found(job_id)


def rows(life: Life) -> set[str]:
    return {value for (value,) in life.sql("SELECT record::text FROM ingested_data")}


def test_a_preview_stores_no_row_and_the_load_gives_what_it_showed(life: Life) -> None:
    job_id, ingester = previewed(life, MemoryStore(FILE))
    job = life.found(job_id)
    assert job.status is Status.PREVIEWED
    assert job.preview is not None
    assert (job.preview.records, job.preview.read, job.preview.rejected) == (RECORDS, 201, 1)
    assert (job.progress.tally, job.times.completed_at) == (Tally(), None)
    for table in ("ingested_data", "ingestion_blocks", "validation_errors", "reject_counts"):
        assert life.sql(f"SELECT FROM {table}") == []
    loaded = load(life, job_id, ingester)
    assert (loaded.status, loaded.progress.tally) == (Status.COMPLETED, Tally(201, 200, 0, 1))
    assert (loaded.reading, loaded.reading_no, loaded.preview) == (job.reading, 1, job.preview)
    first = {value for (value,) in life.sql("SELECT record->>'n' FROM ingested_data")}
    assert {str(number) for number in range(20)} <= first
    (stored,) = life.jobs.rejects(job_id, limit=9, after=None)
    assert replace(stored, cursor=(0, 0)) == replace(job.preview.rejects[0], cursor=(0, 0))


def test_a_preview_is_stored_as_it_is(life: Life) -> None:
    place = StoredReject((0, 3), Place(30, 4, 5, None), "a", "code", "Why.", "raw\\x00")
    whole = Preview(
        records=('{"n":1e+400,"t":"ä"}', '{"n":0.1000000000000000000001}'),
        rejects=(place,),
        warnings=(JobWarning("short-rows", 2, 30, "x", 4, None),),
        read=3,
        rejected=1,
        text_bytes=1 << 40,
        is_whole=False,
        sure=dict.fromkeys(("delimiter", "quote"), Sureness.CLOSE),
        runner_up=RunnerUp("\t", "", "\\", 0.875),
    )
    for stored in (whole, replace(whole, runner_up=None, rejects=(), warnings=())):
        job_id = life.pending(preview=True)
        life.previews.store(life.open(claimed(life, job_id), SOURCE, DIALECT, 10), stored)
        assert life.found(job_id).preview == stored
        listed = {job.id: job for job in life.jobs.list(JobFilters(), limit=9, before=None)}
        assert (listed[job_id].status, listed[job_id].preview) == (Status.PREVIEWED, None)


def test_other_options_give_another_preview_and_then_a_load(life: Life) -> None:
    job_id, ingester = previewed(life, MemoryStore(FILE))
    asked = life.jobs.reread(job_id, COMMAS)
    assert asked is not None
    assert (asked.status, asked.reading, asked.preview, asked.rereads) == (Status.PENDING, None, None, True)
    assert preview(life, claimed(life, job_id), ingester) is Result.PREVIEWED
    second = life.found(job_id)
    assert second.preview is not None
    assert second.preview.records[0] == '{"n;v;x":"0;a;b","w":"0"}'
    assert second.preview.sure["delimiter"] is Sureness.DECLARED
    loaded = load(life, job_id, ingester, Changes({"delimiter": ";", "missing_values": ("b,0",)}))
    assert loaded.instructions.options == Options(delimiter=";", missing_values=("b,0",))
    assert (loaded.status, loaded.reading_no, loaded.preview) == (Status.COMPLETED, 3, None)
    assert '{"n": "0", "v": "a"}' in rows(life)
    assert '{"n": "1", "v": "a", "x,w": "b,1"}' in rows(life)


def test_options_that_do_not_go_together_change_nothing(life: Life) -> None:
    job_id, _ = previewed(life, MemoryStore(FILE))
    before = life.everything()
    with pytest.raises(InvalidRequest):
        life.jobs.load(job_id, Changes({"delimiter": '"'}))
    assert life.everything() == before


@pytest.mark.parametrize("changes", [None, COMMAS])
def test_an_object_that_was_replaced_is_not_loaded(life: Life, changes: Changes | None) -> None:
    store = MemoryStore(FILE)
    job_id, ingester = previewed(life, store)
    store.data, store.etag = FILE.replace(b"a", b"b"), "e2"
    with pytest.raises(JobFailed, match="replaced"):
        load(life, job_id, ingester, changes)
    assert rows(life) == set()


def test_a_file_that_was_loaded_meanwhile_is_a_duplicate(life: Life) -> None:
    store = MemoryStore(FILE, checksum=b64encode(b"x" * 32).decode())
    job_id, ingester = previewed(life, store)
    other, _ = opened_by(life, store)
    work(life, other, ingester)
    loaded = load(life, job_id, ingester)
    assert (loaded.status, loaded.outcome.duplicate_of) == (Status.COMPLETED, other)
    assert loaded.progress.tally == Tally(201, 0, 200, 1)
    assert loaded.rejects == life.found(other).rejects != ()
    again, _ = previewed(life, store)
    different = load(life, again, ingester, COMMAS)
    assert (different.status, different.outcome.duplicate_of) == (Status.COMPLETED, None)


def test_a_job_that_another_worker_is_loading_is_no_duplicate(life: Life) -> None:
    store = MemoryStore(FILE, checksum=b64encode(b"x" * 32).decode())
    job_id, ingester = previewed(life, store)
    other, _ = opened_by(life, store)
    work(life, other, ingester)
    life.jobs.load(job_id, None)
    slow = claimed(life, job_id)
    assert slow.reading is not None
    life.load(slow, block(0, ["a"]))
    assert life.ledger.complete_as_duplicate(slow, slow.reading.source) is None


def test_a_worker_that_was_killed_leaves_the_preview_to_the_next(life: Life) -> None:
    job_id, ingester = uploaded(life, MemoryStore(FILE))
    for keep_going in (lambda: False, lambda: life.found(job_id).reading is None):
        assert preview(life, claimed(life, job_id), ingester, keep_going) is Result.INTERRUPTED
        assert (life.found(job_id).status, life.found(job_id).preview) == (Status.PROCESSING, None)
        life.later(61)
    opened = life.found(job_id).reading
    assert opened is not None  # by the one before
    assert preview(life, claimed(life, job_id, "other"), ingester) is Result.PREVIEWED
    done = life.found(job_id)
    assert done.preview is not None
    assert (done.reading, done.preview.records) == (opened, RECORDS)


def test_two_workers_make_one_preview(life: Life) -> None:
    for _ in range(3):
        job_id, ingester = uploaded(life, MemoryStore(FILE))
        job = claimed(life, job_id)

        def attempt(job: Job = job, ingester: Ingester = ingester) -> Result | None:
            try:
                return preview(life, job, ingester)
            except JobEnded:
                return None

        assert Result.PREVIEWED in at_once(attempt, attempt)
        assert life.found(job_id).status is Status.PREVIEWED


@pytest.mark.parametrize("changes", [None, COMMAS])
def test_a_preview_that_comes_too_late_is_not_stored(life: Life, changes: Changes | None) -> None:
    job_id, ingester = uploaded(life, MemoryStore(FILE))
    slow = claimed(life, job_id)
    life.later(61)
    assert preview(life, claimed(life, job_id, "other"), ingester) is Result.PREVIEWED
    life.jobs.load(job_id, changes)
    for claim in (False, True):
        if claim:
            claimed(life, job_id, "third")
        before = life.everything()
        with pytest.raises(JobEnded):
            preview(life, slow, ingester)
        with pytest.raises(JobEnded):
            life.previews.store(slow, PREVIEW)
        assert life.everything() == before


def test_a_message_for_a_previewed_job_claims_nothing(life: Life) -> None:
    job_id, _ = previewed(life, MemoryStore(FILE))
    before = life.everything()
    assert life.leases.claim(job_id, owner="other", lease_seconds=60) is None
    assert not life.jobs.mark_arrived(job_id, SOURCE)
    assert life.everything() == before


def test_only_a_previewed_job_is_loaded(life: Life) -> None:
    assert life.jobs.load(UUID(int=4), None) is None
    for status in set(Status) - {Status.PREVIEWED}:
        job_id = life.job_in(status)
        before = life.everything()
        with pytest.raises(NotPossible):
            life.jobs.load(job_id, COMMAS)
        assert life.everything() == before


def test_a_previewed_job_is_canceled_and_previewed_again(life: Life) -> None:
    job_id, ingester = previewed(life, MemoryStore(FILE))
    assert life.do(job_id, Action.CANCEL)
    with pytest.raises(NotPossible):
        life.jobs.load(job_id, None)
    assert life.do(job_id, Action.RETRY)
    assert preview(life, claimed(life, job_id), ingester) is Result.PREVIEWED
    assert load(life, job_id, ingester).progress.tally == Tally(201, 200, 0, 1)


def test_a_preview_that_nobody_follows_up_expires(life: Life) -> None:
    job_id, _ = previewed(life, MemoryStore(FILE))
    others = [life.job_in(status) for status in set(Status) - {Status.PREVIEWED}]
    week = {"seconds": 7 * DAY, "limit": 1000}
    life.later(7 * DAY - 60)
    assert life.upkeep.expire_previewed(**week) == []
    before = [life.found(other).status for other in others]
    life.later(120)
    assert sorted(at_once(*[partial(life.upkeep.expire_previewed, **week)] * 2)) == [[], [job_id]]
    expired = life.found(job_id)
    assert (expired.status, expired.times.completed_at is not None) == (Status.EXPIRED, True)
    assert [life.found(other).status for other in others] == before
    with pytest.raises(NotPossible):
        life.jobs.load(job_id, None)


def test_a_preview_goes_with_the_rows_and_with_the_retention(life: Life) -> None:
    loaded, expired = (previewed(life, MemoryStore(FILE)) for _ in range(2))
    load(life, *loaded)
    assert life.do(loaded[0], Action.UNDO)
    assert life.do(loaded[0], Action.CLAIM)
    assert life.do(loaded[0], Action.FINISH_UNDO)
    assert life.found(loaded[0]).preview is None
    assert life.do(expired[0], Action.EXPIRE)
    life.later(31 * DAY)
    assert life.upkeep.purge(days=30, limit=9) == 2
    assert life.sql("SELECT FROM job_previews") == []


def test_a_job_that_waits_after_its_preview_is_not_silent(life: Life) -> None:
    job_id, _ = previewed(life, MemoryStore(FILE))
    life.later(DAY)
    assert life.upkeep.take_silent(seconds=60, limit=9) == []
    assert life.upkeep.purge(days=0, limit=9) == 0
    life.jobs.load(job_id, None)
    life.later(61)
    assert life.upkeep.take_silent(seconds=60, limit=9) == [job_id]
