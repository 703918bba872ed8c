"""Records with an erased value are rejected without their content, in each format."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.erased_values import ERASED, TOLD, ErasedValue, ErasedValues
from chalicelib.core.jobs import Claim
from chalicelib.core.model import Format, Status
from chalicelib.service.ingestion import Result
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.jobs import new_job
from tests.support.pipeline import Outcome, look, outcome
from tests.support.workers import new_ingester

SALT = b"salt" * 8


def erased(field: str, *values: str) -> ErasedValues:
    return ErasedValues(SALT, [ErasedValue.of(SALT, field, [value]) for value in values])


def rejects(found: Outcome) -> list[tuple[str, str | None, str, str]]:
    return [(it.code, it.field, it.raw, it.message) for block in found.blocks for it in block.rejects]


PEOPLE = b"""id,email,born
1,ada@example.org,10.12.1815
2, ADA@Example.org ,10.12.1815
3,grace@example.org,09.12.1906
4,,01.01.1900
"""


def test_a_row_of_a_table_is_rejected_by_the_value_as_it_is_stored() -> None:
    dialect = look(PEOPLE, date_order="DMY")
    for field, value, gone in (
        ("email", "ada@example.org", {"1", "2"}),
        ("born", "1906-12-09", {"3"}),
        ("id", "4", {"4"}),
        ("email", "ADA@Example.org", set()),  # that is not how it is stored
        ("name", "ada@example.org", set()),
    ):
        found = outcome(PEOPLE, dialect, erased=erased(field, value))
        assert {json.loads(it)["id"] for it in found.records} == set("1234") - gone
        assert rejects(found) == [(ERASED, field, "", TOLD)] * len(gone)
        assert found.rejected == len(gone)


JSON_RECORDS = [
    {"id": 5, "tags": ["a"], "ok": True},
    {"id": "5", "tags": "a"},
    {"id": 5.0},
    {"id": 6, "ok": False, "inner": {"id": 5}},
    {"id": None},
    {"id": [5]},
    {"id": {"id": 5}},
    {"id": 1e21},
]


@pytest.mark.parametrize("form", [Format.NDJSON, Format.JSON])
@pytest.mark.parametrize("alike", [True, False])
def test_a_json_record_is_rejected_by_a_member_of_its_own(form: Format, alike: bool) -> None:
    """Whether records are decoded as a table, or each by itself."""
    records = [{"id": 5}, {"id": 6}] * 50 if alike else JSON_RECORDS
    lines = [json.dumps(it) for it in records]
    data = ("\n".join(lines) if form is Format.NDJSON else f"[{','.join(lines)}]").encode()
    found = outcome(data, look(data), erased=erased("id", "5"))
    kept = {json.dumps(json.loads(it), sort_keys=True) for it in found.records}
    gone = [{"id": 5}] if alike else JSON_RECORDS[:3]
    assert not any(json.dumps(it, sort_keys=True) in kept for it in gone)
    assert found.rejected == (50 if alike else 3)
    assert {code for code, *_ in rejects(found)} == {ERASED}


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "5", " a", "", "x y"]), st.sampled_from("pqr")), max_size=30
    ),
    st.sets(st.sampled_from(["a", "b", "5", "x y"]), max_size=3),
)
def test_all_others_are_loaded_as_without_erasures(rows: list[tuple[str, str]], values: set[str]) -> None:
    data = ("k,v\nz,z\n" + "".join(f"{key},{value}\n" for key, value in rows)).encode()
    dialect = look(b"k,v\nz,z\n")
    plain = outcome(data, dialect)
    found = outcome(data, dialect, erased=erased("k", *values))
    assert found.records == {it for it in plain.records if json.loads(it).get("k") not in values}
    gone = sum(key.strip() in values for key, _ in rows)
    assert found.accepted == plain.accepted - gone
    assert found.rejected == plain.rejected + gone


def test_a_record_that_is_rejected_anyway_keeps_no_content_if_it_may_hold_the_value() -> None:
    data = b"id,email\n1,ada@example.org,more\n2,grace@example.org,more\n3,x\n"
    found = outcome(data, look(data, delimiter=","), erased=erased("email", "ada@example.org"))
    assert [(code, raw) for code, _, raw, _ in rejects(found)] == [
        (ERASED, ""),
        ("extra-cell", "2,grace@example.org,more"),
    ]
    assert "ada" not in str(found.blocks)


@pytest.mark.parametrize("encoding", ["cp1250", "utf-8"])
def test_bytes_that_are_no_utf_8_are_read_in_other_encodings(encoding: str) -> None:
    """Whether the encoding is known or not."""
    data = "id,name\n1,Łukasz Żak,more\n2,Ewa Ćma,more\n3,x\n4,y\n5,z\n".encode("cp1250")
    dialect = look(data, delimiter=",", encoding=encoding)
    found = outcome(data, dialect, erased=erased("name", "łukasz żak"))
    assert [code == ERASED for code, *_ in rejects(found)] == [True, False]


def test_no_example_of_a_warning_shows_the_record() -> None:
    data = b"id,email\n1,ada@example.org,\n2,grace@example.org\n"
    dialect = look(data, delimiter=",")
    (plain,) = (it for block in outcome(data, dialect).blocks for it in block.warnings)
    assert "ada" in (plain.example or "")
    found = outcome(data, dialect, erased=erased("email", "ada@example.org"))
    (warning,) = (it for block in found.blocks for it in block.warnings)
    assert (warning.code, warning.example) == (plain.code, "")


def load(jobs: MemoryJobs, *, erasures: int) -> list[str]:
    job = jobs.put(new_job(status=Status.PROCESSING, erasures=erasures))
    store = MemoryStore(PEOPLE, "e1")
    claim = Claim(job, "me", None, 1)
    assert new_ingester(jobs, store, max_record=1000).ingest(claim, lambda: True) is Result.JOB_ENDED
    blocks = jobs.blocks[job.id].values()
    return [json.loads(it)["id"] for block in blocks for it in block.rows["record"].to_pylist()]


def test_a_worker_asks_for_the_values_only_where_there_are_any() -> None:
    jobs = MemoryJobs(erased=erased("email", "ada@example.org"))
    assert sorted(load(jobs, erasures=0)) == ["1", "2", "3", "4"]
    assert jobs.looks == []
    assert sorted(load(jobs, erasures=1)) == ["3", "4"]
    assert len(jobs.looks) == 1
