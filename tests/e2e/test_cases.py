"""The files in `tests/cases`, uploaded to the deployed application, end as is right for each."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from bench.reading.scoring import Outcome, Reading, judge
from chalicelib.core.warnings import KINDS
from chalicelib.rows import canonical
from tests.support.cases import CASES, Case
from tests.support.deployed_service import finished, http, query, upload

ROWS = "SELECT record::text FROM ingested_data JOIN datasets ON id = dataset_id WHERE name = %s"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_ends_as_is_right(stack: Mapping[str, str], dataset: str, case: Case) -> None:
    url = stack["SLUICE_URL"]
    job_id = upload(url, case.data, filename=case.file, dataset=dataset, options=dict(case.options))
    job = finished(url, job_id)
    errors = http.get(f"{url}{job['links']['errors']}", params={"limit": "100"}).json()["errors"]
    counts = job["counts"]
    assert counts["read"] == counts["inserted"] + counts["duplicates"] + counts["rejected"]
    assert counts["rejected"] == len(errors)
    reading = Reading(
        frozenset(stored(stack, dataset)),
        counts["inserted"] + counts["duplicates"],
        [error["code"] for error in errors],
        [error["message"] for error in errors],
        frozenset(warning["code"] for warning in job["warnings"]),
        job["error"]["code"] if job["error"] else None,
        tuple(job["detected"].get("columns", ())) if job["detected"] else (),
    )
    verdict = judge(case.labelled, reading)
    assert (verdict.outcome, verdict.reasons) == (Outcome.RIGHT, []), job
    assert (list(verdict.noise), list(verdict.untold)) == ([], []), job
    assert job["status"] == ("COMPLETED" if counts["inserted"] else "FAILED")
    assert reading.columns == case.columns
    assert set(reading.rejects) <= case.codes
    assert all(text in "\n".join(reading.messages) for text in case.says)
    assert all(is_complete(warning) for warning in job["warnings"])


def stored(stack: Mapping[str, str], dataset: str) -> list[str]:
    """Return the rows of a dataset in canonical form."""
    found = [row for (row,) in query(stack, ROWS, dataset)]
    return [canonical.record(json.loads(row, parse_float=Decimal, parse_int=Decimal)) for row in found]


def is_complete(warning: dict[str, Any]) -> bool:
    """Return whether a warning's document says what it must."""
    kind = KINDS[warning["code"]]
    return (
        (warning["message"], warning["option"]) == (kind.message, kind.option)
        and warning["count"] > 0
        and warning["first"]["offset"] >= 0
        and isinstance(warning["example"], str)
    )
