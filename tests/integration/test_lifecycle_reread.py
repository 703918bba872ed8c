"""A job is read again on a real Postgres: what goes, what stays, and that no earlier worker adds to it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from chalicelib.core.errors import InvalidRequest, JobEnded, NotPossible
from chalicelib.core.jobs import Changes, Instructions, Job, NewJob, Reading
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import RULES, Format, Options, Range, Status, Tally
from tests.support.blocks import block
from tests.support.life import DAY, DIALECT, SOURCE, Life, at_once

SEMICOLONS = replace(DIALECT, delimiter=";")
CHANGES = Changes({"delimiter": ";"})


def rows(life: Life) -> list[object]:
    return [value for (value,) in life.sql("SELECT record->>'v' FROM ingested_data ORDER BY 1")]


def asked(life: Life, job_id: UUID, changes: Changes = CHANGES) -> Job:
    """Ask for another reading of the job, and return it as it is then."""
    job = life.jobs.reread(job_id, changes)
    assert job is not None
    assert job == life.found(job_id)
    return job


def opened(life: Life, job_id: UUID) -> Job:
    """Claim and open the job as "new"."""
    assert life.do(job_id, Action.CLAIM, "new")
    return life.open(life.found(job_id), SOURCE, SEMICOLONS, 10)


def undone(life: Life, job_id: UUID) -> Job:
    """Undo the job as "new", and return it."""
    assert life.do(job_id, Action.CLAIM, "new")
    assert life.undo.undo(life.found(job_id), owner="new", keep_going=lambda: True)
    return life.found(job_id)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELED])
def test_a_job_that_has_loaded_something_is_undone_and_read_again(life: Life, status: Status) -> None:
    other = life.job()
    life.load(other, block(0, ["of another"], rejects=1))
    job_id = life.job_in(status)
    before = life.found(job_id)
    asked_for = asked(life, job_id)
    assert (asked_for.status, asked_for.rereads, asked_for.reading) == (Status.UNDOING, True, before.reading)
    assert asked_for.instructions.options == Options(delimiter=";")
    assert asked_for.progress.tally == before.progress.tally != Tally()
    waiting = undone(life, job_id)
    assert (waiting.status, waiting.reading, waiting.source) == (Status.PENDING, None, SOURCE)
    assert (waiting.progress.tally, waiting.outcome.error) == (Tally(), None)
    assert (waiting.outcome.undone_rows, waiting.times.completed_at) == (None, None)
    assert waiting.reading_no == before.reading_no + 1
    assert (before.block_size, waiting.block_size) == (10, 64)  # as it was planned
    assert life.jobs.rejects(job_id, limit=9, after=None) == []
    assert rows(life) == ["of another"]
    job = opened(life, job_id)
    assert job.reading == Reading(SOURCE, SEMICOLONS, 10)
    assert life.load(job, block(0, ["a", "b"])) == Tally(2, 2, 0, 0)
    assert rows(life) == ["a", "b", "of another"]


def test_a_job_that_loaded_nothing_is_opened_afresh_at_once(life: Life) -> None:
    job = life.job(source=SOURCE)
    assert life.do(job.id, Action.FAIL)
    waiting = asked(life, job.id)
    assert (waiting.status, waiting.reading, waiting.source) == (Status.PENDING, None, None)
    assert (waiting.reading_no, waiting.rereads) == (2, False)


@pytest.mark.parametrize("changes", [None, CHANGES])
def test_an_undone_job_is_read_again_from_the_same_object(life: Life, changes: Changes | None) -> None:
    job_id = life.job_in(Status.UNDONE)
    waiting = asked(life, job_id, changes) if changes else life.jobs.act(job_id, Action.RETRY)
    assert waiting is not None
    assert (waiting.status, waiting.reading, waiting.source) == (Status.PENDING, None, SOURCE)
    assert (waiting.rereads, waiting.outcome.undone_rows) == (True, None)
    job = opened(life, job_id)
    life.ledger.measure(job, 10)
    life.load(job, block(0, ["a"]))
    assert life.ledger.complete(job, 10)
    assert rows(life) == ["a"]


def test_an_undone_job_that_never_had_a_file_waits_for_it(life: Life) -> None:
    job_id = life.pending()
    for action in (Action.CANCEL, Action.UNDO, Action.CLAIM, Action.FINISH_UNDO, Action.RETRY):
        assert life.do(job_id, action)
    waiting = life.found(job_id)
    assert (waiting.status, waiting.source) == (Status.PENDING, None)
    assert life.jobs.mark_arrived(job_id, SOURCE)


def test_a_job_that_was_read_again_can_be_undone_for_good(life: Life) -> None:
    job_id = life.job_in(Status.COMPLETED)
    asked(life, job_id)
    undone(life, job_id)
    life.load(opened(life, job_id), block(0, ["a"]))
    for action in (Action.CANCEL, Action.UNDO):
        assert life.do(job_id, action)
    assert undone(life, job_id).status is Status.UNDONE
    assert rows(life) == []


def test_members_that_are_given_replace_the_earlier_ones(life: Life) -> None:
    options = Options(delimiter="|", decimal=",", comment="#")
    instructions = Instructions(Format.CSV, options, {"from": "x"}, force=True)
    new = NewJob(UUID(int=7), "default", "f.csv", life.job().upload, 64, instructions)
    life.jobs.create(new)
    assert life.do(new.id, Action.CANCEL)
    changed = asked(life, new.id, Changes({"delimiter": ";", "comment": None}, Format.NDJSON))
    expected = Options(delimiter=";", decimal=",")
    assert changed.instructions == replace(instructions, options=expected, format=Format.NDJSON)
    assert life.do(new.id, Action.CANCEL)
    before = life.everything()
    with pytest.raises(InvalidRequest, match="delimiter and comment"):
        life.jobs.reread(new.id, Changes({"comment": ";"}))
    assert life.everything() == before


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.UNDONE])
def test_a_job_whose_ledger_was_purged_is_not_read_again(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    life.later(31 * DAY)
    assert life.upkeep.purge(days=30, limit=9) == 1
    before = life.everything()
    with pytest.raises(NotPossible, match="upload the file again"):
        life.jobs.reread(job_id, CHANGES)
    assert life.everything() == before


def completed(life: Life) -> Job:
    job = life.job(source=SOURCE)
    life.load(job, block(0, ["a", "a", "b"], rejects=2))
    life.ledger.measure(job, 10)
    assert life.ledger.complete(job, 10)
    return life.found(job.id)


def store_rules(life: Life, detected: str) -> None:
    life.change(f"UPDATE ingestion_jobs SET detected = {detected} WHERE detected IS NOT NULL")


def duplicate(life: Life) -> Job:
    """Return a claimed job for the same file."""
    job_id = life.pending()
    assert life.do(job_id, Action.CLAIM)
    return life.found(job_id)


def test_a_job_that_others_rely_on_is_not_read_again_before_them(life: Life) -> None:
    original = completed(life)
    copy = duplicate(life)
    assert life.ledger.complete_as_duplicate(copy, SOURCE) == original.id
    before = life.everything()
    with pytest.raises(NotPossible, match=str(copy.id)):
        life.jobs.reread(original.id, CHANGES)
    assert life.everything() == before
    asked(life, copy.id)
    undone(life, copy.id)
    copy = opened(life, copy.id)
    assert (copy.outcome.duplicate_of, copy.progress.tally) == (None, Tally())
    assert rows(life) == ["a", "b"]
    assert life.load(copy, block(0, ["a", "c"], rejects=1)) == Tally(3, 1, 1, 1)
    assert len(life.jobs.rejects(copy.id, limit=9, after=None)) == 1
    assert asked(life, original.id).status is Status.UNDOING


def test_a_job_with_other_options_is_no_duplicate(life: Life) -> None:
    original = completed(life)
    job = duplicate(life)
    assert life.do(job.id, Action.CANCEL)
    asked(life, job.id)
    assert life.do(job.id, Action.CLAIM)
    assert life.ledger.complete_as_duplicate(life.found(job.id), SOURCE) is None
    assert life.do(job.id, Action.CANCEL)
    asked(life, job.id, Changes({"delimiter": None}))
    assert life.do(job.id, Action.CLAIM)
    assert life.ledger.complete_as_duplicate(life.found(job.id), SOURCE) == original.id


@pytest.mark.parametrize("earlier", ["detected - 'rules'", "detected || '{\"rules\": 1}'"])
def test_a_job_that_was_read_by_earlier_rules_has_no_duplicates(life: Life, earlier: str) -> None:
    original = completed(life)
    store_rules(life, earlier)
    job = duplicate(life)
    assert life.ledger.complete_as_duplicate(job, SOURCE) is None
    store_rules(life, f"detected || '{{\"rules\": {RULES}}}'")
    assert life.ledger.complete_as_duplicate(job, SOURCE) == original.id


def restarted(life: Life) -> tuple[Job, Job]:
    """Return a job as a worker of its first reading knows it, and as one of its second reading does.

    Both readings are of the same object.
    """
    old = life.job(source=SOURCE)
    life.load(old, block(0, ["old 0"], rejects=1))
    old = life.found(old.id)
    assert life.do(old.id, Action.CANCEL)
    asked(life, old.id)
    undone(life, old.id)
    new = opened(life, old.id)
    assert (new.source, new.status) == (old.source, Status.PROCESSING)
    return old, new


def test_a_worker_of_an_earlier_reading_commits_no_block(life: Life) -> None:
    old, new = restarted(life)
    life.load(new, block(0, ["new 0"]))
    before = life.everything()
    for values in (["old 1"], ["old 1", "new 0"], []):  # by COPY, by way of the staging table, without rows
        with pytest.raises(JobEnded):
            life.load(old, block(1, values, rejects=1))
    assert life.everything() == before
    assert life.load(new, block(1, ["new 1"])) == Tally(1, 1, 0, 0)
    assert rows(life) == ["new 0", "new 1"]


def test_a_worker_of_an_earlier_reading_changes_nothing(life: Life) -> None:
    original = completed(life)
    old, new = restarted(life)
    life.change(f"UPDATE ingestion_jobs SET options = '{{\"delimiter\": \";\"}}' WHERE id = '{original.id}'")
    for no in range(7):
        life.load(new, block(no, [f"new {no}"]))
    before = life.everything()
    for call in (
        partial(life.ledger.open, old, Reading(SOURCE, DIALECT, 10)),
        partial(life.ledger.complete, old, 70),
        partial(life.ledger.complete_as_duplicate, old, SOURCE),
        partial(life.splits.add, old, Range(0, 30), since=None),
        partial(life.splits.close, old, since=None),
        partial(life.undo.undo, old, owner="new", keep_going=lambda: True),
    ):
        with pytest.raises(JobEnded):
            call()
    life.ledger.measure(old, 7)
    # Both workers may have the same name: a queue may deliver one message twice to one process.
    assert not life.ledger.fail(old, owner="new", code="code", message="Why.")
    assert life.everything() == before
    life.splits.add(new, Range(0, 30), since=None)
    before = life.everything()
    life.splits.finish(old, Range(0, 20))
    assert life.everything() == before
    life.splits.finish(new, Range(0, 30))
    assert life.ledger.complete(new, 70)


def test_a_worker_of_an_earlier_reading_does_not_fix_the_next_one(life: Life) -> None:
    old = life.job(source=SOURCE)
    life.load(old, block(0, ["a"]))
    assert life.do(old.id, Action.CANCEL)
    asked(life, old.id)
    undone(life, old.id)
    assert life.do(old.id, Action.CLAIM, "new")
    claimed = life.found(old.id)
    # As if it had been claimed as often: claims alone do not tell readings apart.
    old = replace(old, progress=replace(old.progress, attempts=claimed.progress.attempts))
    before = life.everything()
    with pytest.raises(JobEnded):
        life.ledger.open(old, Reading(SOURCE, DIALECT, 10))
    assert life.everything() == before
    assert life.open(claimed, SOURCE, SEMICOLONS, 10).reading == Reading(SOURCE, SEMICOLONS, 10)


def test_an_undo_of_an_earlier_reading_removes_no_row_of_the_next(life: Life) -> None:
    job_id = life.job_in(Status.COMPLETED)
    asked(life, job_id)
    assert life.do(job_id, Action.CLAIM, "slow")
    slow = life.found(job_id)
    is_done = False

    def keep_going() -> bool:
        nonlocal is_done
        if not is_done:  # meanwhile another worker takes over, and is much faster
            is_done = True
            life.later(61)
            undone(life, job_id)
            life.load(opened(life, job_id), block(0, ["new"], rejects=1))
        return True

    with pytest.raises(JobEnded):
        life.undo.undo(slow, owner="slow", keep_going=keep_going)
    assert rows(life) == ["new"]
    assert life.found(job_id).progress.tally == Tally(2, 1, 0, 1)
    assert len(life.jobs.rejects(job_id, limit=9, after=None)) == 1


def test_a_block_that_was_being_committed_is_undone_with_the_others(life: Life) -> None:
    job = life.job(source=SOURCE)
    life.load(job, block(0, ["0"]))
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
            loading = threads.submit(life.load, job, block(1, ["1"], rejects=1))
            life.until_waiting(1)
            canceling = threads.submit(life.jobs.act, job.id, Action.CANCEL)
            life.until_waiting(2)
        assert loading.result() == Tally(2, 1, 0, 1)
        assert canceling.result() is not None
    assert asked(life, job.id).progress.tally == Tally(3, 2, 0, 1)
    undone(life, job.id)
    assert rows(life) == []
    assert life.sql("SELECT FROM ingestion_blocks UNION ALL SELECT FROM validation_errors") == []


def load_all(life: Life, job: Job, name: str) -> int:
    """Load twenty blocks, each with twenty rows and a reject; return how many were committed."""
    committed = 0
    for no in range(20):
        try:
            life.load(job, block(no, [f"{name} {no} {row}" for row in range(20)], rejects=1))
        except JobEnded:
            continue
        committed += 1
    return committed


def test_workers_of_both_readings_at_once_mix_nothing(life: Life) -> None:
    for _ in range(3):
        old, new = restarted(life)
        counts = at_once(
            partial(load_all, life, old, "old"), partial(load_all, life, new, f"new {new.number}")
        )
        assert counts == [0, 20]
        assert life.found(new.id).progress.tally == Tally(420, 400, 0, 20)
    assert life.sql("SELECT count(*) FROM ingested_data WHERE record->>'v' LIKE 'old%'") == [(0,)]


def test_a_dataset_keeps_its_default_options(life: Life) -> None:
    assert life.jobs.dataset_options("people") is None
    options = Options(delimiter=";", missing_values=("-",))
    life.jobs.set_dataset_options("people", options)
    assert life.jobs.dataset_options("people") == options
    job = life.job(dataset="people")
    assert life.jobs.dataset_options("people") == options
    life.jobs.set_dataset_options("people", Options())
    assert life.jobs.dataset_options("people") == Options()
    assert life.found(job.id) == job
    assert life.jobs.dataset_options("default") is None
