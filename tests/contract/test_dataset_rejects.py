"""The rejects of a dataset, as the port lists them: in memory and in Postgres."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol
from uuid import uuid4

import pytest

from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.core.access import Reach
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.jobs import DatasetReject, NewJob, RejectFilters, RejectsPosition, Upload
from chalicelib.core.model import Reject
from chalicelib.core.tenants import Tenant
from chalicelib.service.register import JobRegister
from tests.support.blocks import block
from tests.support.fakes import MemoryJobs
from tests.support.jobs import changed, new_job
from tests.support.life import DIALECT, SMALL_SOURCE, Life
from tests.support.tenants import ACME, BOND

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = RejectFilters()


@dataclass(frozen=True)
class File:
    """A file that was loaded, and its rejects: a list for each block of it."""

    name: str
    blocks: Sequence[Sequence[Reject]]
    dataset: str = "people"
    created_by: str | None = None
    created_at: datetime = NOON


class World(Protocol):
    """A register with two tenants."""

    acme: Tenant
    bond: Tenant

    @property
    def register(self) -> JobRegister:
        """Return the register of all jobs."""

    def load(self, file: File, tenant: Tenant | None = None) -> None:
        """Load a file, of acme unless told otherwise."""


class InMemory:
    """The fake."""

    acme, bond = ACME, BOND

    def __init__(self) -> None:
        self.register = MemoryJobs()

    def load(self, file: File, tenant: Tenant | None = None) -> None:
        number = len(self.register.jobs) + 1
        names = {"number": number, "filename": file.name, "dataset": file.dataset}
        job = self.register.put(
            changed(new_job(tenant=tenant or self.acme, **names), created_at=file.created_at)
        )
        self.register.creators[job.id] = file.created_by
        self.register.blocks[job.id] = dict(enumerate(blocks_of(file)))


class InPostgres:
    """The backend over a fresh database."""

    def __init__(self, url: str) -> None:
        self.life = Life(url)
        self.register = self.life.jobs
        tenants = PostgresTenants(self.life.pool)
        self.acme, self.bond = tenants.create("acme")[0], tenants.create("bond")[0]

    def load(self, file: File, tenant: Tenant | None = None) -> None:
        life = self.life
        new = NewJob(uuid4(), file.dataset, file.name, Upload("bucket", "key"), 10)
        life.jobs.create(replace(new, tenant=tenant or self.acme, created_by=file.created_by))
        claim = life.leases.claim(new.id, owner="me", lease_seconds=60)
        assert claim is not None
        job = life.open(claim.job, SMALL_SOURCE, DIALECT, 10)
        for prepared in blocks_of(file):
            life.load(job, prepared)
        created_at = file.created_at.isoformat()
        life.change(f"UPDATE ingestion_jobs SET created_at = '{created_at}' WHERE id = '{new.id}'")


def blocks_of(file: File) -> Iterator[PreparedBlock]:
    for no, rejects in enumerate(file.blocks):
        prepared = block(no, [])
        yield replace(prepared, records=len(rejects), rejects=tuple(rejects))


@pytest.fixture(params=["in memory", "in Postgres"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "in memory":
        yield InMemory()
        return
    made = InPostgres(request.getfixturevalue("database_url"))
    yield made
    made.life.pool.close()


_ORDINALS = count()


def reject(raw: str, code: str = "missing-cell", field: str | None = None) -> Reject:
    """Return a reject; of those made later the place is behind."""
    ordinal = next(_ORDINALS)
    return Reject(code, "The record has too few cells.", ordinal, ordinal, raw, field)


def listed(
    world: World, filters: RejectFilters = ALL, reach: Reach | None = None, dataset: str = "people"
) -> list[DatasetReject]:
    """Return all rejects of a dataset, page by page: the same with pages of any size."""
    register = world.register.of(reach or Reach(world.acme))
    every: list[list[DatasetReject]] = []
    for limit in (1, 2, 100):
        found: list[DatasetReject] = []
        rest: RejectsPosition | None = None
        while True:
            page = register.dataset_rejects(dataset, filters, limit=limit, start=rest)
            assert page is not None
            assert len(page.rejects) <= limit
            found += page.rejects
            rest = page.rest
            if rest is None:
                break
            assert not page.rejects or rest == page.rejects[-1].next_position
        every.append(found)
    assert every[0] == every[1] == every[2]
    return every[0]


def raws(found: Sequence[DatasetReject]) -> list[str]:
    return [it.reject.raw for it in found]


def test_rejects_come_from_the_newest_job_on_and_in_file_order_within_it(world: World) -> None:
    world.load(File("old.csv", [[reject("1"), reject("2")], [reject("3")]]))
    world.load(File("clean.csv", [[], []]))
    world.load(File("new.csv", [[], [reject("4")], [reject("5"), reject("6")]]))

    found = listed(world)

    assert raws(found) == ["4", "5", "6", "1", "2", "3"]
    assert [it.filename for it in found] == 3 * ["new.csv"] + 3 * ["old.csv"]
    assert len({it.job_id for it in found}) == 2
    alone = world.register.rejects(found[3].job_id, limit=9, after=None)
    assert [it.reject for it in found[3:]] == alone


def test_a_dataset_without_rejects_has_an_empty_list(world: World) -> None:
    world.load(File("clean.csv", [[]]))
    assert listed(world) == []


def test_other_datasets_and_tenants_are_not_seen(world: World) -> None:
    world.load(File("own.csv", [[reject("own")]]))
    world.load(File("x.csv", [[reject("of another dataset")]], dataset="orders"))
    world.load(File("y.csv", [[reject("of another tenant")]]), world.bond)

    assert raws(listed(world)) == ["own"]
    assert raws(listed(world, reach=Reach(world.bond))) == ["of another tenant"]


def test_a_dataset_that_the_tenant_does_not_have_is_unknown(world: World) -> None:
    world.load(File("own.csv", [[reject("own")]]))
    for reach, dataset in ((Reach(world.bond), "people"), (Reach(world.acme), "orders")):
        register = world.register.of(reach)
        assert register.dataset_rejects(dataset, ALL, limit=9, start=None) is None


def test_a_credential_may_reach_its_own_jobs_only(world: World) -> None:
    world.load(File("a.csv", [[reject("of a token")]], created_by="token:1"))
    world.load(File("b.csv", [[reject("of another")]], created_by="token:2"))
    world.load(File("c.csv", [[reject("of none")]]))

    own = Reach(world.acme, frozenset({"people"}), "token:1")

    assert raws(listed(world, reach=own)) == ["of a token"]
    assert listed(world, reach=Reach(world.acme, frozenset({"orders"}))) == []


def test_rejects_can_be_filtered_by_code_and_field(world: World) -> None:
    for name in ("a.csv", "b.csv"):
        world.load(
            File(
                name,
                [
                    [reject(f"{name} 1", "extra-cell", "city"), reject(f"{name} 2", "blank-row")],
                    [reject(f"{name} 3", "extra-cell"), reject(f"{name} 4", "encoding-error", "city")],
                ],
            )
        )

    extra = listed(world, RejectFilters(code="extra-cell"))
    assert raws(extra) == ["b.csv 1", "b.csv 3", "a.csv 1", "a.csv 3"]
    assert raws(listed(world, RejectFilters(field="city"))) == ["b.csv 1", "b.csv 4", "a.csv 1", "a.csv 4"]
    assert raws(listed(world, RejectFilters("extra-cell", "city"))) == ["b.csv 1", "a.csv 1"]
    assert listed(world, RejectFilters("stray-quote")) == []


def test_rejects_can_be_filtered_by_the_time_of_their_jobs(world: World) -> None:
    for hours, name in enumerate(["0", "1", "2"]):
        world.load(File(name, [[reject(name)]], created_at=NOON + hours * HOUR))

    assert raws(listed(world, RejectFilters(since=NOON + HOUR))) == ["2", "1"]
    assert raws(listed(world, RejectFilters(until=NOON + HOUR))) == ["0"]
    assert raws(listed(world, RejectFilters(since=NOON + HOUR, until=NOON + 2 * HOUR))) == ["1"]


def test_jobs_that_come_meanwhile_are_not_on_later_pages(world: World) -> None:
    world.load(File("old.csv", [[reject("1"), reject("2")]]))
    register = world.register.of(Reach(world.acme))
    first = register.dataset_rejects("people", ALL, limit=1, start=None)
    assert first is not None
    world.load(File("new.csv", [[reject("3")]]))
    second = register.dataset_rejects("people", ALL, limit=9, start=first.rest)
    assert second is not None
    assert raws(second.rejects) == ["2"]
