"""The removal of tenants, over ports in memory."""

from collections.abc import Iterator

import pytest

from chalicelib.core.errors import RetryLater
from chalicelib.core.model import Status
from chalicelib.core.tenants import Tenant
from chalicelib.service.tenant_removal import TenantRemover
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job

ACME, BOND = Tenant(2, "acme", NOW), Tenant(3, "acme2", NOW)


@pytest.fixture
def services() -> MemoryServices:
    made = MemoryServices()
    made.tenants.tenants |= {"acme": ACME, "acme2": BOND}
    for tenant in (ACME, BOND):
        for status in (Status.PENDING, Status.PROCESSING, Status.PREVIEWED, Status.COMPLETED):
            made.jobs.put(new_job(status=status, tenant=tenant))
        for kind in ("uploads", "drop", "rejects"):
            for number in range(3):
                made.upload_bucket.written[f"{kind}/{tenant.name}/crm/{number}"] = b"x"
    made.upload_bucket.written["other/acme/x"] = b"x"
    return made


def remover(services: MemoryServices, ticks: Iterator[float] | None = None) -> TenantRemover:
    clock = (lambda: 0.0) if ticks is None else ticks.__next__
    return TenantRemover(
        services.jobs, services.tenants, services.upload_bucket, urls_expire=3600, clock=clock
    )


def left(services: MemoryServices, tenant: Tenant) -> int:
    keys = [key for key in services.upload_bucket.written if key.split("/")[1] == tenant.name]
    return len(keys) + sum(job.tenant == tenant for job in services.jobs.jobs.values())


def test_nothing_is_removed_unasked(services: MemoryServices) -> None:
    assert remover(services).remove() == 0
    assert (left(services, ACME), left(services, BOND)) == (14, 13)


def test_a_tenant_is_removed_and_no_other(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    assert remover(services).remove() == 1
    assert (left(services, ACME), left(services, BOND)) == (1, 13)
    assert "other/acme/x" in services.upload_bucket.written
    assert services.tenants.tenants["acme"].removed_at is not None
    assert remover(services).remove() == 0


def test_a_tenant_is_not_removed_before_its_urls_have_expired(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    services.tenants.removal_seconds = 3600
    assert remover(services).remove() == 0
    assert left(services, ACME) == 1
    assert services.tenants.tenants["acme"].removed_at is None

    services.upload_bucket.written["uploads/acme/crm/late"] = b"x"  # with a URL from before
    services.tenants.removal_seconds = 3900
    assert remover(services).remove() == 1
    assert left(services, ACME) == 1


def test_a_sweep_stops_after_a_while_and_the_next_goes_on(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    rounds = 0
    while services.tenants.tenants["acme"].removed_at is None:
        before = left(services, ACME)
        removed = remover(services, iter([0.0, 0.0, 1.0, 19.0, 21.0])).remove()
        assert removed or 0 < before - left(services, ACME) <= 3
        rounds += 1
    assert rounds > 3
    assert (left(services, ACME), left(services, BOND)) == (1, 13)


def test_after_its_time_a_sweep_begins_no_other(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    services.tenants.remove("acme2")
    assert remover(services, iter([0.0, 1.0, 2.0, 21.0, 22.0])).remove() == 0
    canceled = [it.tenant.name for it in services.jobs.jobs.values() if it.status is Status.CANCELED]
    assert canceled == ["acme", "acme"]


def test_one_that_cannot_go_on_does_not_stop_the_others(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    services.tenants.remove("acme2")
    services.upload_bucket.locked = "drop/acme/"
    with pytest.raises(RetryLater):
        remover(services).remove()
    assert services.tenants.tenants["acme"].removed_at is None
    assert services.tenants.tenants["acme2"].removed_at is not None
    services.upload_bucket.locked = None
    assert remover(services).remove() == 1


def test_while_the_bucket_is_away_the_tenant_is_not_removed(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    services.upload_bucket.down = True
    with pytest.raises(RetryLater):
        remover(services).remove()
    assert services.tenants.tenants["acme"].removed_at is None
    services.upload_bucket.down = False
    assert remover(services).remove() == 1


def test_sweeps_do_it(services: MemoryServices) -> None:
    services.tenants.remove("acme")
    services.objects.missing = True
    assert services.sweeper.sweep()["removed"] == 1
