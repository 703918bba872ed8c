"""Rejects on a real Postgres: written into a file, corrected, and loaded, with nothing doubled."""

import csv
import io
from uuid import UUID, uuid4

import pytest

from chalicelib.core.jobs import Instructions, Job, NewJob, Upload
from chalicelib.core.model import Options, Status, Tally
from chalicelib.service.rejects_text import rejects_text
from tests.support.fakes import MemoryStore
from tests.support.ingesting import opened_by, work
from tests.support.life import SOURCE, Life
from tests.support.whole_rejects import whole_rejects

FILE = b'id;name;amount\n1;Ada;-1,50\n2;Bob\n3;Cy;3,50;x\n4;"D" i;-4,50\n5;Eve;5,50\n'
OPTIONS = Options(decimal=",")


def register(life: Life, *, parent: UUID | None = None, options: Options = OPTIONS) -> UUID:
    instructions = Instructions(options=options, parent_job=parent)
    return life.jobs.create(NewJob(uuid4(), "default", "f.csv", Upload("bucket", "key"), 64, instructions)).id


def loaded(life: Life, data: bytes, job_id: UUID) -> Job:
    _, ingester = opened_by(life, MemoryStore(data))
    work(life, job_id, ingester)
    return life.found(job_id)


def rejects_of(job: Job, data: bytes) -> bytes:
    assert job.reading is not None
    dialect = job.reading.dialect
    return b"".join(rejects_text(job, dialect, whole_rejects(data, dialect), longest=10**6))


def records(life: Life) -> list[dict[str, str]]:
    found = (record for (record,) in life.sql("SELECT record FROM ingested_data"))
    return sorted(found, key=lambda record: str(record["id"]))


@pytest.mark.parametrize("named", [True, False])
def test_corrected_rejects_are_loaded_and_nothing_is_doubled(life: Life, named: bool) -> None:
    first = loaded(life, FILE, register(life))
    rows = list(
        csv.reader(io.StringIO(rejects_of(first, FILE).decode("utf-8-sig"), newline=""), delimiter=";")
    )
    assert [row[-1] for row in rows[1:]] == ["2", "3", "4"]
    rows[1][2] = "'-2,50"
    rows[2][:3] = ["3", "Cy", "3,50"]
    rows[3][:3] = ["4", "D i", "-4,50"]
    corrected = io.StringIO(newline="")
    csv.writer(corrected).writerows(rows)  # with commas
    data = corrected.getvalue().encode()

    job_id = register(life, parent=first.id) if named else register(life, options=Options())
    job = loaded(life, data, job_id)

    assert (job.status, job.progress.tally) == (Status.COMPLETED, Tally(3, 3, 0, 0))
    assert job.parent_job == first.id
    assert [warning.code for warning in job.warnings] == ["rejects-file"]
    assert [(it["name"], it["amount"]) for it in records(life)] == [
        ("Ada", "-1.50"),
        ("Bob", "-2.50"),
        ("Cy", "3.50"),
        ("D i", "-4.50"),
        ("Eve", "5.50"),
    ]
    again = loaded(life, data, register(life, parent=first.id))
    assert again.progress.tally == Tally(3, 0, 3, 0)


def same_content(life: Life, job_id: UUID) -> UUID | None:
    """Return the job that has loaded SOURCE as the job would load it."""
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    return life.ledger.complete_as_duplicate(claim.job, SOURCE)


def test_a_file_that_was_loaded_without_a_parent_is_read_again_with_one(life: Life) -> None:
    """The same bytes are read in another way."""
    loaded_job = loaded_as(life, None)

    assert same_content(life, register(life, parent=loaded_job)) is None
    assert same_content(life, register(life)) == loaded_job


MARKED = b"a,b,_sluice_rejects_of_%s\n1,2,1\n3,4,2\n"


@pytest.mark.parametrize("named", [True, False])
def test_a_rejects_file_is_read_again(life: Life, named: bool) -> None:
    """Its parent may have been read again meanwhile, with other options."""
    parent = register(life)
    data = b"a,b\n1,2\n" if named else MARKED % str(parent).encode()
    first = loaded_as(life, parent if named else None, data)
    assert life.found(first).parent_job == parent

    assert same_content(life, register(life, parent=parent if named else None)) is None


def loaded_as(life: Life, parent: UUID | None, data: bytes = b"a,b\n1,2\n3,4\n") -> UUID:
    """Return a job that has loaded SOURCE, which holds the data."""
    job_id = register(life, parent=parent)
    _, ingester = opened_by(life, MemoryStore(data, SOURCE.etag, SOURCE.version_id, SOURCE.checksum))
    work(life, job_id, ingester)
    life.change(f"UPDATE ingestion_jobs SET size = {SOURCE.size} WHERE id = '{job_id}'")
    assert life.found(job_id).status is Status.COMPLETED
    return job_id


def test_the_parent_is_a_job_of_the_dataset_that_has_read_the_file(life: Life) -> None:
    parent = loaded(life, FILE, register(life))
    other = life.job(dataset="other")
    job = life.found(register(life))

    found = life.ledger.parent(job, parent.id)
    assert found is not None
    assert (found.id, found.reading) == (parent.id, parent.reading)
    copy = life.pending()
    life.change(f"UPDATE ingestion_jobs SET duplicate_of = '{parent.id}' WHERE id = '{copy}'")
    assert life.ledger.parent(job, copy) == found
    assert life.ledger.parent(job, other.id) is None
    assert life.ledger.parent(job, uuid4()) is None


def test_a_job_is_stored_with_its_parent(life: Life) -> None:
    parent = life.pending()
    job = life.found(register(life, parent=parent))

    assert (job.parent_job, job.instructions.parent_job) == (parent, parent)
    assert life.found(parent).parent_job is None
