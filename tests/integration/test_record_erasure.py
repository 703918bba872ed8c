"""The erasure of a person's records, on Postgres and on a bucket that keeps versions."""

import gzip
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from chalicelib import settings
from chalicelib.backends.postgres.audit import keep_events
from chalicelib.backends.postgres.database import load_queries, transaction_on
from chalicelib.backends.postgres.record_erasure import PostgresErasedRecords, PostgresErasures
from chalicelib.backends.postgres.tenant_removal import PostgresRemovedTenants
from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.backends.s3 import S3Bucket, S3Store
from chalicelib.core.audit import Actor, AuditAction
from chalicelib.core.erasures import ErasedObject, Erasure, Version
from chalicelib.core.errors import JobEnded, NotPossible, RetryLater
from chalicelib.core.jobs import Changes, Instructions, NewJob, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Options, Status
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.entrypoints.migrate import migrate_database
from chalicelib.service.attempt import Attempts
from chalicelib.service.ingestion import Ingester, Result
from chalicelib.service.object_keys import upload_key
from chalicelib.service.preview import Previewer
from chalicelib.service.record_erasure import Erasing, RecordEraser
from chalicelib.service.rejects_file import RejectsFileMaker
from chalicelib.service.tenant_removal import TenantRemover
from chalicelib.wiring import Services
from tests.support.blocks import block
from tests.support.buckets import new_bucket, s3_client
from tests.support.fakes import MemoryJobs
from tests.support.jobs import NOW
from tests.support.life import Backend, Life
from tests.support.principals import REACH
from tests.support.roles import as_role
from tests.support.waiting import wait_for
from tests.support.worker_processes import Sluice
from tests.support.workers import new_ingester

ACTOR = Actor(AuditAction.DATASET_ERASE, "key", "k1", "dpo", "key:k1", "request", "192.0.2.7")
ADA = "ada@example.org"
PEOPLE = f"""id,email,born
1,{ADA},1815-12-10
2, ADA@Example.ORG ,1815-12-10
3,grace@example.org,1906-12-09
4,{ADA},1815-12-10,more
5,edsger@example.org,1930-05-11,more
""".encode()


class World:
    """Tenants' files in a bucket that keeps versions, loaded into Postgres."""

    def __init__(self, life: Backend, client: Any, name: str) -> None:
        self.life, self.client, self.name = life, client, name
        self.bucket = S3Bucket(client, name)
        store = S3Store(client)
        ports = {"ledger": life.ledger, "splits": life.splits, "new_writer": life.writer}
        sizes = {"max_upload": 10**9, "max_record": 10**6, "loaders": 1}
        self.ingester: Ingester = new_ingester(MemoryJobs(), store, **ports, **sizes)
        maker = RejectsFileMaker(
            life.rejects_files, store, self.bucket, self.ingester.limits, self.ingester.block_memory, 3
        )
        previewer = Previewer(life.ledger, life.previews, store, self.ingester.limits)
        self.attempts = Attempts(
            life.jobs, self.ingester, previewer, life.undo, life.ledger, maker, 5, outage_seconds=5
        )

    def register(
        self, data: bytes, *, tenant: Tenant = DEFAULT_TENANT, key: str | None = None, **instructions: Any
    ) -> UUID:
        job_id = uuid4()
        key = key or upload_key(tenant.name, "people", job_id, "people.csv")
        sent = self.client.put_object(Bucket=self.name, Key=key, Body=data, ChecksumAlgorithm="SHA256")
        assert sent["VersionId"]
        upload = Upload(self.name, key)
        new = NewJob(
            job_id, "people", "people.csv", upload, 1024, Instructions(**instructions), tenant=tenant
        )
        self.life.jobs.create(new)
        pinned, _ = self.ingester.store.begin(self.name, key, sent["VersionId"], 1)
        assert self.life.jobs.mark_arrived(job_id, pinned)
        return job_id

    def work(self, job_id: UUID, keep_going: Callable[[], bool] = lambda: True) -> Result:
        claim = self.life.leases.claim(job_id, owner="me", lease_seconds=60)
        assert claim is not None
        result = self.attempts.run(claim, keep_going)
        self.life.leases.release(job_id, owner="me", without_progress=False)
        return result

    def load(self, data: bytes, **options: Any) -> UUID:
        job_id = self.register(data, **options)
        self.work(job_id)
        return job_id

    def begin(self, field: str, value: str, tenant: Tenant = DEFAULT_TENANT) -> Erasure:
        erasures = PostgresErasures(self.life.pool, tenant, ACTOR)
        erasure = Erasing(erasures).begin("people", field, value)
        assert erasure is not None
        return erasure

    def fence(self, erasure: Erasure) -> None:
        """Begin to carry the erasure out, a moment after the last object was written."""
        next(PostgresErasedRecords(self.life.pool).erase(erasure.id))
        self.life.change("UPDATE erasures SET fenced_at = fenced_at + interval '2 seconds'")

    def eraser(self, *, after: int | None = None) -> RecordEraser:
        """Return an eraser that takes small steps, and that is killed after so many of them."""
        left = iter(range(after + 1)) if after is not None else None

        def clock() -> float:
            if left is not None and next(left, None) is None:
                raise _Killed
            return 0.0

        return RecordEraser(
            PostgresErasedRecords(self.life.pool, rows=2, rejects=1), self.bucket, settled=0, clock=clock
        )

    def shown(self, erasure: Erasure, tenant: Tenant = DEFAULT_TENANT) -> Erasure:
        found = PostgresErasures(self.life.pool, tenant).get("people", erasure.id)
        assert found is not None
        return found

    def erase(self, field: str, value: str) -> Erasure:
        erasure = self.begin(field, value)
        assert self.eraser().erase() == 1
        return self.shown(erasure)

    def objects(self) -> dict[str, list[bytes]]:
        """Return what each key has in all of its versions."""
        found: dict[str, list[bytes]] = {}
        listed = self.client.list_object_versions(Bucket=self.name)
        for it in listed.get("Versions", []):
            body = self.client.get_object(Bucket=self.name, Key=it["Key"], VersionId=it["VersionId"])
            data = body["Body"].read()
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            found.setdefault(it["Key"], []).append(data)
        return found

    def stored(self) -> dict[str, list[str]]:
        """Return the rows of every table as JSON."""
        tables = self.life.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        return {
            table: [it[0] for it in self.life.sql(f"SELECT to_jsonb(it)::text FROM {table} AS it ORDER BY 1")]
            for (table,) in tables
        }

    def found(self, text: str) -> dict[str, int]:
        """Return the tables and keys in which a text stands, in any case, with how often."""
        tables = {table: sum(text in row.lower() for row in rows) for table, rows in self.stored().items()}
        keys = {key: sum(text.encode() in it.lower() for it in all_) for key, all_ in self.objects().items()}
        return {name: count for name, count in (tables | keys).items() if count}

    def key(self, job_id: UUID) -> str:
        return self.life.found(job_id).upload.key

    def emails(self, tenant: Tenant = DEFAULT_TENANT) -> list[str]:
        rows = self.life.sql(
            "SELECT record->>'email' FROM ingested_rows"
            f" WHERE tenant = '{tenant.name}' AND dataset = 'people' ORDER BY 1"
        )
        return [row[0] for row in rows]


class _Killed(BaseException):
    """The process is dead."""


@pytest.fixture
def world(life: Life, services: Mapping[str, str]) -> World:
    client = s3_client(services)
    return World(life, client, new_bucket(client, keeps_versions=True))


@pytest.mark.parametrize("table", ["plain", "partitioned"], indirect=True)
def test_nothing_of_a_person_is_left_though_every_sweep_is_killed(world: World) -> None:
    life = world.life
    acme = PostgresTenants(life.pool).create("acme")[0]
    others = world.load(PEOPLE, tenant=acme)
    first = world.load(PEOPLE)
    clean = world.load(b"id,email,born\n8,mary@example.org,1943-09-30\n")
    packed = world.load(gzip.compress(f"id,email,born\n9,{ADA},\n10,tony@example.org,\n".encode()))
    failed = world.load(f"id,email\n1,{ADA},more\n".encode())
    undone = world.load(f"id,email\n11,{ADA}\n".encode())
    life.jobs.act(undone, Action.UNDO)
    world.work(undone)
    previewed = world.register(f"id,email\n12,{ADA}\n".encode(), preview=True)
    world.work(previewed)
    life.jobs.act(previewed, Action.CANCEL)
    assert life.rejects_files.wish(first)
    world.work(first)
    overwritten = world.load(PEOPLE.replace(b"id,", b"no,"))
    world.client.put_object(Bucket=world.name, Key=world.key(overwritten), Body=PEOPLE)
    world.client.delete_object(Bucket=world.name, Key=world.key(overwritten))
    statuses = [
        life.found(it).status for it in (first, clean, packed, failed, undone, previewed, overwritten)
    ]
    assert statuses == [
        *(
            Status.COMPLETED,
            Status.COMPLETED,
            Status.COMPLETED,
            Status.FAILED,
            Status.UNDONE,
            Status.CANCELED,
        ),
        Status.COMPLETED,
    ]
    before = world.found(ADA)
    must_have = {"ingested_data", "validation_errors", "job_previews", "job_warnings"}
    must_have |= {world.key(it) for it in (first, packed, failed, undone, previewed, overwritten, others)}
    assert must_have < before.keys(), before
    assert any(key.startswith(f"rejects/default/{first}/") for key in before)
    others_rows = world.emails(acme)
    erasure = world.begin("email", " Ada@Example.org ")
    world.fence(erasure)
    assert _deaths(world) > 10

    after = world.found(ADA)
    of_acme = {"ingested_data": 2, "validation_errors": 1, "job_warnings": 1, world.key(others): 1}
    assert after == of_acme
    assert world.emails(acme) == others_rows
    left = ["grace@example.org", "grace@example.org", "mary@example.org", "tony@example.org"]
    assert world.emails() == left
    assert world.key(clean) in world.objects()
    assert {key for key in world.objects() if str(first) in key or str(overwritten) in key} == set()
    done = world.shown(erasure)
    assert done.completed_at is not None
    assert (done.rows, done.waiting, done.waits_for) == (5, 0, [])
    assert done.rejects == life.sql("SELECT count(*) FROM validation_errors WHERE code = 'erased'")[0][0] == 3
    assert done.objects >= 6
    (event,) = life.sql("SELECT subject, tenant_id, job_id FROM audit_events WHERE action = 'dataset.erase'")
    assert event == (f"datasets/people/erasures/{erasure.id}", 1, None)
    _check_rejects(world, first)
    assert world.eraser().erase() == 0


def _deaths(world: World) -> int:
    """Carry the erasure out; return how many sweeps were killed after one step."""
    deaths = 0
    while True:
        try:
            if world.eraser(after=1).erase():
                return deaths
        except _Killed:
            deaths += 1


def _check_rejects(world: World, job_id: UUID) -> None:
    """The rejects of a job add up, and those that were not the person's are whole."""
    life = world.life
    rejects = life.jobs.rejects(job_id, limit=9, after=None)
    assert [(it.code, it.raw) for it in rejects] == [
        ("erased", ""),
        ("extra-cell", "5,edsger@example.org,1930-05-11,more"),
    ]
    assert life.found(job_id).progress.tally.rejected == 2
    assert life.rejects_files.wish(job_id)
    world.work(job_id)
    file = life.found(job_id).rejects_file
    assert file is not None
    assert (file.rejects, file.error) == (2, None)
    with pytest.raises(NotPossible, match="removed, with a person's records"):
        life.jobs.reread(job_id, Changes())


def test_when_the_same_file_comes_again_its_records_are_rejected(world: World) -> None:
    world.load(PEOPLE)
    world.erase("email", ADA)
    again = world.load(PEOPLE)
    job = world.life.found(again)
    assert (job.status, job.outcome.duplicate_of) == (Status.COMPLETED, None)
    tally = job.progress.tally
    assert (tally.records, tally.inserted, tally.duplicates, tally.rejected) == (5, 0, 1, 4)
    assert world.found(ADA) == {world.key(again): 1}
    codes = [it.code for it in world.life.jobs.rejects(again, limit=9, after=None)]
    assert codes == ["erased", "erased", "erased", "extra-cell"]
    assert world.life.rejects_files.wish(again)
    world.work(again)
    assert world.found(ADA) == {world.key(again): 1}

    twin = world.load(PEOPLE)  # the same bytes: it is not read again
    assert world.life.found(twin).outcome.duplicate_of == again
    done = world.erase("email", ADA)
    assert done.rows == 0
    assert world.found(ADA) == {}
    marked = world.life.sql("SELECT job_id FROM erasure_jobs WHERE erasure = 2 AND holds")
    assert {it[0] for it in marked} == {again, twin}


def test_a_preview_and_a_message_do_not_show_what_was_erased(world: World) -> None:
    world.load(b"id,email,born\n8,mary@example.org,1943-09-30\n")
    world.erase("email", ADA)
    job_id = world.register(PEOPLE, preview=True)
    assert world.work(job_id) is Result.PREVIEWED
    preview = world.life.found(job_id).preview
    assert preview is not None
    assert [json.loads(it)["email"] for it in preview.records] == ["grace@example.org"]
    assert [it.code for it in preview.rejects] == ["erased", "erased", "erased", "extra-cell"]
    assert world.found(ADA) == {world.key(job_id): 1}


def test_json_numbers_are_found_by_their_texts(world: World) -> None:
    lines = [
        '{"id":5}',
        '{"id":"5"}',
        '{"id":5.0}',
        '{"id":55}',
        '{"id":[5]}',
        '{"id":null,"x":5}',
        '{"id":1e21}',
    ]
    world.load("\n".join(lines).encode(), tenant=DEFAULT_TENANT)
    assert world.erase("id", "5").rows == 2  # 5 and 5.0 are one row
    assert world.erase("id", "1e+21").rows == 1
    left = world.life.sql("SELECT record::text FROM ingested_data ORDER BY 1")
    assert sorted(it[0] for it in left) == ['{"id": 55}', '{"id": [5]}', '{"x": 5}']


def test_a_number_does_not_come_back_in_another_form(world: World) -> None:
    for asked, line in (("1000000000000000000000", '{"id":1e21}'), ("1e-7", '{"id":0.0000001}')):
        world.load(line.encode())
        assert world.erase("id", asked).rows == 1
        again = world.load(line.encode() + b"\n")
        assert world.life.found(again).progress.tally.rejected == 1


def test_the_objects_of_jobs_between_the_first_and_the_last_are_removed(world: World) -> None:
    one = f"id,email\n1,{ADA}\n"
    jobs = [world.load(f"{one}{n},x{n}@example.org\n".encode()) for n in (2, 3, 4)]
    new = world.load(b"id,email\n5,x5@example.org\n")
    assert [world.life.found(it).progress.tally.duplicates for it in (*jobs, new)] == [0, 1, 1, 0]
    world.erase("email", ADA)
    assert set(world.objects()) == {world.key(new)}


@pytest.mark.parametrize("folder", ["drop", "uploads"])
def test_of_a_key_only_the_version_with_the_record_is_removed(world: World, folder: str) -> None:
    key = f"{folder}/default/people/daily.csv"
    old = world.load(f"id,email\n1,{ADA}\n".encode(), key=key)
    clean = world.load(b"id,email\n2,x@example.org\n", key=key)
    neighbour = world.load(b"id,email\n3,y@example.org\n", key=f"{key}.bak")
    world.erase("email", ADA)
    assert world.objects() == {
        key: [b"id,email\n2,x@example.org\n"],
        f"{key}.bak": [b"id,email\n3,y@example.org\n"],
    }
    assert {world.life.found(it).status for it in (old, clean, neighbour)} == {Status.COMPLETED}


def test_in_a_bucket_without_versions_the_object_of_exactly_that_key_is_removed(world: World) -> None:
    name = new_bucket(world.client)
    for key in ("drop/a/b/c", "drop/a/b/c.csv"):
        world.client.put_object(Bucket=name, Key=key, Body=b"x")
    bucket, later = S3Bucket(world.client, name), datetime.now(UTC) + timedelta(minutes=1)

    etag = next(iter(bucket.objects("drop/"))).etag

    def erased(*kept: Version, before: datetime = later) -> int:
        return bucket.erase_versions(ErasedObject(uuid4(), "a", "drop/a/b/c", before, kept=frozenset(kept)))

    assert erased(Version("null", etag)) == 0  # another job has read it
    assert erased(before=later - timedelta(hours=1)) == 0  # it is of a later file
    assert erased(Version("null", "of what was there before")) == 1
    assert [it.key for it in bucket.objects("drop/")] == ["drop/a/b/c.csv"]


@pytest.mark.parametrize("keeps_versions", [True, False])
def test_what_is_written_in_the_second_of_the_erasure_stays(world: World, keeps_versions: bool) -> None:
    """Only what the job has read was surely there before."""
    name, key = new_bucket(world.client, keeps_versions=keeps_versions), "drop/default/people/daily.csv"
    bucket = S3Bucket(world.client, name)

    def put(data: bytes) -> tuple[Version, datetime]:
        """Return the version that was put there, and a time within that second."""
        sent = world.client.put_object(Bucket=name, Key=key, Body=data)
        found = world.client.head_object(Bucket=name, Key=key)
        version = Version(sent.get("VersionId", "null"), sent["ETag"].strip('"'))
        return version, found["LastModified"] + timedelta(seconds=0.9)

    def erased(before: datetime, own: Version) -> int:
        return bucket.erase_versions(ErasedObject(uuid4(), "default", key, before, own))

    first, fenced_at = put(b"held it")
    assert erased(fenced_at, Version(first.id, "of what was there before")) == 0
    assert erased(fenced_at, first) == 1
    second, later = put(b"came later")
    assert erased(min(fenced_at, later), Version("null", first.etag)) == 0
    assert [it.etag for it in bucket.objects(key)] == [second.etag]
    assert erased(later + timedelta(seconds=1), first) == 1  # no job has read it, but it was there


def test_a_rejects_file_that_is_made_after_the_examination_stays(world: World) -> None:
    """Its objects are removed twice: a worker may have been making one."""
    life, job_id = world.life, world.load(PEOPLE)
    assert life.rejects_files.wish(job_id)
    world.work(job_id)
    world.begin("email", ADA)
    eraser = RecordEraser(PostgresErasedRecords(life.pool), world.bucket, settled=3600)
    assert eraser.erase() == 0
    assert [key for key in world.objects() if key.startswith("rejects/")] == []
    assert life.rejects_files.wish(job_id)
    world.work(job_id)
    late = f"rejects/default/{job_id}/1-late/rejects.csv"  # of one that had begun before
    world.client.put_object(Bucket=world.name, Key=late, Body=PEOPLE)
    life.change("UPDATE erasure_jobs SET examined_at = examined_at - interval '2 hours'")
    life.change("UPDATE erasure_jobs SET removed_at = removed_at - interval '2 hours'")
    assert eraser.erase() == 1
    made = life.found(job_id).rejects_file
    assert made is not None
    assert [key for key in world.objects() if key.startswith("rejects/")] == [made.key]
    assert world.found(ADA) == {}


def test_a_file_that_arrives_after_the_erasure_stays(world: World) -> None:
    """Its job was registered before, and is examined when the file has been loaded."""
    life, job_id = world.life, uuid4()
    world.load(b"id,email\n8,mary@example.org\n")
    key = upload_key("default", "people", job_id, "people.csv")
    life.jobs.create(NewJob(job_id, "people", "people.csv", Upload(world.name, key), 1024))
    erasure = world.begin("email", ADA)
    next(PostgresErasedRecords(life.pool).erase(erasure.id))  # the fence
    version = world.client.put_object(Bucket=world.name, Key=key, Body=PEOPLE, ChecksumAlgorithm="SHA256")
    pinned, _ = world.ingester.store.begin(world.name, key, version["VersionId"], 1)
    assert life.jobs.mark_arrived(job_id, pinned)
    world.work(job_id)
    assert world.eraser().erase() == 1
    done = world.shown(erasure)
    assert (done.rows, done.rejects, done.objects) == (0, 0, 0)
    assert world.objects()[key] == [PEOPLE]
    assert life.found(job_id).progress.tally.rejected == 4

    assert life.jobs.reread(job_id, Changes())  # its file is there
    for _ in range(2):
        world.work(job_id)
    assert world.erase("email", ADA).objects == 1
    assert world.found(ADA) == {}


def test_the_file_of_a_canceled_job_that_comes_later_goes_with_the_next_erasure(world: World) -> None:
    """Its URL still works. No job reads it."""
    job_id = uuid4()
    key = upload_key("default", "people", job_id, "people.csv")
    world.life.jobs.create(NewJob(job_id, "people", "people.csv", Upload(world.name, key), 1024))
    world.life.jobs.act(job_id, Action.CANCEL)
    assert world.erase("email", ADA).objects == 0
    world.client.put_object(Bucket=world.name, Key=key, Body=PEOPLE)
    erasure = world.begin("email", ADA)
    world.fence(erasure)
    assert world.eraser().erase() == 1
    assert world.shown(erasure).objects == 1
    assert world.found(ADA) == {}


def test_a_key_that_a_job_is_to_read_again_is_waited_for(world: World) -> None:
    """It reads whichever version is there then."""
    key = "drop/default/people/daily.csv"
    world.load(f"id,email\n1,{ADA}\n".encode(), key=key)
    bad, good = b"id,\xffemail\n3,x@example.org\n", b"id,email\n2,mary@example.org\n"
    failed = world.load(bad, key=key)
    assert world.life.found(failed).status is Status.FAILED
    world.client.put_object(Bucket=world.name, Key=key, Body=good)
    erasure = world.begin("email", ADA)
    world.fence(erasure)
    world.life.jobs.act(failed, Action.RETRY)
    assert world.eraser().erase() == 0
    assert world.found(ADA) == {key: 1}
    world.work(failed)
    assert world.life.found(failed).status is Status.COMPLETED
    assert world.eraser().erase() == 1
    assert world.objects() == {key: [good]}


def test_rejects_that_are_not_stored_whole_cost_the_object(world: World) -> None:
    long = world.load(b"id,email,x\n1,a@example.org,1\n1," + b"y" * 600 + b"\n")
    short = world.load(b"id,email,x\n2,b@example.org,1\n1,y\n")
    world.erase("email", ADA)
    assert set(world.objects()) == {world.key(short)}
    assert world.life.found(long).status is Status.COMPLETED


def test_a_job_that_is_doomed_is_not_read_again(world: World) -> None:
    """Between its examination and the removal of its object."""
    life = world.life
    failed = world.load(f"id,email\n1,{ADA},more\n".encode())
    loaded = world.load(PEOPLE)
    life.jobs.act(failed, Action.RETRY)  # nothing was erased yet
    world.work(failed)
    erasure = world.begin("email", ADA)
    records = PostgresErasedRecords(life.pool)
    life.jobs.reread(loaded, Changes())  # it is not examined yet
    list(records.erase(erasure.id))
    assert {it.job_id for it in records.objects(erasure.id, settled=0)} == {failed}
    with pytest.raises(NotPossible, match="removed, with a person's records"):
        life.jobs.act(failed, Action.RETRY)
    world.work(loaded)
    world.work(loaded)
    list(records.erase(erasure.id))
    assert {it.job_id for it in records.objects(erasure.id, settled=0)} == {failed, loaded}
    life.jobs.act(loaded, Action.UNDO)  # its object is kept until it has ended
    assert {it.job_id for it in records.objects(erasure.id, settled=0)} == {failed}
    records.removed(erasure.id, ErasedObject(loaded, "default", world.key(loaded), NOW), 0)
    assert life.sql("SELECT count(*) FROM erasure_jobs WHERE removed_at IS NOT NULL") == [(0,)]
    world.work(loaded)
    assert world.eraser().erase() == 1
    assert world.found(ADA) == {}


def test_erasures_of_tenants_take_turns_and_are_limited(world: World) -> None:
    acme = PostgresTenants(world.life.pool).create("acme")[0]
    world.load(PEOPLE)
    world.load(PEOPLE, tenant=acme)
    first, second = world.begin("email", "a"), world.begin("email", "b")
    other = world.begin("email", "a", acme)
    records = PostgresErasedRecords(world.life.pool)
    assert records.running() == [first.id, other.id, second.id]
    next(records.erase(first.id))
    assert records.running() == [second.id, other.id, first.id]
    next(records.erase(second.id))
    assert records.running() == [other.id, first.id, second.id]
    for n in range(98):
        world.begin("email", str(n))
    with pytest.raises(NotPossible, match="100 erasures of this dataset are not completed"):
        world.begin("email", "c")
    assert world.life.sql("SELECT erasures FROM tenant_datasets ORDER BY id") == [(100,), (1,)]
    world.begin("email", "c", acme)


@pytest.mark.parametrize("encoding", [None, "cp1250", "utf-8"])
def test_rejects_in_another_encoding_and_their_file_go(world: World, encoding: str | None) -> None:
    data = "id,name\n1,Łukasz Żak,more\n2,x\n".encode("cp1250")
    clean = "id,name\n1,Ewa Ćma,more\n2,y\n".encode("cp1250")
    its, other = (world.load(it, options=Options(encoding=encoding)) for it in (data, clean))
    assert world.erase("name", "Łukasz Żak").rejects == 1
    assert [it.raw for it in world.life.jobs.rejects(its, limit=9, after=None)] == [""]
    assert set(world.objects()) == {world.key(other)}


@pytest.mark.parametrize("preview", [False, True])
def test_a_warning_of_the_detection_does_not_show_what_was_erased(world: World, preview: bool) -> None:
    world.load(PEOPLE)
    world.erase("email", ADA)
    titled = f"Export for {ADA}\nid,email,born\n8,mary@example.org,1943\n9,tony@example.org,1944\n"
    job_id = world.register(titled.encode(), preview=preview)
    world.work(job_id)
    (warning,) = world.life.found(job_id).warnings
    assert (warning.code, warning.example) == ("lines-before-header", "")
    assert world.found(ADA) == {world.key(job_id): 1}


def test_a_job_whose_object_is_gone_is_not_removed_again(world: World) -> None:
    long = "y" * 600
    world.load(f"id,email\n1,{ADA}\n2,grace@example.org,more\n3,{long},more\n4,x\n5,z\n".encode())
    world.life.change("UPDATE ingestion_jobs SET created_at = now() - interval '32 days'")
    world.erase("email", ADA)
    assert world.erase("email", "nobody@example.org").completed_at is not None
    kept = "SELECT erasure FROM erasure_jobs ORDER BY 1"
    assert world.life.sql(kept) == [(1,)]
    assert world.erase("email", "grace@example.org").rejects == 1  # Postgres has it still
    assert world.life.sql(kept) == [(1,), (3,)]
    assert world.found("grace") == {}


def test_jobs_with_a_key_are_looked_up_in_an_index(life: Life) -> None:
    """The other way round, all jobs are read for each object: with a million jobs, most of a second."""
    dataset_id = life.job(dataset="people").dataset_id
    life.change(
        "INSERT INTO ingestion_jobs (id, tenant_id, dataset_id, filename, bucket, key, block_size)"
        f" SELECT gen_random_uuid(), 1, {dataset_id}, 'f', 'b', 'uploads/' || n, 64"
        " FROM generate_series(1, 20000) AS n"
    )
    life.change("ANALYZE ingestion_jobs")
    statement = load_queries("record_erasure.sql")["objects"]
    with psycopg.connect(life.url) as connection:
        explained = connection.execute(
            f"EXPLAIN {statement}".encode(), {"id": uuid4(), "settled": 1.0, "limit": 100}
        ).fetchall()
    scans = [line for (line,) in explained if "on ingestion_jobs other" in line]
    assert any("ingestion_jobs_by_key" in line for line in scans)
    assert not any("Seq Scan" in line for line in scans)


# The fence


def test_a_block_that_does_not_know_the_erasure_is_not_committed(world: World) -> None:
    life = world.life
    job_id = world.register(PEOPLE)
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    world.begin("v", "x")
    with pytest.raises(RetryLater):  # and an attempt looks at the job again
        world.ingester.ingest(claim, lambda: True)
    assert life.sql("SELECT count(*) FROM ingested_data") == [(0,)]
    assert world.work(job_id) is Result.JOB_ENDED
    assert life.found(job_id).progress.tally.inserted == 3


def test_a_worker_of_an_earlier_version_commits_nothing(life: Life) -> None:
    """It does not say what it knows. Where nothing was erased, it works as before."""
    from chalicelib.backends.postgres import blocks

    now = blocks._SQL["insert_block"]
    before = now.replace(", set_config('sluice.erasures', %(erasures)s, true)", "")
    assert before != now
    blocks._SQL["insert_block"] = before
    try:
        job = life.job(dataset="people")
        life.load(job, block(0, ["a"]))
        erasure = PostgresErasures(life.pool, DEFAULT_TENANT).begin("people", uuid4(), "v", ["x"], b"s" * 32)
        assert erasure is not None
        for late in (block(1, ["b"]), block(1, [], rejects=1)):
            with pytest.raises(JobEnded):
                life.load(job, late)
        life.load(job, block(1, ["a"]))  # adds nothing
    finally:
        blocks._SQL["insert_block"] = now
    assert life.sql("SELECT count(*) FROM ingested_data") == [(1,)]
    assert life.found(job.id).status is Status.PROCESSING
    life.load(life.found(job.id), block(2, ["b"]))
    assert life.sql("SELECT count(*) FROM ingested_data") == [(2,)]


def test_the_erasure_waits_for_a_block_that_is_being_committed(life: Life) -> None:
    job = life.job(dataset="people")
    records = PostgresErasedRecords(life.pool)
    erasures = PostgresErasures(life.pool, DEFAULT_TENANT)
    written, go_on = threading.Event(), threading.Event()

    def commit() -> None:
        writer = life.writer()
        with transaction_on(life.pool) as connection:
            loaded = block(0, ["x"])
            inserted = writer._write_rows(connection, job, loaded)
            writer._add(connection, job, loaded, inserted)
            written.set()
            assert go_on.wait(30)

    thread = threading.Thread(target=commit)
    thread.start()
    assert written.wait(30)
    erasure = erasures.begin("people", uuid4(), "v", ["x"], b"s" * 32)
    assert erasure is not None
    with pytest.raises(RetryLater):  # it does not keep other blocks waiting for long
        list(records.erase(erasure.id))
    assert life.sql("SELECT fenced_at FROM erasures") == [(None,)]
    go_on.set()
    thread.join()
    assert life.sql("SELECT count(*) FROM ingested_data") == [(1,)]
    list(records.erase(erasure.id))
    assert life.sql("SELECT count(*) FROM ingested_data") == [(0,)]


def test_jobs_that_have_not_ended_are_waited_for(world: World) -> None:
    life = world.life
    steps = iter([True, True, True, True, False])
    data = b"id,email\n" + b"".join(
        b"%d,%s@example.org\n" % (n, b"ada" if n % 3 else b"x%d" % n) for n in range(300)
    )
    started = world.register(data)
    world.work(started, lambda: next(steps, False))
    previewed = world.register(PEOPLE, preview=True)
    world.work(previewed)
    pending = world.register(PEOPLE)
    erasure = world.begin("email", ADA)
    assert world.eraser().erase() == 0
    shown = world.shown(erasure)
    assert (shown.completed_at, set(shown.waits_for)) == (None, {started, previewed, pending})
    assert ADA not in world.emails()

    world.work(started)
    world.work(pending)
    assert world.eraser().erase() == 0
    life.jobs.act(previewed, Action.CANCEL)
    assert world.eraser().erase() == 1
    assert world.found(ADA) == {}
    assert len(world.emails()) == 100 + 1
    assert life.found(started).progress.tally.rejected == 200
    assert life.found(started).status is Status.COMPLETED


@pytest.mark.parametrize("role", ["sweep", "worker"])
def test_each_role_that_sweeps_erases(world: World, database_url: str, role: str) -> None:
    world.load(PEOPLE)
    api = Backend(database_url, as_role(database_url, "api"))
    erasures = PostgresErasures(api.pool, DEFAULT_TENANT, ACTOR)
    erasure = Erasing(erasures).begin("people", "email", ADA)
    assert erasure is not None
    with pytest.raises(errors.InsufficientPrivilege), transaction_on(api.pool, 1) as connection:
        connection.execute("DELETE FROM erasures")
    sweep = Backend(database_url, as_role(database_url, role))
    records = PostgresErasedRecords(sweep.pool)
    assert RecordEraser(records, world.bucket, settled=0).erase() == 1
    done = erasures.get("people", erasure.id)
    assert done is not None
    assert (done.rows, done.rejects, done.objects) == (2, 1, 1)
    assert world.found(ADA) == {}
    with pytest.raises(errors.InsufficientPrivilege), transaction_on(sweep.pool) as connection:
        connection.execute("DELETE FROM audit_events")
    api.pool.close()
    sweep.pool.close()


def test_a_worker_as_its_role_heeds_the_erasure(world: World, database_url: str) -> None:
    world.load(b"id,email\n8,mary@example.org\n")
    world.erase("email", ADA)
    worker = World(Backend(database_url, as_role(database_url, "worker")), world.client, world.name)
    worker.load(PEOPLE)
    assert world.emails() == ["grace@example.org", "mary@example.org"]
    worker.life.pool.close()


def test_an_erasure_ends_with_its_tenant(world: World) -> None:
    tenants = PostgresTenants(world.life.pool)
    acme = tenants.create("acme")[0]
    world.load(PEOPLE, tenant=acme)
    world.begin("email", ADA, acme)
    tenants.remove("acme")
    removed = PostgresRemovedTenants(world.life.pool)
    assert TenantRemover(world.life.jobs, removed, world.bucket, urls_expire=-1000).remove() == 1
    assert world.life.sql("SELECT FROM erasures") == []
    assert world.eraser().erase() == 0


def test_two_sweeps_at_once_erase(world: World) -> None:
    world.load(PEOPLE)
    world.load(PEOPLE.replace(b"id,", b"no,"))
    erasure = world.begin("email", ADA)
    first = PostgresErasedRecords(world.life.pool, rows=1, rejects=1)
    for _ in first.erase(erasure.id):
        next(PostgresErasedRecords(world.life.pool, rows=2, rejects=1).erase(erasure.id), None)
    assert world.eraser().erase() == 1
    done = world.shown(erasure)
    assert (done.rows, done.rejects) == (4, 2)
    assert world.found(ADA) == {}


def test_an_erasure_during_a_load_is_exact_though_workers_are_killed(
    make_sluice: Callable[..., Sluice],
) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="4096", SLUICE_RANGE_SIZE="65536", SLUICE_SWEEP_SECONDS="1")
    lines = [f"{n},{ADA if n % 7 == 0 else f'x{n}@example.org'}" for n in range(60_000)]
    job_id = sluice.upload(("id,email\n" + "\n".join(lines)).encode(), dataset="people")
    workers = [sluice.start_worker() for _ in range(2)]
    sluice.wait_for(job_id, lambda job: job.progress.tally.records > 5000)
    erasing = sluice.services.of(REACH, ACTOR).erasing
    erasure = erasing.begin("people", "email", ADA)
    assert erasure is not None
    for worker in workers:
        worker.kill()
        sluice.start_worker()
    job = sluice.finished(job_id)
    assert job.status is Status.COMPLETED
    eraser = replace(sluice.services.record_eraser, settled=0)

    def is_done() -> bool:
        eraser.erase()
        found = erasing.get("people", erasure.id)
        return found is not None and found.completed_at is not None

    wait_for(is_done, lambda: str(erasing.get("people", erasure.id)))
    of_ada = len(range(0, 60_000, 7))
    assert sluice.sql(
        "SELECT count(*), count(*) FILTER (WHERE record->>'email' = %s) FROM ingested_data", ADA
    ) == [(60_000 - of_ada, 0)]
    done = erasing.get("people", erasure.id)
    assert done is not None
    tally = job.progress.tally
    assert 0 < done.rows < of_ada
    assert (tally.records, tally.rejected) == (60_000, of_ada - done.rows)
    assert sluice.sql("SELECT sum(count)::bigint FROM validation_errors WHERE raw = ''") == [
        (tally.rejected,)
    ]


# The audit log


def test_migrations_note_how_long_events_are_kept(empty_database_url: str) -> None:
    for days in (365, 30, 0):
        env = {"DATABASE_URL": empty_database_url, "SLUICE_AUDIT_DAYS": str(days)}
        applied = migrate_database(Services(settings.load(env)))
        assert bool(applied) == (days == 365)
        with psycopg.connect(empty_database_url) as owner:
            noted = owner.execute("SELECT days FROM audit_retention").fetchall()
        assert noted == ([(days,)] if days else [])


def test_old_events_are_removed_by_the_function_alone(life: Life, database_url: str) -> None:
    for days in (10, 40, 400):
        life.change(
            "INSERT INTO audit_events (time, action, actor_kind, actor_id, actor_name, request_id)"
            f" VALUES (now() - interval '{days} days', 'job.undo', 'key', 'k', 'k', 'r')"
        )
    sweep = Life(database_url, as_role(database_url, "sweep"))
    for statement in (
        "SELECT * FROM audit_events",
        "DELETE FROM audit_events",
        "SET LOCAL sluice.removes_audit_events = 'on'; DELETE FROM audit_events",
    ):
        with pytest.raises(errors.InsufficientPrivilege), transaction_on(sweep.pool) as connection:
            connection.execute(statement, prepare=False)
    assert sweep.upkeep.forget_audit_events(limit=9) == 0  # they are kept for ever
    for days, removed in ((365, 1), (365, 0), (0, 0), (30, 1)):
        keep_events(database_url, days)
        assert sweep.upkeep.forget_audit_events(limit=9) == removed
    assert life.sql("SELECT count(*) FROM audit_events") == [(1,)]
    with pytest.raises(errors.CheckViolation):  # those of the last 30 days stay
        keep_events(database_url, 29)
    sweep.pool.close()
    for role in ("api", "sweep", "worker", "analyst"):
        for statement in (
            "SELECT * FROM audit_retention",
            "INSERT INTO audit_retention VALUES (30)",
            "UPDATE audit_retention SET days = 30",
            "DELETE FROM audit_retention",
        ):
            with (
                pytest.raises(errors.InsufficientPrivilege),
                psycopg.connect(as_role(database_url, role)) as process,
            ):
                process.execute(statement)
    for statement in (
        "DELETE FROM audit_events",
        "UPDATE audit_events SET action = 'x'",
        "TRUNCATE audit_events",
    ):
        with pytest.raises(errors.InsufficientPrivilege), psycopg.connect(database_url) as owner:
            owner.execute(statement.encode())
    api = psycopg.connect(as_role(database_url, "api"))
    with pytest.raises(errors.InsufficientPrivilege), api:
        api.execute("SELECT remove_audit_events(9)")
