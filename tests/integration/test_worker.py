"""The worker as a real process on real services: exact whatever happens to it."""

import hashlib
import json
import random
import signal
import time
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import rfc8785

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.jobs import Job, JobFilters
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status, Tally
from chalicelib.service.ingestion import Result
from tests.support.csv_files import expected, rows
from tests.support.waiting import PATIENCE, wait_for
from tests.support.worker_processes import Sluice, stored

MakeSluice = Callable[..., Sluice]


@pytest.mark.parametrize("queue", ["sqs", "redis"])
def test_a_file_is_loaded_with_either_queue(make_sluice: MakeSluice, queue: str) -> None:
    sluice = make_sluice(queue, SLUICE_BLOCK_SIZE="4096")
    data = rows(2000)
    sluice.start_worker()
    job = sluice.finished(sluice.upload(data))
    assert job.status is Status.COMPLETED
    assert job.progress.tally == expected(data)
    again = sluice.finished(sluice.upload(data))
    assert again.progress.tally == Tally(2000, 0, 2000 - expected(data).rejected, expected(data).rejected)
    in_sql = sluice.sql("SELECT count(*), (SELECT count(*) FROM validation_errors) FROM ingested_data")
    assert in_sql == [(expected(data).inserted, 2 * expected(data).rejected)]


def test_anyone_can_recompute_a_hash(make_sluice: MakeSluice) -> None:
    sluice = make_sluice()
    data = 'Name,e-mail,born,\u00e9t\u00e9,empty\n" Ada ",Ada@Example.COM,1815/12/10,"a ""b""\nc",\n'.encode()
    sluice.start_worker()
    assert sluice.finished(sluice.upload(data)).status is Status.COMPLETED
    known = {
        "Name": "Ada",
        "e-mail": "ada@example.com",
        "born": "1815-12-10",
        unicodedata.normalize("NFC", "e\u0301te\u0301"): 'a "b"\nc',
    }
    assert sluice.sql("SELECT content_hash, record FROM ingested_data") == [
        (hashlib.sha256(rfc8785.dumps(known)).digest(), known)
    ]


def test_rejects_have_their_record_number_and_offset(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="1024")
    lines = [b"%d,x" % number for number in range(1000)]
    bad = {100: b"short", 500: b"1,2,3", 700: b"\xff,x", 900: b"a\0,x"}
    for number, line in bad.items():
        lines[number] = line
    data = b"a,b\n" + b"\n".join(lines)
    sluice.start_worker()
    job = sluice.finished(sluice.upload(data))
    found = sluice.services.jobs.rejects(job.id, limit=10, after=None)
    codes = ["missing-cell", "extra-cell", "encoding-error", "nul-character"]
    assert [(it.place.record, it.code) for it in found] == [
        (number + 1, code) for number, code in zip(bad, codes, strict=True)
    ]
    assert [it.place.offset for it in found] == [data.index(line) for line in bad.values()]


def loaded_to(position: float) -> Callable[[Job], bool]:
    return lambda job: job.progress.bytes_processed >= position


def test_kill_and_restart_gives_what_an_undisturbed_run_gives(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE=str(1 << 17))
    data = rows(200_000)
    job_id = sluice.upload(data)
    moments = random.Random(7)
    for share in (0.1, 0.3, 0.5, 0.8):
        worker = sluice.start_worker()
        sluice.wait_for(job_id, loaded_to(share * len(data)))
        time.sleep(moments.random() * 0.05)
        worker.kill()
        worker.wait()
        assert sluice.job(job_id).status is Status.PROCESSING
    sluice.start_worker()
    job = sluice.finished(job_id)
    assert job.status is Status.COMPLETED
    assert job.progress.attempts == 5
    assert job.progress.tally == expected(data)
    assert sluice.sql("SELECT count(*) FROM ingested_data") == [(expected(data).inserted,)]
    killed = stored(sluice)
    sluice.sql("WITH gone AS (DELETE FROM ingested_data RETURNING 1) SELECT count(*) FROM gone")
    undisturbed = sluice.finished(sluice.upload(data))
    assert undisturbed.progress.tally == job.progress.tally
    assert stored(sluice) == killed


def test_many_messages_and_workers_for_one_job_count_nothing_twice(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="65536")
    data = rows(60_000)
    job_id = sluice.upload(data)
    for _ in range(3):
        sluice.services.sender.send(job_id)
    for _ in range(3):
        sluice.start_worker()
    job = sluice.finished(job_id)
    assert job.status is Status.COMPLETED
    assert job.progress.tally == expected(data)


def test_sigterm_releases_the_job_and_exits_with_0(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="65536", SLUICE_LEASE_SECONDS="60", SLUICE_VISIBILITY_TIMEOUT="60")
    data = rows(100_000)
    job_id = sluice.upload(data)
    worker = sluice.start_worker()
    sluice.wait_for(job_id, lambda job: job.progress.bytes_processed > 0)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE) == 0
    stopped = sluice.job(job_id)
    assert stopped.status is Status.PROCESSING
    sluice.start_worker()  # the lease would last a minute: it was given back
    job = sluice.wait_for(job_id, lambda job: job.status.is_terminal or job.progress.attempts > 1)
    assert job.progress.attempts == 2
    assert sluice.finished(job_id).progress.tally == expected(data)


def test_an_object_that_is_replaced_fails_its_job(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="65536")
    job_id = sluice.upload(rows(100_000))
    worker = sluice.start_worker()
    sluice.wait_for(job_id, lambda job: job.progress.bytes_processed > 0)
    worker.kill()
    worker.wait()
    upload = sluice.job(job_id).upload
    sluice.s3.put_object(Bucket=upload.bucket, Key=upload.key, Body=b"a,b\n1,2\n")
    sluice.start_worker()
    job = sluice.finished(job_id)
    assert (job.status, job.outcome.error and job.outcome.error.code) == (Status.FAILED, "source-changed")


def test_an_object_that_is_replaced_after_it_was_read_fails_its_job(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="65536")
    data = rows(10_000)
    job_id = sluice.upload(data)
    upload = sluice.job(job_id).upload

    class Replacing:
        """Replace the object once its last block has been written."""

        def __init__(self) -> None:
            self._writer = sluice.services.new_block_writer()

        def write(self, job: Job, block: PreparedBlock) -> Tally:
            tally = self._writer.write(job, block)
            if block.end == len(data):
                sluice.s3.put_object(Bucket=upload.bucket, Key=upload.key, Body=b"a,b\n1,2\n")
            return tally

        def write_whole(self, *_arguments: object) -> None:
            """Leave the file to :meth:`write`: it is larger than a block."""

    handler = sluice.services.message_handler
    attempts = replace(handler.attempts, ingester=replace(sluice.services.ingester, new_writer=Replacing))
    claim = handler.leases.claim(job_id, owner="test", lease_seconds=60)
    assert claim is not None
    assert attempts.run(claim, lambda: True) is Result.JOB_ENDED
    job = sluice.job(job_id)
    assert (job.status, job.outcome.error and job.outcome.error.code) == (Status.FAILED, "source-changed")
    assert job.progress.tally == expected(data)


def test_an_object_replaced_where_versions_are_kept_is_loaded_twice(
    make_sluice: MakeSluice,
) -> None:
    bucket = f"versions-{uuid4().hex}"
    sluice = make_sluice(SLUICE_BLOCK_SIZE="65536", SLUICE_BUCKET=bucket)
    sluice.s3.create_bucket(Bucket=bucket)
    sluice.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    data, newer = rows(100_000), b"a,b\n1,2\n"
    job_id = sluice.upload(data, dataset="people")
    key = sluice.job(job_id).upload.key
    sluice.services.intake.take_in([sluice.services.store.pin(bucket, key)])
    sluice.start_worker()
    sluice.wait_for(job_id, lambda job: job.progress.bytes_processed > 0)
    sluice.s3.put_object(Bucket=bucket, Key=key, Body=newer)
    event = sluice.services.store.pin(bucket, key)
    for _ in range(2):
        sluice.services.intake.take_in([event])
    assert sluice.finished(job_id).progress.tally == expected(data)
    listed = sluice.services.jobs.list(JobFilters(dataset="people"), limit=9, before=None)
    (second,) = [job.id for job in listed if job.id != job_id]
    assert sluice.finished(second).progress.tally == Tally(1, 1, 0, 0)


def test_a_canceled_load_stops_at_once_and_a_retry_finishes_it(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="16384")
    data = rows(80_000)
    job_id = sluice.upload(data)
    sluice.start_worker()
    sluice.wait_for(job_id, lambda job: job.progress.bytes_processed > 0)
    sluice.services.jobs.act(job_id, Action.CANCEL)
    after = sluice.job(job_id)
    assert after.status is Status.CANCELED
    assert 0 < after.progress.bytes_processed < len(data)
    ended = sluice.finished(sluice.upload(b"a,b\n1,2\n"))  # the worker is free again
    assert ended.status is Status.COMPLETED
    assert sluice.job(job_id).progress.tally == after.progress.tally  # and nothing was committed since
    assert sluice.sql("SELECT count(*) FROM ingested_data") == [(after.progress.tally.inserted + 1,)]
    sluice.services.jobs.act(job_id, Action.RETRY)
    sluice.services.sender.send(job_id)
    job = sluice.finished(job_id)
    assert (job.status, job.progress.tally) == (Status.COMPLETED, expected(data))


@pytest.mark.parametrize("is_frozen", [True, False])
def test_cancel_is_answered_while_a_block_is_being_written(
    make_sluice: MakeSluice, tmp_path: Path, is_frozen: bool
) -> None:
    sluice = make_sluice()
    other_id = sluice.upload(rows(100))
    worker = sluice.start_worker(SLUICE_WORKER_JOBS="2")
    sluice.finished(other_id)
    with psycopg.connect(sluice.env["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE validation_errors IN SHARE MODE")
        job_id = sluice.upload(b"a,b\n" + b"1,2\nx\n" * 1000)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO validation_errors%%'"
        wait_for(lambda: sluice.sql(waiting) == [(1,)])
        if is_frozen:
            worker.send_signal(signal.SIGSTOP)
        canceled = sluice.services.jobs.act(job_id, Action.CANCEL)  # else the lock is never free
        assert canceled is not None
        assert (canceled.status, canceled.progress.tally) == (Status.CANCELED, Tally())
        if is_frozen:
            worker.send_signal(signal.SIGCONT)
    beside = sluice.finished(sluice.upload(b"a,b\n5,6\n"))  # the worker is as good as before
    assert (beside.status, beside.progress.tally.inserted) == (Status.COMPLETED, 1)
    assert sluice.sql("SELECT count(*) FROM ingestion_blocks WHERE job_id = %s", job_id) == [(0,)]
    ended = sluice.job(job_id)
    assert (ended.status, ended.progress.attempts) == (Status.CANCELED, 1)
    log = "".join(path.read_text() for path in tmp_path.glob("worker-*.log"))
    assert "Traceback" not in log


def test_an_undone_load_leaves_nothing_even_if_the_worker_dies(make_sluice: MakeSluice) -> None:
    sluice = make_sluice()
    data = rows(50_000)
    job_id = sluice.upload(data)
    worker = sluice.start_worker()
    sluice.finished(job_id)
    kept = sluice.finished(sluice.upload(rows(100)))
    sluice.services.jobs.act(job_id, Action.UNDO)
    sluice.services.sender.send(job_id)
    sluice.wait_for(job_id, lambda job: job.progress.attempts > 1)
    worker.kill()
    sluice.start_worker()
    job = sluice.finished(job_id)
    assert (job.status, job.progress.tally) == (Status.UNDONE, Tally())
    shared = expected(rows(100)).inserted
    assert job.outcome.undone_rows == expected(data).inserted - shared
    left = sluice.sql("SELECT count(*), (SELECT count(*) FROM validation_errors) FROM ingested_data")
    assert left == [(shared, kept.progress.tally.rejected)]


@pytest.mark.parametrize(("data", "code"), [(b"", "empty-file"), (b"\x1f\x8b\x08\0", "corrupt-file")])
def test_a_file_that_cannot_be_read_fails_with_a_sentence(
    make_sluice: MakeSluice, data: bytes, code: str
) -> None:
    sluice = make_sluice()
    sluice.start_worker()
    job = sluice.finished(sluice.upload(data))
    assert job.outcome.error is not None
    assert job.outcome.error.code == code
    assert job.outcome.error.message.endswith(".")


def test_a_worker_loads_several_jobs_at_once(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_WORKER_JOBS="3", SLUICE_BLOCK_SIZE="16384")
    files = [rows(5000, seed) for seed in range(6)]
    jobs = [sluice.upload(data, dataset=f"set-{seed}") for seed, data in enumerate(files)]
    sluice.start_worker()
    for job_id, data in zip(jobs, files, strict=True):
        assert sluice.finished(job_id).progress.tally == expected(data)


def test_ndjson_is_loaded_with_nested_values_and_rejects(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="1024")
    lines = [json.dumps({"n": n, "nested": {"list": [n, None, "x "]}, "none": None}) for n in range(500)]
    lines[77] = '{"n": 1,'
    sluice.start_worker()
    job = sluice.finished(sluice.upload("\n".join(lines).encode(), filename="x.ndjson"))
    assert job.progress.tally == Tally(500, 499, 0, 1)
    assert sluice.sql("SELECT record FROM ingested_data WHERE record->'n' = '3'") == [
        ({"n": 3, "nested": {"list": [3, None, "x"]}},)
    ]
    assert sluice.sql("SELECT code, byte_offset FROM validation_errors") == [
        ("json-syntax", len("\n".join(lines[:77])) + 1)
    ]


def test_a_worker_without_settings_says_what_is_missing(make_sluice: MakeSluice) -> None:
    sluice = make_sluice(DATABASE_URL="")
    assert sluice.start_worker().wait(timeout=PATIENCE) == 2
    assert "DATABASE_URL is not set" in (sluice.logs / "worker-0.log").read_text()


def test_the_health_file_is_kept_fresh(make_sluice: MakeSluice) -> None:
    sluice = make_sluice()
    file = sluice.logs / "healthy"
    sluice.start_worker(SLUICE_HEALTH_FILE=str(file))
    wait_for(file.exists)
    first = file.stat().st_mtime
    wait_for(lambda: file.stat().st_mtime != first)
