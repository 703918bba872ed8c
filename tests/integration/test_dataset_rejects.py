"""The list of a dataset's rejects on a real Postgres: their places, and what a page costs at most."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from chalicelib.backends.postgres.dataset_rejects import MOST_BLOCKS, MOST_JOBS, MOST_REJECTS
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.core.access import Reach
from chalicelib.core.jobs import DatasetReject, DatasetRejects, RejectFilters, RejectsPosition
from chalicelib.core.tenants import DEFAULT_TENANT
from chalicelib.service.ingestion import Result
from tests.support.fakes import MemoryStore
from tests.support.ingesting import opened_by, work
from tests.support.life import Life
from tests.support.roles import RecordingPool, as_role

ALL = RejectFilters()
RARE = RejectFilters(code="blank-row")
TEXT = "\n".join(
    ["Report of today", "", "id,name", *(f'{n},"A\nB"' if n % 3 else f"{n}" for n in range(200))]
)


def page(
    life: Life, filters: RejectFilters = ALL, *, limit: int = 100, start: RejectsPosition | None = None
) -> DatasetRejects:
    found = life.jobs.dataset_rejects("default", filters, limit=limit, start=start)
    assert found is not None
    return found


def listed(life: Life, filters: RejectFilters = ALL) -> tuple[list[DatasetReject], int]:
    """Return all rejects, and the number of pages that it took."""
    found, rest, pages = list[DatasetReject](), None, 0
    while rest is not None or not pages:
        here = page(life, filters, start=rest)
        found += here.rejects
        rest, pages = here.rest, pages + 1
    return found, pages


def add_jobs(  # noqa: PLR0913 - what jobs may have
    life: Life,
    jobs: int,
    *,
    rejects: int = 0,
    block_no: int = 0,
    age: str = "0",
    dataset: str = "default",
) -> None:
    """Add ended jobs to a dataset, each with some rejects: every thousandth is a `blank-row`."""
    template = life.job(dataset=dataset).id
    life.change(
        "WITH job AS ("
        " INSERT INTO ingestion_jobs"
        " (id, dataset_id, filename, block_size, bucket, key, status, completed_at, created_at)"
        " SELECT gen_random_uuid(), dataset_id, 'f.csv', 64, bucket, key, 'COMPLETED', now(),"
        f" now() - interval '{age}'"
        f" FROM ingestion_jobs, generate_series(1, {jobs}) WHERE id = '{template}' RETURNING id"
        "), block AS ("
        " INSERT INTO ingestion_blocks"
        " (job_id, block_no, start_offset, end_offset, records, inserted, duplicates, rejected)"
        f" SELECT id, {block_no}, 0, 9, {rejects}, 0, 0, {rejects} FROM job RETURNING job_id, block_no"
        ")"
        " INSERT INTO validation_errors (job_id, block_no, record, byte_offset, code, message, raw)"
        " SELECT job_id, block_no, n, n, CASE WHEN n % 1000 = 999 THEN 'blank-row' ELSE 'missing-cell' END,"
        f" 'The record is bad.', 'raw' FROM block, generate_series(0, {rejects} - 1) AS n"
    )
    life.change(f"DELETE FROM ingestion_jobs WHERE id = '{template}'")


def test_a_reject_has_the_place_that_its_job_shows(life: Life) -> None:
    files = [opened_by(life, MemoryStore(TEXT.encode())) for _ in range(2)]
    for job_id, ingester in files:
        assert work(life, job_id, ingester) is Result.JOB_ENDED
    jobs = [job_id for job_id, _ in reversed(files)]
    (blocks,) = life.sql(f"SELECT count(*) FROM ingestion_blocks WHERE job_id = '{jobs[0]}'")[0]
    assert blocks > 5

    found, _ = listed(life)

    own = [(job_id, it) for job_id in jobs for it in life.jobs.rejects(job_id, limit=1000, after=None)]
    assert [(it.job_id, it.reject) for it in found] == own
    assert all(it.reject.place.sheet_row is not None for it in found)


def test_a_page_looks_at_some_jobs_only(life: Life) -> None:
    add_jobs(life, 1, rejects=3)
    add_jobs(life, MOST_JOBS)

    first = page(life)

    assert (first.rejects, first.rest is None) == ([], False)
    found, pages = listed(life)
    assert (len(found), pages) == (3, 2)


def test_jobs_before_the_time_asked_for_are_not_looked_at(life: Life) -> None:
    add_jobs(life, 2 * MOST_JOBS, rejects=1, age="3 hours")
    add_jobs(life, MOST_JOBS - 1)
    since = datetime.now(UTC) - timedelta(hours=1)

    assert page(life, RejectFilters(since=since)) == DatasetRejects([], None)
    late = RejectFilters(since=since - timedelta(hours=1, minutes=30))  # a job may be registered late
    assert listed(life, late) == ([], 3)
    assert len(listed(life, RejectFilters(since=since - timedelta(hours=9)))[0]) == 2 * MOST_JOBS


def test_a_page_with_a_filter_looks_at_some_rejects_only(life: Life) -> None:
    add_jobs(life, 1, rejects=2000)
    add_jobs(life, 1, rejects=MOST_REJECTS + 500)

    assert [it.reject.code for it in page(life, RARE).rejects] == 10 * ["blank-row"]
    found, pages = listed(life, RARE)
    assert (len(found), pages) == (12, 2)
    assert (page(life, RejectFilters(code="stray-quote")).rejects, listed(life, RARE)[1]) == ([], 2)


def test_a_page_sums_some_ledgers_only(life: Life) -> None:
    add_jobs(life, 3, rejects=2, block_no=MOST_BLOCKS // 2)
    add_jobs(life, 1, rejects=2, block_no=2 * MOST_BLOCKS)

    assert len(page(life).rejects) == 2
    found, pages = listed(life)
    assert len({it.position for it in found}) == len(found) == 8
    assert pages == 4


def plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from plan_nodes(child)


def rows_read(
    life: Life, filters: RejectFilters, start: RejectsPosition | None
) -> tuple[Counter[str], set[str]]:
    """Return how many rows of each table the API's role reads for a page of 100, and how it reads them."""
    pool = RecordingPool(as_role(life.url.partition("?")[0], "api"))
    register = PostgresRegister(pool).of(Reach(DEFAULT_TENANT, frozenset({"default"})))
    assert register.dataset_rejects("default", filters, limit=100, start=start)
    pool.close()
    read, ways = Counter[str](), set[str]()
    with psycopg.connect(life.url) as connection:
        connection.execute("SET LOCAL ROLE sluice_api")
        connection.execute(f"SET LOCAL sluice.tenant = '{DEFAULT_TENANT.id}'".encode())
        for text, values in pool.statements:
            connection.execute(text.encode(), values)  # it may be a setting
            explained = connection.execute(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {text}".encode(), values
            ).fetchone()
            assert explained is not None
            (plan,) = explained[0] if isinstance(explained[0], list) else json.loads(explained[0])
            for node in plan_nodes(plan["Plan"]):
                if "Relation Name" in node and node.get("Parent Relationship") != "SubPlan":
                    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    read[node["Relation Name"]] += rows * node["Actual Loops"]
                    ways.add(f"{node['Node Type']} of {node['Relation Name']}")
    return read, ways


@pytest.mark.parametrize("analyzed", [False, True], ids=["without statistics", "with statistics"])
@pytest.mark.parametrize(
    ("filters", "most"),
    [(ALL, 100), (RARE, MOST_REJECTS), (RejectFilters(field="city"), MOST_REJECTS)],
    ids=["all", "by code", "by field"],
)
def test_a_page_reads_about_as_many_rejects_as_it_looks_at(
    life: Life, filters: RejectFilters, most: int, analyzed: bool
) -> None:
    """Postgres goes through jobs and rejects in the order of the list, by indexes, and stops."""
    add_jobs(life, 200, rejects=3)
    add_jobs(life, 4, rejects=6000)
    add_jobs(life, 100)
    add_jobs(life, 5 * MOST_JOBS, dataset="other")
    add_jobs(life, 1)
    if analyzed:
        life.change("ANALYZE")
    (number,) = life.sql("SELECT min(number) + 204 FROM ingestion_jobs")[0]
    for start in (None, (number, 0, 3000), (number - 3, 0, 0)):
        read, ways = rows_read(life, filters, start)
        assert 0 < read["validation_errors"] <= 2 * most + 100
        assert read["ingestion_blocks"] <= 100
        assert read["ingestion_jobs"] <= 2 * MOST_JOBS
        assert not ways & {"Seq Scan of validation_errors", "Seq Scan of ingestion_jobs"}
