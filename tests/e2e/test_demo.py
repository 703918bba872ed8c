"""`make demo`, as a person sees it, against the whole stack."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from infra.local import demo
from infra.local.env_file import write_env_file
from infra.local.sample import make_sample
from infra.steps.layout import CHECKOUT, Layout
from tests.support.waiting import PATIENCE

COPIES = sum(make_sample.COPIES.values())


def run_demo(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local.demo", "--root", str(root)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def transcript() -> str:
    """What the README shows of the demonstration."""
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    return next(block for block in readme.split("```") if "$ sluice upload" in block)


def lasting(output: str) -> list[str]:
    """What every first run prints: no ids, no times, no states that only some see."""
    begun = output[output.index("$ sluice upload") :]
    plain = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", begun)
    plain = re.sub(r" in [\d.]+ s\b", " in N s", plain)
    return [line for line in plain.splitlines() if not line.startswith(("PENDING: ", "PROCESSING: "))]


@pytest.fixture
def root(stack: Mapping[str, str], tmp_path: Path) -> Path:
    write_env_file(Layout.at(tmp_path), stack)
    return tmp_path


@pytest.fixture
def new_dataset(stack: Mapping[str, str]) -> None:
    with psycopg.connect(stack["DATABASE_URL"]) as connection:
        connection.execute(
            "DELETE FROM ingested_data WHERE dataset_id = (SELECT id FROM datasets WHERE name = %s)",
            [demo.DATASET],
        )


@pytest.mark.usefixtures("new_dataset")
def test_the_demo_shows_the_fate_of_every_record_and_that_a_second_load_changes_nothing(root: Path) -> None:
    first = run_demo(root)
    assert first.returncode == 0, first.stdout
    total = make_sample.CUSTOMERS + COPIES + 10
    assert f"read = inserted + duplicates + rejected:  {total:,} = 2,900 + {COPIES} + 10\n" in first.stdout
    assert re.search(r"status +COMPLETED +COMPLETED\n", first.stdout)
    rows = re.findall(r'^  (\{"content_hash".*?\}\})$', first.stdout, re.MULTILINE | re.DOTALL)
    assert [set(json.loads(row)) for row in rows] == [{"content_hash", "record"}] * 3
    assert "has the same SHA-256" in first.stdout
    assert re.findall(r"^  record ([\d,]+), byte [\d,]+: ([a-z-]+)$", first.stdout, re.MULTILINE)[-1] == (
        f"{total:,}",
        "unterminated-quote",
    )
    assert first.stdout.count("\n    | ") == 10
    assert "Nothing was inserted" not in first.stdout

    assert lasting(first.stdout) == lasting(transcript())

    again = run_demo(root)
    assert again.returncode == 0, again.stdout
    assert f"{total:,} = 0 + {total - 10:,} + 10\n" in again.stdout
    assert "Nothing was inserted: every row was there already." in again.stdout


def test_the_demo_reports_a_stack_that_is_not_up(tmp_path: Path) -> None:
    told = run_demo(tmp_path)

    assert told.returncode == 1
    assert "The demonstration failed: the stack is not up" in told.stdout
    assert "Traceback" not in told.stdout


def test_the_demo_fails_without_the_api(root: Path, stack: Mapping[str, str]) -> None:
    write_env_file(Layout.at(root), {**stack, "SLUICE_URL": "http://127.0.0.1:9/api"})

    told = run_demo(root)

    assert told.returncode == 1
    assert "No answer from http://127.0.0.1:9/api" in told.stdout
    assert f"sluice upload ended with status 3; the logs are in {root}/logs." in told.stdout


def test_the_demo_fails_when_the_counts_differ_from_postgres() -> None:
    counts = {"read": 5, "inserted": 3, "duplicates": 1, "rejected": 1}
    job = {"status": "COMPLETED", "counts": counts}
    figures = {"status": "COMPLETED", "bytes": make_sample.FILE.stat().st_size, **counts, "inserted": 2}
    rows = [
        {"content_hash": demo.identity({"record": record}), "record": record} for record in ({}, {"a": "1"})
    ]

    assert demo.disagreements(job, figures, [{}], [*rows, {"content_hash": "00", "record": {}}]) == [
        "the job says inserted 3 and Postgres 2",
        "row 00 has another hash",
    ]
