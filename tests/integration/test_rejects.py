"""The places and counts of rejects on a real Postgres, however the file is read."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest

from chalicelib.backends.postgres.database import load_queries
from chalicelib.core.model import Place, RejectCount, Status
from chalicelib.service.ingestion import Ingester, Result
from tests.support.blocks import block
from tests.support.fakes import MemoryStore
from tests.support.ingesting import in_steps, opened_by, work
from tests.support.life import DAY, Life

WIDTH = 3


def _file() -> str:
    lines = ["Report of today", "", 'id,"na\nme",city']
    for number in range(400):
        lines.append(f'{number},"Ann\nLee",York' if number % 3 else f"{number},Bob,Bonn")
        if number % 50 == 7:
            lines += ["", f"{number},short"]
        if number % 90 == 11:
            lines.append(f'{number},"long\n\n",York,UK')
    return "\r\n".join(lines)


TEXT = _file()
FILE = TEXT.encode()


def _expected() -> list[tuple[int, int, str]]:
    """Return line, row and code of each reject, as Python's `csv` counts them."""
    reader = csv.reader(io.StringIO(TEXT, newline=""))
    found, line = [], 1
    for row, cells in enumerate(reader, start=1):
        if row > WIDTH and cells and len(cells) != WIDTH:
            found.append((line, row, "missing-cell" if len(cells) < WIDTH else "extra-cell"))
        line = reader.line_num + 1
    return found


EXPECTED = _expected()


def alone(life: Life, job_id: UUID, ingester: Ingester) -> None:
    assert work(life, job_id, ingester) is Result.JOB_ENDED


def resumed(life: Life, job_id: UUID, ingester: Ingester) -> None:
    assert in_steps(life, job_id, ingester, 2) > 5


def split(life: Life, job_id: UUID, ingester: Ingester) -> None:
    assert work(life, job_id, ingester) is Result.CLAIM_DONE
    results = []
    while life.found(job_id).status is not Status.COMPLETED:
        results.append(work(life, job_id, ingester))
    assert len(results) > 3


WAYS: Sequence[tuple[Callable[[Life, UUID, Ingester], None], dict[str, int]]] = (
    (alone, {}),
    (resumed, {}),
    (split, {"range_size": 500}),
)


@pytest.mark.parametrize(("load", "limits"), WAYS, ids=["alone", "resumed", "split"])
def test_rejects_have_their_line_and_row(
    life: Life, load: Callable[[Life, UUID, Ingester], None], limits: dict[str, int]
) -> None:
    job_id, ingester = opened_by(life, MemoryStore(FILE), **limits)
    load(life, job_id, ingester)

    found = life.jobs.rejects(job_id, limit=1000, after=None)
    assert [(it.place.line, it.place.sheet_row, it.code) for it in found] == EXPECTED
    codes = [code for _, _, code in EXPECTED]
    assert [(it.code, it.field, it.count, it.first) for it in life.found(job_id).rejects] == [
        (code, None, codes.count(code), found[codes.index(code)].place)
        for code in ("missing-cell", "extra-cell")
    ]


def test_a_purge_keeps_the_counts_and_undo_removes_them(life: Life) -> None:
    job_id, ingester = opened_by(life, MemoryStore(FILE))
    alone(life, job_id, ingester)
    counts = life.found(job_id).rejects
    life.later(31 * DAY)
    assert life.upkeep.purge(days=30, limit=9) == 1
    assert life.found(job_id).rejects == tuple(RejectCount(it.code, None, it.count, None) for it in counts)


def test_places_wait_for_earlier_blocks(life: Life) -> None:
    job_id, ingester = opened_by(life, MemoryStore(FILE))
    alone(life, job_id, ingester)
    (first,) = life.sql("SELECT min(block_no) FROM ingestion_blocks WHERE rejected > 0")[0]
    life.change(f"UPDATE ingestion_blocks SET start_offset = 1 WHERE block_no = 0 AND {first} > 0")
    place = life.jobs.rejects(job_id, limit=1, after=None)[0].place
    assert place == Place(place.offset)
    count = life.found(job_id).rejects[0]
    assert count.first == Place(place.offset)


def plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from plan_nodes(child)


@pytest.mark.parametrize("analyzed", [False, True], ids=["without statistics", "with statistics"])
@pytest.mark.parametrize("after", [(-1, -1), (3, 1500), (9, 10)])
def test_a_page_of_rejects_reads_no_others(life: Life, after: tuple[int, int], analyzed: bool) -> None:
    """Postgres finds the page by the primary key, wherever it lies, and has each block once."""
    job = life.job()
    for no in range(10):
        life.load(job, block(no, [], rejects=2000))
    if analyzed:
        life.change("ANALYZE validation_errors")
        life.change("ANALYZE ingestion_blocks")
    statements = load_queries("rejects.sql")
    parameters = {"id": job.id, "limit": 101, "after_block": after[0], "after_record": after[1]}
    with psycopg.connect(life.url) as connection:
        connection.execute(statements["read_in_order"])
        found = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statements['select_rejects']}", parameters
        ).fetchone()
    assert found is not None
    (plan,) = found[0] if isinstance(found[0], list) else json.loads(found[0])
    most = {"validation_errors": 101, "ingestion_blocks": 10}
    read = [it for it in plan_nodes(plan["Plan"]) if it.get("Relation Name") in most]
    assert {it["Relation Name"] for it in read} == set(most)
    for node in read:
        assert node["Actual Rows"] * node["Actual Loops"] <= most[node["Relation Name"]]
    scans = [it for it in plan_nodes(plan["Plan"]) if it["Node Type"] == "CTE Scan"]
    assert all(it["Actual Loops"] <= 1 for it in scans)
