"""Rows in a table of partitions, made by infra/postgres/partition_ingested_data.sql: nothing else changes."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chalicelib.backends.postgres import ingested_data
from chalicelib.backends.postgres import migrate as migrations
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Job
from chalicelib.core.model import Status, Tally
from infra.local import scratch
from tests.support.blocks import block
from tests.support.csv_files import expected, rows
from tests.support.life import Life, undo, undoing
from tests.support.partitions import PARTITIONS, partition
from tests.support.worker_processes import Sluice, stored

NAMES = [f"row {number}" for number in range(2000)]


@pytest.fixture
def table() -> str:
    """Every database of this module that is not asked for as a plain one is partitioned."""
    return "partitioned"


@pytest.fixture
def plain_url(services: Mapping[str, str], template_database: str) -> Iterator[str]:
    with scratch.database(services["DATABASE_URL"], template_database) as url:
        yield url


@pytest.fixture
def make_life() -> Iterator[Callable[[str], Life]]:
    made: list[Life] = []

    def make(url: str) -> Life:
        made.append(Life(url))
        return made[-1]

    yield make
    for life in made:
        life.pool.close()


def loaded(life: Life, values: list[str], *, dataset: str = "default", labels: Any = None) -> Job:
    """Return a COMPLETED job that loaded two blocks, the second of them half new."""
    job = life.job(dataset=dataset, metadata=labels)
    life.ledger.measure(job, 20)
    middle = len(values) // 2
    life.load(job, block(0, values[:middle]))
    with pytest.raises(JobFailed, match="10 to 20"):
        life.ledger.complete(job, 20)
    life.load(job, block(1, values[middle // 2 :], rejects=2))
    life.ledger.complete(job, 20)
    return life.found(job.id)


def load_some(life: Life) -> list[Tally]:
    """Load new rows, and some of them again."""
    jobs = [loaded(life, NAMES), loaded(life, NAMES[:100], dataset="other")]
    return [job.progress.tally for job in jobs]


def load_more(life: Life) -> list[object]:
    """Load the same rows with labels and a few more, and undo both jobs."""
    again = loaded(life, NAMES, labels={"run": "2"})
    more = loaded(life, [*NAMES[:50], *(f"more {number}" for number in range(150))])
    return [again.progress.tally, more.progress.tally, undo(life, more), undo(life, again)]


def everything(life: Life) -> list[tuple[object, ...]]:
    """Return all rows, as the table and the view have them. The ids of jobs are random."""
    return life.sql(
        "SELECT first_job, last_job, dataset_id, content_hash, record, dataset, of_jobs.metadata"
        " FROM ingested_data JOIN (SELECT dataset, content_hash, metadata FROM ingested_rows) AS of_jobs"
        " USING (content_hash) JOIN datasets ON name = dataset AND datasets.id = dataset_id"
        " ORDER BY dataset_id, content_hash"
    )


@pytest.mark.parametrize("filled", [False, True])
def test_a_table_partitioned_before_or_after_the_load_holds_what_a_plain_one_does(
    services: Mapping[str, str],
    template_database: str,
    plain_url: str,
    make_life: Callable[[str], Life],
    filled: bool,
) -> None:
    with scratch.database(services["DATABASE_URL"], template_database) as other_url:
        plain, parted = make_life(plain_url), make_life(other_url)
        assert load_some(plain) == [Tally(2502, 2000, 500, 2), Tally(127, 100, 25, 2)]
        if filled:
            load_some(parted)
        partition(other_url)
        if not filled:
            load_some(parted)
        assert everything(parted) == everything(plain)
        told = load_more(plain)
        assert told[0] == Tally(2502, 0, 2500, 2)
        assert told[2:] == [150, 0]
        assert load_more(parted) == told
        assert everything(parted) == everything(plain)
        for life in (plain, parted):
            life.pool.close()


def test_rows_spread_evenly_over_the_partitions(database_url: str, make_life: Callable[[str], Life]) -> None:
    life = make_life(database_url)
    load_some(life)
    counts = dict(life.sql("SELECT tableoid::regclass::text, count(*) FROM ingested_data GROUP BY 1"))
    assert sorted(counts) == [f"ingested_data_{part}" for part in range(PARTITIONS)]
    mean = 2100 / PARTITIONS
    assert all(0.7 * mean < count < 1.3 * mean for count in counts.values())


def test_an_interrupted_undo_resumes(
    database_url: str, make_life: Callable[[str], Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stretch of pages is one of every partition."""
    monkeypatch.setattr(ingested_data, "_PAGES", 1)
    life = make_life(database_url)
    kept, job = loaded(life, NAMES[:50]), undoing(life, loaded(life, NAMES))
    answers = [True, False]
    assert not life.undo.undo(job, owner="me", keep_going=lambda: answers.pop(0))
    halfway = life.found(job.id).outcome.undone_rows
    assert halfway is not None
    assert 0 < halfway == 2000 - life.sql("SELECT count(*)::int FROM ingested_data")[0][0]
    assert life.undo.undo(job, owner="me", keep_going=lambda: True)
    assert life.found(job.id).outcome.undone_rows == 1950
    assert life.sql("SELECT DISTINCT first_job FROM ingested_data") == [(kept.number,)]


@pytest.mark.parametrize("queue", ["sqs", "redis"])
def test_a_worker_loads_a_partitioned_table_as_a_plain_one(
    make_sluice: Callable[..., Sluice], queue: str
) -> None:
    sluice = make_sluice(queue, SLUICE_BLOCK_SIZE="4096")
    data = rows(2000)
    sluice.start_worker()
    job = sluice.finished(sluice.upload(data))
    assert (job.status, job.progress.tally) == (Status.COMPLETED, expected(data))
    first = stored(sluice)
    assert len(first) == job.progress.tally.inserted
    again = sluice.finished(sluice.upload(data))  # answered by the ledger: all rows are there still
    assert (again.progress.tally.inserted, again.progress.tally.records) == (0, job.progress.tally.records)
    gone = sluice.sql("WITH gone AS (DELETE FROM ingested_data RETURNING 1) SELECT count(*) FROM gone")
    assert gone == [(len(first),)]
    reloaded = sluice.finished(sluice.upload(data))  # they no longer are
    assert (reloaded.progress.tally, stored(sluice)) == (job.progress.tally, first)


def test_partitioning_keeps_names_and_rights(plain_url: str, make_life: Callable[[str], Life]) -> None:
    life = make_life(plain_url)
    life.change("GRANT SELECT ON ingested_data TO PUBLIC")
    life.change("GRANT UPDATE, DELETE ON ingested_data TO pg_write_all_data WITH GRANT OPTION")
    about = (
        "SELECT indexname, replace(indexdef, ' ONLY', '') FROM pg_indexes WHERE tablename = 'ingested_data'"
        " UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'ingested_data'::regclass"
        " UNION ALL SELECT relowner::regrole::text, right_of::text FROM pg_class, unnest(relacl) AS right_of"
        " WHERE oid = 'ingested_data'::regclass"
        " UNION ALL SELECT attname, format_type(atttypid, atttypmod) || attnotnull FROM pg_attribute"
        " WHERE attrelid = 'ingested_data'::regclass AND attnum > 0"
        " UNION ALL SELECT attname, right_of::text FROM pg_attribute, unnest(attacl) AS right_of"
        " WHERE attrelid = 'ingested_data'::regclass ORDER BY 1, 2"
    )
    life.change("GRANT SELECT ON ingested_rows TO pg_write_all_data")
    view = (
        "SELECT pg_get_viewdef(oid), relowner::regrole::text, relacl::text FROM pg_class"
        " WHERE oid = 'ingested_rows'::regclass"
    )
    before, view_before = life.sql(about), life.sql(view)
    found = {str(cell) for row in before for cell in row}
    assert {"ingested_data_pkey", "content_hash", "byteatrue", "sluice_sweep=r/sluice"} <= found
    assert "pg_write_all_data=r" in view_before[0][2]
    partition(plain_url)
    assert life.sql(about) == before
    assert life.sql(view) == view_before


def test_a_partitioned_table_is_not_partitioned_again(
    database_url: str, make_life: Callable[[str], Life]
) -> None:
    life = make_life(database_url)
    load_some(life)
    before = everything(life)
    with pytest.raises(psycopg.errors.RaiseException, match="partitioned already"):
        partition(database_url)
    assert everything(life) == before


def test_later_migrations_apply(
    database_url: str, make_life: Callable[[str], Life], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = make_life(database_url)
    assert migrations.migrate(database_url) == []
    load_some(life)
    later = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, later)
    (later / "9999_later.sql").write_text(
        "ALTER TABLE ingested_data ADD COLUMN seen timestamptz DEFAULT now(), ADD CHECK (last_job > 0);"
        " CREATE INDEX ON ingested_data (last_job);"
    )
    monkeypatch.setattr(migrations, "FOLDER", later)
    assert migrations.migrate(database_url) == ["9999_later.sql"]
    assert load_more(life)[2:] == [150, 0]
    assert life.sql("SELECT count(seen) FROM ingested_data") == [(2100,)]


def test_partitions_keep_their_room_for_updates_and_get_it(database_url: str) -> None:
    parameters = (
        "SELECT DISTINCT reloptions FROM pg_class WHERE oid IN"
        " (SELECT relid FROM pg_partition_tree('ingested_data') WHERE isleaf)"
    )
    room = (migrations.FOLDER / "0005_room_for_updates.sql").read_text()
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(parameters).fetchall() == [(["fillfactor=70"],)]
        for part in range(PARTITIONS):  # as where it was partitioned before there was that migration
            connection.execute(f"ALTER TABLE ingested_data_{part} RESET (fillfactor)".encode())
        connection.execute(room.encode())
        assert connection.execute(parameters).fetchall() == [(["fillfactor=70"],)]
