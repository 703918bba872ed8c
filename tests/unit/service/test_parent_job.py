"""A file that holds the rejects of another job, its parent, is read as that job's file was."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.backends.postgres.mappers import options_column, options_of
from chalicelib.core.jobs import Claim, Instructions, Job
from chalicelib.core.model import Dialect, Options, Source
from chalicelib.core.options import of_parent, with_parent
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.service.opening import Opener
from chalicelib.service.rejects_text import rejects_text
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.jobs import new_job
from tests.support.pipeline import look, outcome
from tests.support.whole_rejects import JOB, rejects_file, whole_rejects

LIMITS = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)
MARKER = f"_sluice_rejects_of_{JOB}"
OPTIONS = Options(
    delimiter="|",
    encoding="cp1252",
    decimal=",",
    date_order="DMY",
    missing_values=("n/a",),
)
VALUES = Options(decimal=",", date_order="DMY", missing_values=("n/a",))
FILE = "id|amount|day|city\n1|-1,50|1.2.2025|Zoë\n2|2,50|2.2.2025|n/a\n3|-3,50\n".encode("cp1252")


def parent(data: bytes = FILE, **changes: Any) -> Job:
    """Return a job that has read the file."""
    options = changes.pop("options", OPTIONS)
    dialect = look(data, **vars(options))
    source = Source("bucket", "key", "e", len(data))
    return new_job(id=JOB, options=options, source=source, dialect=dialect, **changes)


def opened(data: bytes, *others: Job, **changes: Any) -> Job:
    """Return a job that holds the file, once a worker has opened it."""
    jobs = MemoryJobs()
    for other in others:
        jobs.put(other)
    job = jobs.put(new_job(**changes))
    opener = Opener(jobs, MemoryStore(data), LIMITS, 1 << 30, 1 << 22)
    opener.fix(job, opener.look(Claim(job, "me", None, 1)))
    found = jobs.get(job.id)
    assert found is not None
    return found


def dialect_of(job: Job) -> Dialect:
    assert job.reading is not None
    return job.reading.dialect


def told(job: Job) -> list[str]:
    return [warning.code for warning in job.warnings]


CORRECTED = (
    f"\ufeffid,amount,day,city,_reason,_line,_raw,{MARKER}\r\n"
    "3,\"'-3,50\",3.2.2025,'=Köln,too short,4,,3\r\n4,x,n/a,Ely,,,,\r\n"
).encode()
RECORDS = {
    '{"amount":"-3.50","city":"=Köln","day":"2025-02-03","id":"3"}',
    '{"amount":"x","city":"Ely","id":"4"}',
}


@pytest.mark.parametrize("named", [True, False])
def test_values_are_read_as_those_of_the_parents_file(named: bool) -> None:
    options = VALUES if named else Options()
    job = opened(CORRECTED, parent(), parent_job=JOB if named else None, options=options)

    assert outcome(CORRECTED, dialect_of(job)).records == RECORDS
    assert dialect_of(job).decimal_columns == ("id", "amount")
    assert job.parent_job == JOB
    assert told(job) == ["rejects-file"]


def test_options_that_are_declared_stay() -> None:
    job = opened(CORRECTED, parent(), options=Options(date_order="MDY", missing_values=("x",)))

    dialect = dialect_of(job)
    assert (dialect.decimal, dialect.date_order, dialect.missing_values) == (",", "MDY", ("x",))


@pytest.mark.parametrize("named", [True, False])
def test_a_default_that_is_declared_counts_before_the_parents_value(named: bool) -> None:
    """As the database stores it; of an upload that names its parent, its registration does this."""
    options = options_of(options_column(Options(decimal=".", missing_values=())).obj)
    job = opened(CORRECTED, parent(), parent_job=JOB if named else None, options=options)

    dialect = dialect_of(job)
    assert (dialect.decimal, dialect.missing_values) == (".", ())
    assert dialect.date_order == (None if named else "DMY")
    assert '"amount":"-3,50"' in str(outcome(CORRECTED, dialect).records)


@pytest.mark.parametrize("others", [[], [replace(parent(), dataset="another")]], ids=["unknown", "another"])
def test_a_marker_of_an_unknown_job_shows_no_parent(others: list[Job]) -> None:
    job = opened(CORRECTED, *others)

    assert job.parent_job is None
    assert dialect_of(job).own_columns == ("id", "amount", "day", "city")
    assert dialect_of(job).decimal == "."
    assert dialect_of(job).escaped


def test_columns_of_numbers_are_found_in_the_file_if_the_parent_has_no_reading() -> None:
    job = opened(CORRECTED, replace(parent(), reading=None))

    assert job.parent_job == JOB
    assert (dialect_of(job).date_order, dialect_of(job).decimal_columns) == ("DMY", ("id",))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_the_encoding_of_the_dataset_does_not_hold_for_a_rejects_file(encoding: str) -> None:
    data = CORRECTED.decode("utf-8-sig").encode(encoding)

    job = opened(data, parent(), options=replace(OPTIONS, quote="'", header=False))

    text = data if encoding != "utf-16" else CORRECTED.decode("utf-8-sig").encode()
    assert outcome(text, dialect_of(job)).records == RECORDS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp500", "shift_jis"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_rejects_file_is_read_in_its_own_encoding(encoding: str, written: str) -> None:
    data = CORRECTED.decode("utf-8-sig").encode(written)

    job = opened(data, parent(), options=replace(VALUES, encoding=encoding))

    text = CORRECTED.decode("utf-8-sig").encode() if written == "utf-16" else data
    assert outcome(text, dialect_of(job)).records == RECORDS


def test_a_file_in_the_encoding_of_the_dataset_is_read_in_it() -> None:
    data = "id;city\n1;Köln\n".encode("cp500")

    job = opened(data, options=Options(encoding="cp500", delimiter=";"))

    assert dialect_of(job).columns == ("id", "city")


def test_the_declared_encoding_holds_for_one_that_is_not_utf8() -> None:
    data = CORRECTED.decode("utf-8-sig").encode("cp1252")

    job = opened(data, parent(), options=OPTIONS)

    assert outcome(data, dialect_of(job)).records == RECORDS


WITHOUT_MARKER = b"id;amount;day;city;_reason;_line;_raw\n3;'-3,50;3.2.2025;'=K;too short;4;\n4;1;;;;;text\n"


def test_a_file_without_the_marker_needs_a_named_parent() -> None:
    job = opened(WITHOUT_MARKER, parent(), parent_job=JOB, options=VALUES)
    other = opened(WITHOUT_MARKER, parent())

    assert dialect_of(job).dropped == ("_reason", "_line", "_raw")
    assert outcome(WITHOUT_MARKER, dialect_of(job)).records == {
        '{"amount":"-3.50","city":"=K","day":"2025-02-03","id":"3"}',
        '{"amount":"1","id":"4"}',
    }
    assert told(job) == ["rejects-file"]
    assert (dialect_of(other).dropped, told(other)) == ((), [])
    assert len(outcome(WITHOUT_MARKER, dialect_of(other)).records) == 2
    assert any("'-3,50" in it for it in outcome(WITHOUT_MARKER, dialect_of(other)).records)


@pytest.mark.parametrize("columns", ["_reason", "_line", "_raw"])
def test_one_added_column_shows_that_values_are_escaped(columns: str) -> None:
    data = f"id;city;{columns}\n4;'=Ely;\n5;Rye;\n".encode()

    job = opened(data, parent(), parent_job=JOB, options=VALUES)

    assert outcome(data, dialect_of(job)).records == {
        '{"city":"=Ely","id":"4"}',
        '{"city":"Rye","id":"5"}',
    }


def test_a_file_without_any_added_column_is_read_as_it_is_and_that_is_told() -> None:
    """Whether its apostrophes are Sluice's cannot be known."""
    data = b"id;amount;city\n3;'-3,50;Ely\n4;1,50;'=K\n5;2,50;'tis\n"

    job = opened(data, parent(), parent_job=JOB, options=VALUES)
    plain = opened(data.replace(b"'", b""), parent(), parent_job=JOB, options=VALUES)

    assert outcome(data, dialect_of(job)).records == {
        '{"amount":"\'-3,50","city":"Ely","id":"3"}',
        '{"amount":"1.50","city":"\'=K","id":"4"}',
        '{"amount":"2.50","city":"\'tis","id":"5"}',
    }
    (warning,) = job.warnings
    assert (warning.code, warning.count, warning.line) == ("apostrophes-kept", 2, 2)
    assert warning.example == "3;'-3,50;Ely"
    assert told(plain) == []
    assert dialect_of(plain).decimal_columns == ("id", "amount")


def test_columns_that_the_parents_file_has_are_kept() -> None:
    data = b"id,_line,_raw\n1,2,3\n4,5\n"
    own = parent(data, options=Options())
    again = rejects_file(data, dialect_of(own))
    job = opened(b"id,_line,_raw,_reason_2\n4,5,'-6,short\n", own, parent_job=JOB)

    assert b"_reason_2,_line_2,_raw_2" in again
    assert dialect_of(job).dropped == ("_reason_2",)
    assert dialect_of(job).own_columns == ("id", "_line", "_raw")


def test_rejects_of_json_files_are_read_as_any_file() -> None:
    data = b'{"id":1}\n'
    own = parent(data, options=Options())
    job = opened(b"id,_raw\n1,'-2\n", own, parent_job=JOB)

    assert not dialect_of(job).escaped
    assert told(job) == []


def test_a_named_parent_counts_before_the_marker() -> None:
    named = replace(parent(options=Options(delimiter="|", encoding="cp1252")), id=uuid4())
    job = opened(CORRECTED, parent(), named, parent_job=named.id)

    assert job.parent_job == named.id
    assert dialect_of(job).rejects_of == str(JOB)
    assert dialect_of(job).decimal == "."


def test_a_rejects_file_comes_through_as_it_is() -> None:
    own = parent()
    data = rejects_file(FILE, dialect_of(own))

    job = opened(data, own)

    found = outcome(data, dialect_of(job))
    assert found.records == {'{"amount":"-3.50","id":"3"}'}
    assert not found.rejects


def test_options_about_values_are_the_parents_unless_declared() -> None:
    for job in (parent(), replace(parent(), reading=None)):
        assert of_parent(job) == VALUES
        assert with_parent(Options(encoding="utf-8"), job) == replace(VALUES, encoding="utf-8")
        declared = Options(date_order="YMD", missing_values=("-",))
        assert with_parent(declared, job) == replace(declared, decimal=",")


def test_rejects_of_rejects_are_read_as_the_first_file_was() -> None:
    data = CORRECTED + b'5,"\'-7,50",,x,y,,,,more\r\n'
    second = replace(opened(data, parent()), id=uuid4())
    assert second.instructions.options == Options()
    rejects = whole_rejects(data, dialect_of(second))
    third = b"".join(rejects_text(second, dialect_of(second), rejects, longest=1000))
    third = third.replace(b",,,", b'5,"\'-7,50",,', 1)

    job = opened(third, second)

    assert dialect_of(job).decimal_columns == ("id", "amount")
    assert outcome(third, dialect_of(job)).records == {'{"amount":"-7.50","id":"5"}'}


def test_a_job_without_a_parent_has_none() -> None:
    assert new_job().parent_job is None
    assert new_job(instructions=Instructions(parent_job=JOB)).parent_job == JOB
