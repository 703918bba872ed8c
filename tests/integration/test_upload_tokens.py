"""Upload tokens on Postgres: files are counted with the jobs that they become."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.core.access import CredentialKind, Forbidden, Principal, Scope, UploadLimits
from chalicelib.core.jobs import JobFilters, NewJob, Upload
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from tests.support.life import Life

AT_ONCE, ALLOWED = 20, 7


def limits(max_files: int = 1, *, expires_in: timedelta = timedelta(hours=1)) -> UploadLimits:
    return UploadLimits(uuid4(), 100, max_files, datetime.now(UTC) + expires_in)


def job_of(token: UploadLimits, tenant: Tenant = DEFAULT_TENANT, dataset: str = "crm") -> NewJob:
    upload = Upload("bucket", "key")
    credential = f"token:{token.token_id}"
    return NewJob(uuid4(), dataset, "f.csv", upload, 64, tenant=tenant, created_by=credential, limits=token)


def counted(life: Life) -> dict[UUID, int]:
    return dict(life.sql("SELECT id, files FROM upload_tokens"))


def register_at_once(life: Life, jobs: list[NewJob]) -> int:
    """Return how many of the requests were refused."""
    refused: list[NewJob] = []
    ready = threading.Barrier(len(jobs))

    def register(new: NewJob) -> None:
        ready.wait()
        try:
            life.jobs.create(new)
        except Forbidden:
            refused.append(new)

    threads = [threading.Thread(target=register, args=(new,)) for new in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(refused)


def test_requests_at_the_same_time_register_as_many_files_as_allowed(life: Life) -> None:
    token = limits(ALLOWED)

    # each a new dataset as well: those that are refused leave nothing
    refused = register_at_once(life, [job_of(token, dataset=f"d{number}") for number in range(AT_ONCE)])

    assert refused == AT_ONCE - ALLOWED
    for table in ("ingestion_jobs", "datasets", "tenant_datasets"):
        assert life.sql(f"SELECT count(*) FROM {table}") == [(ALLOWED,)]
    assert counted(life) == {token.token_id: ALLOWED}


def test_a_request_that_is_repeated_counts_once(life: Life) -> None:
    token = limits(2)
    first = job_of(token)
    assert register_at_once(life, [first] * 5) == 0
    assert counted(life) == {token.token_id: 1}

    life.jobs.create(job_of(token))
    assert life.jobs.create(first).id == first.id  # also when no other is left
    assert counted(life) == {token.token_id: 2}


def test_each_token_has_a_count_of_its_own(life: Life) -> None:
    acme = PostgresTenants(life.pool).create("acme")[0]
    one, other = limits(), limits()
    life.jobs.create(job_of(one))
    life.jobs.create(job_of(other, acme))
    life.jobs.create(replace(job_of(one), created_by="key:1", limits=None))
    assert counted(life) == {one.token_id: 1, other.token_id: 1}


def test_counts_of_tokens_that_have_expired_are_removed(life: Life) -> None:
    long_ago, just_now, live = (limits(expires_in=timedelta(hours=hours)) for hours in (-2, -0.5, 1))
    for token in (long_ago, just_now, live):
        life.jobs.create(job_of(token))

    assert life.upkeep.forget_upload_tokens() == 1
    assert counted(life).keys() == {just_now.token_id, live.token_id}


def test_to_a_token_the_jobs_of_its_dataset_do_not_exist(life: Life) -> None:
    token = limits()
    own = life.jobs.create(job_of(token))
    others = [
        life.jobs.create(job_of(limits())),
        life.jobs.create(replace(job_of(limits()), created_by=None)),
    ]
    principal = Principal(
        CredentialKind.TOKEN,
        str(token.token_id),
        "crm",
        frozenset({Scope.JOBS_READ}),
        DEFAULT_TENANT,
        frozenset({"crm"}),
        token,
    )
    register = life.jobs.of(principal.reach(DEFAULT_TENANT))

    assert register.get(own.id) is not None
    assert [register.get(job.id) for job in others] == [None, None]
    assert [job.id for job in register.list(JobFilters(), limit=9, before=None)] == [own.id]
