"""Objects that arrive, over ports in memory: events come doubled, late and in any order."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Options, Source, Status
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.service.intake import Intake
from chalicelib.service.object_keys import DroppedFile, adopted_job_id, dropped_file, upload_key
from tests.support.fakes import MemoryJobs, MemoryQueue, MemoryTenants
from tests.support.jobs import NOW, changed, new_job


@dataclass
class MemoryObjects:
    """An ObjectStore of several objects. A bucket that keeps no versions has the last write of each only."""

    versioned: bool
    written: dict[str, list[Source]] = field(default_factory=dict)

    def put(self, key: str, etag: str) -> Source:
        """Write the object and return its source as an event has it."""
        before = self.written.setdefault(key, [])
        number = len(before)
        version = f"v{number}" if self.versioned else None
        source = Source("bucket", key, etag, 10, version, None, NOW + timedelta(seconds=number))
        before.append(source)
        return replace(source, modified_at=None)

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        for it in reversed(self.written.get(key, [])):
            if version_id in (None, it.version_id):
                return it
        raise JobFailed("source-missing", "The uploaded object is no longer there.")


class World:
    def __init__(self, *, versioned: bool = False) -> None:
        self.tenants = MemoryTenants()
        self.jobs, self.queue, self.objects = MemoryJobs(), MemoryQueue(), MemoryObjects(versioned)
        self.intake = Intake(self.jobs, self.tenants, self.objects, self.queue, block_size=64)  # type: ignore[arg-type]

    def announce(self, *events: Source) -> int:
        return self.intake.take_in(events)

    def load(self) -> None:
        """Handle the waiting messages as workers do, as far as it matters here."""
        while self.queue.waiting:
            job = self.jobs.jobs[self.queue.waiting.popleft().job_id]
            if job.status is Status.PENDING:
                version = job.source.version_id if job.source else None
                pinned = self.objects.pin(job.upload.bucket, job.upload.key, version)
                self.jobs.put(changed(job, source=pinned, status=Status.COMPLETED, completed_at=NOW))


def asked_for(world: World) -> UUID:
    job = new_job(expires_at=NOW, options=Options(delimiter=";"), dataset="people")
    return world.jobs.put(changed(job, key=upload_key("default", "people", job.id, "a.csv"))).id


def test_a_dropped_file_becomes_one_job_for_any_number_of_events() -> None:
    world = World()
    event = world.objects.put("drop/people/2026/jan feb.csv", "e1")
    assert world.announce(event, event) == 2
    world.load()
    assert world.announce(event) == 1
    (job,) = world.jobs.jobs.values()
    assert (job.dataset, job.filename, job.status) == ("people", "2026/jan feb.csv", Status.COMPLETED)
    assert job.source == event


def test_a_dropped_file_has_the_options_of_its_dataset() -> None:
    world = World()
    options = Options(delimiter=";", header=False)
    world.jobs.set_dataset_options("people", options)
    for dataset in ("people", "others"):
        world.announce(world.objects.put(f"drop/{dataset}/a.csv", "e1"))
    assert {it.dataset: it.instructions.options for it in world.jobs.jobs.values()} == {
        "people": options,
        "others": Options(),
    }


def test_a_dropped_file_that_is_written_again_is_loaded_again() -> None:
    world = World()
    for etag in ("e1", "e2", "e2"):  # the same bytes at another time are another write
        world.announce(world.objects.put("drop/people/a.csv", etag))
        world.load()
    assert len(world.jobs.jobs) == 3


def test_a_dropped_file_that_was_removed_becomes_no_job() -> None:
    world = World()
    world.announce(Source("bucket", "drop/people/a.csv", "e1", 10))
    assert not world.jobs.jobs
    assert not world.queue.waiting


@pytest.mark.parametrize(
    "key",
    [
        "drop/people",
        "drop/people/",
        "drop/people/folder/",
        "drop/No Dataset/a.csv",
        "drop//a",
        "drop/a/\0",
        "x/y/z",
        "drop",
    ],
)
def test_objects_that_are_not_uploads_are_ignored(key: str) -> None:
    world = World()
    assert world.announce(world.objects.put(key, "e1")) == 0
    assert not world.queue.waiting


def test_an_error_leaves_nothing_that_a_retry_does_not_repair() -> None:
    world = World()
    event = world.objects.put("drop/people/a.csv", "e1")
    world.queue.down = True
    with pytest.raises(RetryLater):
        world.announce(event)
    world.queue.down = False
    world.announce(event)
    assert [it.job_id for it in world.queue.waiting] == list(world.jobs.jobs)


def test_an_upload_that_is_replaced_in_a_bucket_that_keeps_versions_gets_a_second_job() -> None:
    world = World(versioned=True)
    job_id = asked_for(world)
    world.announce(world.objects.put(world.jobs.jobs[job_id].upload.key, "e1"))
    world.load()
    newer = world.objects.put(world.jobs.jobs[job_id].upload.key, "e2")
    world.announce(newer, newer)
    world.load()
    second = next(job for job in world.jobs.jobs.values() if job.id != job_id)
    assert len(world.jobs.jobs) == 2
    assert (second.dataset, second.instructions.options) == ("people", Options(delimiter=";"))
    assert second.source == newer


def test_an_upload_that_is_replaced_elsewhere_changes_nothing() -> None:
    world = World()
    job_id = asked_for(world)
    world.announce(world.objects.put(world.jobs.jobs[job_id].upload.key, "e1"))
    world.load()
    world.announce(world.objects.put(world.jobs.jobs[job_id].upload.key, "e2"))
    world.load()
    assert len(world.jobs.jobs) == 1


@given(st.integers(1, 4), st.data())
def test_in_whatever_order_events_come_the_latest_version_is_loaded_once(
    writes: int, data: st.DataObject
) -> None:
    world = World(versioned=True)
    key = world.jobs.jobs[asked_for(world)].upload.key
    events = [world.objects.put(key, f"e{number % 2}") for number in range(writes)]
    told = data.draw(st.permutations(events * 2))
    for event in told:
        world.announce(event)
        if data.draw(st.booleans()):
            world.load()
    world.load()
    loaded = [job.source.version_id for job in world.jobs.jobs.values() if job.source]
    assert len(loaded) == len(world.jobs.jobs) <= 2
    assert loaded.count(events[-1].version_id) == 1
    assert loaded[0] == told[0].version_id  # the first to be announced is the job's


ACME = Tenant(2, "acme")


@pytest.mark.parametrize(
    ("created_by", "suspended", "key"),
    [("token:1", False, ""), ("key:1", True, ""), ("key:1", False, "uploads/x/y/{}/z")],
)
def test_a_newer_version_is_not_loaded_past_what_was_allowed(
    created_by: str, suspended: bool, key: str
) -> None:
    world = World(versioned=True)
    world.tenants.tenants["acme"] = replace(ACME, suspended_at=NOW if suspended else None)
    job = new_job(expires_at=NOW, dataset="people", tenant=ACME, created_by=created_by)
    job = world.jobs.put(changed(job, key=upload_key("acme", "people", job.id, "a.csv")))
    world.announce(world.objects.put(job.upload.key, "e1"))
    world.load()

    world.announce(world.objects.put(key.format(job.id) or job.upload.key, "e2"))

    assert list(world.jobs.jobs) == [job.id]


def test_a_newer_version_is_loaded_on_behalf_of_those_who_registered_the_first() -> None:
    world = World(versioned=True)
    world.tenants.tenants["acme"] = ACME
    job = new_job(expires_at=NOW, dataset="people", tenant=ACME, created_by="key:1")
    job = world.jobs.put(changed(job, key=upload_key("acme", "people", job.id, "a.csv")))
    for etag in ("e1", "e2"):
        world.announce(world.objects.put(job.upload.key, etag))
        world.load()
    _, newer = world.jobs.jobs.values()
    assert (newer.tenant, newer.dataset, newer.created_by) == (ACME, "people", "key:1")


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_key_leads_to_a_dataset_or_to_none(dataset: str, name: str) -> None:
    file = dropped_file(f"drop/{dataset}/{name}", {}, {})
    if isinstance(file, DroppedFile):  # the first slash ends the dataset, whatever it was meant to be
        assert f"{file.dataset}/{file.filename}" == f"{dataset}/{name}"
        assert "/" not in file.dataset
        assert file.tenant == DEFAULT_TENANT


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_key_with_a_tenant_never_leads_to_another_tenant(dataset: str, name: str) -> None:
    file = dropped_file(f"drop/acme/{dataset}/{name}", {"acme": ACME}, {})
    if isinstance(file, DroppedFile):
        assert (file.tenant, f"{file.dataset}/{file.filename}") == (ACME, f"{dataset}/{name}")


@pytest.mark.parametrize(
    ("key", "tenant", "dataset", "filename"),
    [
        ("drop/acme/crm/a.csv", ACME, "crm", "a.csv"),
        ("drop/acme/crm/2026/a.csv", ACME, "crm", "2026/a.csv"),
        ("drop/crm/a.csv", DEFAULT_TENANT, "crm", "a.csv"),
        ("drop/crm/2026/a.csv", DEFAULT_TENANT, "crm", "2026/a.csv"),
        ("drop/default/crm/a.csv", DEFAULT_TENANT, "crm", "a.csv"),
        ("drop/default/a.csv", DEFAULT_TENANT, "default", "a.csv"),
    ],
)
def test_a_dropped_file_belongs_to_a_tenant_that_exists_or_to_default(
    key: str, tenant: Tenant, dataset: str, filename: str
) -> None:
    tenants = {"acme": ACME, "default": DEFAULT_TENANT}
    assert dropped_file(key, tenants, {"crm": True}) == DroppedFile(tenant, dataset, filename)


@pytest.mark.parametrize(
    ("key", "is_unmatched"),
    [
        ("drop/acmee/crm/a.csv", True),
        ("drop/acmee/crm/2026/a.csv", True),
        ("drop/erp/crm/a.csv", False),
        ("drop/erp/2026/a.csv", False),
        ("drop/acmee/2026/a.csv", False),  # a new dataset of `default`, as far as one can know
        ("drop/acmee/crm", False),
    ],
)
def test_a_tenant_that_does_not_exist_is_no_dataset_of_default(key: str, is_unmatched: bool) -> None:
    """The dataset behind it is known, so its own name is misspelled."""
    world = World()
    world.tenants = MemoryTenants(tenants={"acme": ACME, "default": DEFAULT_TENANT}, jobs=world.jobs.jobs)
    world.intake = replace(world.intake, tenants=world.tenants)
    world.jobs.put(new_job(dataset="crm", tenant=ACME))
    world.jobs.put(new_job(dataset="erp"))
    assert world.announce(world.objects.put(key, "e")) == (not is_unmatched)
    assert [it.reason for it in world.tenants.objects.values()] == (
        ["The key names the tenant acmee, which does not exist."] if is_unmatched else []
    )
    world.tenants.create("acmee")
    if is_unmatched:
        assert world.announce(world.objects.put(key, "e")) == 1
        assert not world.tenants.objects


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("drop/acme/a.csv", "not a dataset and a file"),
        ("drop/acme/A Dataset/a.csv", "not a dataset and a file"),
        ("drop/A Dataset/a.csv", "neither a tenant"),
        ("drop/a.csv", "neither a tenant"),
        ("drop/late/crm/a.csv", "suspended"),
    ],
)
def test_an_object_that_matches_nothing_is_noted_with_the_reason(key: str, reason: str) -> None:
    world = World()
    late = Tenant(3, "late", suspended_at=NOW)
    world.tenants.tenants |= {"acme": ACME, "late": late}

    assert world.announce(world.objects.put(key, "e")) == 0

    assert not world.jobs.jobs
    (noted,) = world.tenants.objects.values()
    assert noted.key == key
    assert reason in noted.reason

    world.tenants.tenants |= {"late": ACME}
    if key.startswith("drop/late"):  # the tenant has returned
        assert world.announce(world.objects.put(key, "e")) == 1
        assert not world.tenants.objects


def test_a_write_has_one_job_id_whether_it_was_listed_or_looked_at() -> None:
    looked_at = Source("b", "k", "e", 1, "v1", None, NOW)
    listed = replace(looked_at, version_id=None, modified_at=NOW + timedelta(milliseconds=321))
    assert adopted_job_id(listed) == adopted_job_id(looked_at)
    assert adopted_job_id(replace(looked_at, modified_at=NOW + timedelta(seconds=1))) != adopted_job_id(
        looked_at
    )
    with pytest.raises(ValueError, match="modification time"):
        adopted_job_id(replace(looked_at, modified_at=None))
