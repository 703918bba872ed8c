"""The limit for rejects that are stored, on a real Postgres: exact for any number of workers."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.backends.postgres.blocks import PostgresBlocks
from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.budget import BeyondLimit
from chalicelib.core.completion import Completion
from chalicelib.core.errors import TooManyRejects
from chalicelib.core.jobs import Changes, Instructions, Job, NewJob, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Reject, Source, Status, Tally
from chalicelib.core.packed_rejects import PackedRejects
from tests.support.blocks import block
from tests.support.fakes import MemoryStore
from tests.support.ingesting import opened_by, work
from tests.support.life import DIALECT, Life, at_once

BLOCKS = 8
FILE = Source("bucket", "key", "e0", 10 * BLOCKS)


def opened(life: Life, beyond: BeyondLimit) -> Job:
    instructions = Instructions(rejects_beyond_limit=beyond)
    new = NewJob(uuid4(), "default", "f.csv", Upload("bucket", "key"), 10, instructions)
    life.jobs.create(new)
    assert life.do(new.id, Action.CLAIM)
    return life.open(life.found(new.id), FILE, DIALECT, 10)


def with_runs(no: int, counts: Sequence[int], *, unstored: int = 0) -> PreparedBlock:
    """Return a block with a row, and a reject for each of the counts."""
    rejects, record = PackedRejects(), 1
    for count in counts:
        rejects.append(
            Reject("blank-row", "The record has only empty cells.", record, no * 10, ",", count=count)
        )
        record += count
    return replace(block(no, [f"{no}"]), records=record + unstored, rejects=rejects, unstored=unstored)


def writers(life: Life, limit: int) -> Sequence[PostgresBlocks]:
    return [PostgresBlocks(life.pool, IngestedData(), limit) for _ in range(BLOCKS)]


def stored(life: Life) -> list[Any]:
    return life.sql("SELECT count(*), coalesce(sum(count), 0)::bigint FROM validation_errors")


@pytest.mark.parametrize("limit", [0, 1, 10, 23, 24, 1000])
@pytest.mark.parametrize("beyond", BeyondLimit)
def test_never_more_are_stored_than_the_limit_and_the_others_are_counted(
    life: Life, limit: int, beyond: BeyondLimit
) -> None:
    job = opened(life, beyond)
    blocks = [with_runs(no, [no + 1, 1, 5]) for no in range(BLOCKS)]
    random.Random(limit).shuffle(blocks)
    loads = zip(writers(life, limit), blocks, strict=True)
    tallies: list[Tally] = at_once(*[partial(writer.write, job, it) for writer, it in loads])
    rejects, records = 3 * BLOCKS, sum(it.rejected for it in blocks)
    ((rows, told),) = stored(life)
    assert rows == min(limit, rejects)
    tally = life.found(job.id).progress.tally
    assert (tally.rejected, tally.rejected - tally.unstored) == (records, told)
    assert sum(it.unstored for it in tallies) == tally.unstored
    assert (tally.unstored == 0) == (limit >= rejects)
    assert sum(it.count for it in life.found(job.id).rejects) == records
    ending = life.ledger.complete(life.found(job.id), FILE.size)
    ended = life.found(job.id)
    if tally.unstored and beyond is BeyondLimit.FAIL:
        assert ending is Completion.FAILED
        assert ended.outcome.error is not None
        assert ended.outcome.error.code == "too-many-rejects"
        assert (
            f"at most {limit:,} rejects of a job are stored (SLUICE_MAX_REJECTS"
            in ended.outcome.error.message
        )
    else:
        assert (ending, ended.outcome.error) == (Completion.COMPLETED, None)


def test_a_job_over_the_limit_fails_before_its_end_and_counts_on_after_a_retry(life: Life) -> None:
    job = opened(life, BeyondLimit.FAIL)
    assert writers(life, 2)[0].write(job, with_runs(0, [1, 1])).unstored == 0
    assert life.ledger.fail_over_budget(job, owner="me") is None
    assert writers(life, 2)[0].write(job, with_runs(1, [4])).unstored == 4
    assert life.ledger.fail_over_budget(job, owner="me") is Status.FAILED
    for limits, again in (({}, Status.FAILED), ({"rejects_beyond_limit": BeyondLimit.COUNT}, None)):
        assert life.jobs.reread(job.id, Changes(limits=limits, rereads=False)) is not None
        assert life.do(job.id, Action.CLAIM)
        assert life.ledger.fail_over_budget(life.found(job.id), owner="me") is again
    for no in range(2, BLOCKS):
        writers(life, 2)[0].write(life.found(job.id), with_runs(no, [2]))
    assert life.ledger.complete(life.found(job.id), FILE.size) is Completion.COMPLETED
    assert life.found(job.id).progress.tally == Tally(26, 8, 0, 18, 16)
    assert stored(life) == [(2, 2)]


def test_what_a_block_could_not_hold_counts_too(life: Life) -> None:
    job = opened(life, BeyondLimit.COUNT)
    tally = writers(life, 2)[0].write(job, with_runs(0, [3, 3, 3], unstored=5))
    assert (tally.rejected, tally.unstored) == (14, 8)
    assert stored(life) == [(2, 6)]


def test_a_reject_that_is_lost_is_noticed(life: Life) -> None:
    job = opened(life, BeyondLimit.COUNT)
    for no in range(BLOCKS):
        writers(life, 5)[0].write(job, with_runs(no, [2, 3]))
    life.change("UPDATE validation_errors SET count = count - 1 WHERE block_no = 1 AND record = 1")
    with pytest.raises(Exception, match="rejects counted and the rejects kept differ"):
        life.ledger.complete(life.found(job.id), FILE.size)


def test_a_block_of_an_earlier_version_has_all_of_its_rejects(life: Life) -> None:
    job = opened(life, BeyondLimit.FAIL)
    writers(life, 9)[0].write(job, with_runs(0, [1, 1, 1]))
    life.change("UPDATE ingestion_blocks SET reject_rows = NULL")
    assert writers(life, 4)[0].write(job, with_runs(1, [1, 1])).unstored == 1
    for no in range(2, BLOCKS):
        writers(life, 4)[0].write(job, with_runs(no, []))
    assert stored(life) == [(4, 4)]
    assert life.ledger.complete(life.found(job.id), FILE.size) is Completion.FAILED


def test_runs_are_told_with_their_count_and_the_numbers_go_on_behind_them(life: Life) -> None:
    job = opened(life, BeyondLimit.FAIL)
    for no in range(3):
        life.load(job, with_runs(no, [100, 1]))
    found = life.jobs.rejects(job.id, limit=9, after=None)
    assert [(it.place.record, it.count) for it in found] == [
        (2, 100), (102, 1), (104, 100), (204, 1), (206, 100), (306, 1)
    ]  # fmt: skip
    (kind,) = life.found(job.id).rejects
    assert (kind.count, kind.alike) == (303, 100)


def test_a_job_from_before_the_limit_counts_on(life: Life) -> None:
    job = opened(life, BeyondLimit.FAIL)
    default = (
        "SELECT column_default FROM information_schema.columns WHERE column_name = 'rejects_beyond_limit'"
    )
    assert life.sql(default) == [("'fail'::text",)]
    assert life.found(job.id).instructions.rejects_beyond_limit is BeyondLimit.FAIL


@pytest.mark.parametrize("beyond", BeyondLimit)
def test_workers_on_ranges_of_a_job_keep_to_its_limit(life: Life, beyond: BeyondLimit) -> None:
    data = b"a,b\n" + b"1,2\n1,2,3\n" * 200
    job_id, ingester = opened_by(life, MemoryStore(data), max_rejects=5, range_size=400)
    ingester = replace(ingester, new_writer=lambda: PostgresBlocks(life.pool, IngestedData(), 5))
    life.change(f"UPDATE ingestion_jobs SET rejects_beyond_limit = '{beyond}'")
    claims = 0
    while not life.found(job_id).status.is_terminal:
        claims += 1
        try:
            work(life, job_id, ingester)
        except TooManyRejects:  # as an attempt does
            assert life.ledger.fail_over_budget(life.found(job_id), owner="me") is Status.FAILED

    ended = life.found(job_id)
    assert claims > 1
    assert stored(life) == [(5, 5)]
    if beyond is BeyondLimit.COUNT:
        assert (ended.status, ended.progress.tally.rejected) == (Status.COMPLETED, 200)
        assert (ended.progress.tally.unstored, claims > 3) == (195, True)
    else:
        assert ended.status is Status.FAILED
        assert ended.outcome.error is not None
        assert ended.outcome.error.code == "too-many-rejects"
        assert 5 < ended.progress.tally.rejected < 200
