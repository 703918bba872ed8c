"""Warnings on a real Postgres: stored with the ledger, read as one for each code; and `nothing-loaded`."""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib import formats
from chalicelib.api import serializers
from chalicelib.core.completion import Completion
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded, RetryLater
from chalicelib.core.jobs import Job, JobFilters
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status, Tally
from chalicelib.core.warnings import FileWarning, JobWarning
from chalicelib.service.ingestion import Result
from tests.support.blocks import block
from tests.support.fakes import MemoryStore, job_warnings
from tests.support.ingesting import in_steps, opened_by, work
from tests.support.jobs import NOW
from tests.support.life import DAY, DIALECT, SMALL_SOURCE, SOURCE, Life, at_once, undo
from tests.support.noting import HEAD, NotingCsv
from tests.support.workers import ingest

MARK, EXTRA, SHORT = "byte-order-mark", "empty-extra-cells", "short-rows"
CODES = (MARK, EXTRA, SHORT)


def warning(code: str, count: int = 1, *, record: int | None = 0, line: int | None = 0) -> FileWarning:
    return FileWarning(code, count, 10 * count, f"about {code}", record, line)


def told(life: Life, job: Job) -> Sequence[JobWarning]:
    return life.found(job.id).warnings


def test_a_job_has_one_warning_for_each_code_with_its_first_place(life: Life) -> None:
    job, writer = life.job(), life.writer()
    late = FileWarning(EXTRA, 2, 25, "x,y,", record=1, line=3)
    writer.write(job, block(2, ["a", "b"], lines=9, warnings=[late]))
    assert told(life, job) == (JobWarning(EXTRA, 2, 25, "x,y,", None, None),)

    first = [FileWarning(MARK, 1, 7, "mark", record=None, line=5), FileWarning(SHORT, 4, 3, "x", 0, 2)]
    writer.write(job, block(0, ["c"], lines=6, warnings=first))
    assert [it.code for it in told(life, job)] == [SHORT, MARK, EXTRA]
    assert told(life, job)[0] == JobWarning(SHORT, 4, 3, "x", record=1, line=3)
    assert told(life, job)[2].record is None  # block 1 is missing

    writer.write(job, block(1, ["d"], rejects=2, lines=4, warnings=[FileWarning(MARK, 3, 12, "m", 0, 0)]))
    assert told(life, job) == (
        JobWarning(SHORT, 4, 3, "x", record=1, line=3),
        JobWarning(MARK, 4, 7, "mark", record=None, line=6),
        JobWarning(EXTRA, 2, 25, "x,y,", record=1 + 3 + 1 + 1, line=6 + 4 + 3 + 1),
    )
    assert life.jobs.list(JobFilters(), limit=1, before=None)[0].warnings == told(life, job)


PLACES = st.none() | st.integers(0, 5)
WARNINGS = st.lists(
    st.builds(warning, st.sampled_from(CODES), st.integers(1, 9), record=PLACES, line=PLACES),
    max_size=3,
    unique_by=lambda it: it.code,
)
BLOCKS = st.dictionaries(st.integers(0, 4), st.tuples(st.none() | st.integers(0, 9), WARNINGS))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=WARNINGS, blocks=BLOCKS)
def test_warnings_add_up_as_the_specification_says(
    life: Life, head: list[FileWarning], blocks: dict[int, tuple[int | None, list[FileWarning]]]
) -> None:
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    job = life.open(life.found(job_id), SMALL_SOURCE, DIALECT, 64, head)
    prepared = [
        block(no, [str(no)] * (no + 1), lines=lines, warnings=warnings)
        for no, (lines, warnings) in blocks.items()
    ]
    for it in prepared:
        life.load(job, it)

    assert told(life, job) == job_warnings(head, sorted(prepared, key=lambda it: it.no))


def test_a_block_without_lines_leaves_lines_unknown(life: Life) -> None:
    """An earlier version wrote it, or the job began under rules 1."""
    job = life.job()
    life.load(job, block(0, ["a"], warnings=[warning(MARK)]))
    life.load(job, block(1, ["b"], lines=1, warnings=[warning(EXTRA, 2)]))
    assert [(it.record, it.line) for it in told(life, job)] == [(1, None), (2, None)]


def test_the_warnings_of_the_head_are_stored_once_with_the_reading(life: Life) -> None:
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    job = life.found(job_id)
    life.open(job, SMALL_SOURCE, DIALECT, 64, [HEAD])
    life.open(job, SMALL_SOURCE, DIALECT, 64, [HEAD, warning(MARK)])  # another worker that came too late
    assert told(life, job) == (JobWarning(HEAD.code, 1, 0, HEAD.example, None, 1),)
    assert life.sql("SELECT block_no FROM job_warnings") == [(-1,)]


def test_a_job_that_is_opened_again_has_the_warnings_of_that_reading_alone(life: Life) -> None:
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    life.open(life.found(job_id), SMALL_SOURCE, DIALECT, 64, [HEAD, warning(MARK)])
    for action in (Action.CANCEL, Action.RETRY, Action.CLAIM):
        assert life.do(job_id, action)
    life.open(life.found(job_id), SMALL_SOURCE, DIALECT, 64, [warning(SHORT)])
    assert [it.code for it in life.found(job_id).warnings] == [SHORT]


def test_a_block_that_is_not_committed_tells_nothing(life: Life) -> None:
    job, other = life.job(), life.job()
    life.load(job, block(0, ["a"], warnings=[warning(MARK)]))
    with pytest.raises(BlockAlreadyCommitted):
        life.load(job, block(0, ["b"], warnings=[warning(MARK), warning(SHORT)]))
    assert life.do(other.id, Action.CANCEL)
    with pytest.raises(JobEnded):
        life.load(other, block(0, ["c"], warnings=[warning(MARK)]))
    assert [(it.code, it.count) for it in told(life, job)] == [(MARK, 1)]
    assert told(life, other) == ()


def test_a_block_that_dies_after_its_warnings_tells_them_once(life: Life) -> None:
    """Its connection breaks where the rejects follow: the warnings are written, and not committed."""
    job = life.job()
    dying = block(0, ["a"], rejects=1, lines=2, warnings=[warning(MARK), warning(SHORT, 3)])

    def kill() -> None:
        life.until_waiting(1)
        with psycopg.connect(life.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'INSERT INTO validation_errors%'"
            )

    def write() -> None:
        with pytest.raises(RetryLater):
            life.load(job, dying)

    with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
        at_once(write, kill)
    assert told(life, job) == ()
    life.load(job, dying)
    assert {it.code: it.count for it in told(life, job)} == {MARK: 1, SHORT: 3}


def test_a_duplicate_file_has_the_warnings_of_the_job_that_loaded_it(life: Life) -> None:
    first_id = life.pending()
    assert life.do(first_id, Action.CLAIM)
    first = life.open(life.found(first_id), SOURCE, DIALECT, 10, [HEAD])
    life.load(first, block(0, ["a"], lines=3, warnings=[warning(MARK, 4)]))
    life.ledger.measure(first, 10)
    assert life.ledger.complete(first, 10) is Completion.COMPLETED
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    assert life.ledger.complete_as_duplicate(life.found(job_id), SOURCE) == first.id

    assert [it.code for it in told(life, first)] == [HEAD.code, MARK]
    assert life.found(job_id).warnings == told(life, first)
    assert life.sql(f"SELECT lines FROM ingestion_blocks WHERE job_id = '{job_id}'") == [(3,)]


def test_undo_removes_warnings(life: Life) -> None:
    job, other = life.job(), life.job()
    for it in (job, other):
        life.load(it, block(0, ["a"], warnings=[warning(MARK)]))
    undo(life, job)
    assert told(life, job) == ()
    assert len(told(life, other)) == 1


def test_purging_keeps_codes_and_counts(life: Life) -> None:
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    job = life.open(life.found(job_id), SMALL_SOURCE, DIALECT, 10, [HEAD, warning(MARK, 2)])
    life.load(job, block(0, ["a"], lines=3, warnings=[warning(MARK, 4), warning(SHORT)]))
    life.load(job, block(1, ["b"], lines=3, warnings=[warning(SHORT, 2)]))
    assert life.do(job.id, Action.FAIL)
    life.later(31 * DAY)
    assert life.upkeep.purge(days=30, limit=9) == 1
    sums = {HEAD.code: 1, MARK: 6, SHORT: 3}
    assert told(life, job) == tuple(JobWarning(code, sums[code], None, None) for code in sorted(sums))


# Files that are read in several ways

LINES = [b"%d,%d" % (number, number % 7) for number in range(400)]
for _at in (3, 90, 91, 399):
    LINES[_at] += b"odd"
for _at in (17, 350):
    LINES[_at] += b"mark"
FILE = b"a,b\r\n" + b"\r\n".join(LINES)
EXPECTED = (
    JobWarning(HEAD.code, 1, 0, HEAD.example, None, 1),
    JobWarning(EXTRA, 4, FILE.index(LINES[3]), LINES[3].decode(), 4, 5),
    JobWarning(MARK, 2, FILE.index(LINES[17]), LINES[17].decode(), 18, 19),
)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", (NotingCsv(),))


@pytest.mark.usefixtures("notes")
def test_an_undisturbed_job_tells_what_its_file_has(life: Life) -> None:
    job_id, ingester = opened_by(life, MemoryStore(FILE))
    assert work(life, job_id, ingester) is Result.JOB_ENDED
    assert life.found(job_id).warnings == EXPECTED
    assert life.sql("SELECT count(*) > 20, sum(lines) FROM ingestion_blocks") == [(True, len(LINES))]


@pytest.mark.usefixtures("notes")
def test_a_job_that_is_resumed_again_and_again_tells_the_same(life: Life) -> None:
    job_id, ingester = opened_by(life, MemoryStore(FILE))
    assert in_steps(life, job_id, ingester, 2) > 5
    assert life.found(job_id).warnings == EXPECTED


@pytest.mark.usefixtures("notes")
def test_a_job_that_several_workers_load_at_once_tells_the_same(life: Life) -> None:
    """Without leases to keep them apart, each block is prepared several times, and one of them is stored."""
    job_id, ingester = opened_by(life, MemoryStore(FILE))
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None

    def load() -> None:
        with suppress(JobEnded):
            ingest(claim, ingester, lambda: True)

    at_once(*[load] * 3)
    assert life.found(job_id).status is Status.COMPLETED
    assert life.found(job_id).warnings == EXPECTED


@pytest.mark.usefixtures("notes")
def test_a_split_job_tells_the_same(life: Life) -> None:
    job_id, ingester = opened_by(life, MemoryStore(FILE), range_size=500)
    assert work(life, job_id, ingester) is Result.CLAIM_DONE
    ((ranges,),) = life.sql("SELECT count(*) FROM ingestion_ranges")
    assert ranges > 3
    results = [work(life, job_id, ingester) for _ in range(ranges)]
    assert results[-1] is Result.JOB_ENDED
    assert life.found(job_id).warnings == EXPECTED
    document = serializers.describe(life.found(job_id), NOW)["warnings"]
    assert json.loads(json.dumps(document))[1] == {
        "code": EXTRA,
        "message": "Records have more cells than the header. The extra cells were empty and were dropped.",
        "count": 4,
        "first": {"record": 4, "line": 5, "offset": FILE.index(LINES[3])},
        "example": "3,3odd",
        "option": "extra_cells",
    }


# Nothing loaded


def test_a_job_whose_records_were_all_rejected_fails(life: Life) -> None:
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    job = life.open(life.found(job_id), SMALL_SOURCE, DIALECT, 10, [HEAD])
    life.load(job, block(0, [], rejects=1200))
    life.load(job, block(1, [], rejects=34))
    life.change("UPDATE reject_counts SET code = 'blank-row' WHERE block_no = 1")
    life.ledger.measure(job, 20)

    assert life.ledger.complete(job, 20) is Completion.FAILED

    found = life.found(job.id)
    assert found.status is Status.FAILED
    assert found.times.completed_at is not None
    assert found.outcome.error is not None
    assert found.outcome.error.code == "nothing-loaded"
    assert found.outcome.error.message.startswith(
        "All 1,234 records of the file were rejected, most often as missing-cell (1,200), blank-row (34)."
    )
    assert found.progress.tally == Tally(1234, 0, 0, 1234)
    assert len(life.jobs.rejects(job.id, limit=2000, after=None)) == 1234
    assert [it.code for it in found.warnings] == [HEAD.code]
    with pytest.raises(JobEnded):
        life.ledger.complete(job, 20)  # another worker finds the ledger complete, too


def test_one_row_or_no_record_is_success(life: Life) -> None:
    for number, loaded in enumerate([block(0, ["a"], rejects=9), block(0, [])]):
        job = life.job(dataset=f"d{number}")
        life.load(job, loaded)
        life.ledger.measure(job, 10)
        assert life.ledger.complete(job, 10) is Completion.COMPLETED


def test_duplicates_are_no_rejects(life: Life) -> None:
    for _ in range(2):
        job = life.job()
        life.load(job, block(0, ["a"], rejects=2))
        life.ledger.measure(job, 10)
        assert life.ledger.complete(job, 10) is Completion.COMPLETED
    assert life.found(job.id).progress.tally == Tally(3, 0, 1, 2)


REJECTED = b"name,city\n" + b"A\0,B\n" * 400


@pytest.mark.parametrize("range_size", [0, 500], ids=["whole", "split"])
def test_a_file_of_rejects_fails_however_it_is_loaded_and_again_when_retried(
    life: Life, range_size: int
) -> None:
    job_id, ingester = opened_by(life, MemoryStore(REJECTED), range_size=range_size)
    results = [work(life, job_id, ingester)]
    while life.found(job_id).status is Status.PROCESSING:
        results.append(work(life, job_id, ingester))
    assert results == [*[Result.CLAIM_DONE] * (len(results) - 1), Result.JOB_FAILED]
    assert (len(results) > 3) == (range_size > 0)
    failed = life.found(job_id)
    assert failed.outcome.error is not None
    assert failed.outcome.error.code == "nothing-loaded"

    assert life.do(job_id, Action.RETRY)
    assert work(life, job_id, ingester) is Result.JOB_FAILED
    again = life.found(job_id)
    assert (again.status, again.outcome, again.progress.tally) == (
        Status.FAILED,
        failed.outcome,
        Tally(400, 0, 0, 400),
    )
    assert undo(life, again) == 0


def test_the_file_of_such_a_job_is_read_again(life: Life) -> None:
    """Only a job that is COMPLETED spares reading the same content."""
    store = MemoryStore(REJECTED, checksum="AAAA")
    for _ in range(2):
        job_id, ingester = opened_by(life, store)
        assert work(life, job_id, ingester) is Result.JOB_FAILED
        assert life.found(job_id).outcome.duplicate_of is None


def test_only_one_of_several_workers_ends_the_job(life: Life) -> None:
    job = life.job()
    life.load(job, block(0, [], rejects=3))
    life.ledger.measure(job, 10)

    def complete() -> Completion | None:
        try:
            return life.ledger.complete(job, 10)
        except JobEnded:
            return None

    ended = at_once(*[partial(complete)] * 4)
    assert sorted(ended, key=str) == sorted([None, None, None, Completion.FAILED], key=str)
