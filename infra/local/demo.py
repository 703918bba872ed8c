"""`make demo`: load one file into a running stack, and compare the job with the database.

`python -m infra.local.demo [--root FOLDER]`. The `sluice` command loads the file and reads its rejects, over
HTTP as any client does. The rows and the counts to compare with come from Postgres.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import rfc8785
from psycopg.rows import DictRow, dict_row

from infra.local.env_file import read_env_file
from infra.local.sample.make_sample import FILE
from infra.steps.environment import LOOPBACK
from infra.steps.layout import CHECKOUT, DEFAULT_ROOT, Layout
from sluice_cli.escaping import safe

DATASET = "demo"
TIMEOUT = 120.0  # seconds; the file takes less than one
EXCERPT = 90  # characters of a rejected record
WIDTH = 80  # of a record's lines

# When the sample is loaded again, the rejects and rows belong to the job that loaded it first.
_FIGURES = """
    SELECT status,
        (SELECT count(*) FROM ingested_data WHERE dataset_id = job.dataset_id AND first_job = job.number)
            AS inserted,
        (SELECT count(*) FROM validation_errors WHERE job_id = coalesce(job.duplicate_of, job.id))
            AS rejected,
        (SELECT sum(records) FROM ingestion_blocks WHERE job_id = job.id)::bigint AS read,
        (SELECT sum(duplicates) FROM ingestion_blocks WHERE job_id = job.id)::bigint AS duplicates,
        (SELECT max(end_offset) FROM ingestion_blocks WHERE job_id = job.id) AS bytes
    FROM ingestion_jobs AS job WHERE id = %s
"""
_ROWS = """
    SELECT encode(content_hash, 'hex') AS content_hash, record
    FROM ingested_data AS row
    JOIN ingestion_jobs AS loader ON loader.dataset_id = row.dataset_id AND loader.number = row.last_job
    JOIN ingestion_jobs AS job ON loader.id = coalesce(job.duplicate_of, job.id)
    WHERE job.id = %s ORDER BY row.content_hash LIMIT 3
"""

Job = Mapping[str, Any]


class DemoError(Exception):
    """The demonstration failed; the message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration. Return 0, or 1 after writing to standard error why it failed."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.demo", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, help="the stack's folder (default: .local)"
    )
    layout = Layout.at(parser.parse_args(argv).root)
    try:
        show(addresses(layout), layout)
    except DemoError as error:
        sys.stderr.write(f"\nThe demonstration failed: {error}.\n")
        return 1
    except psycopg.Error as error:
        sys.stderr.write(f"\nThe demonstration failed: Postgres says: {error}\n")
        return 1
    return 0


def addresses(layout: Layout) -> Mapping[str, str]:
    """Return the stack's addresses. Raises DemoError."""
    env = read_env_file(layout)
    if not {"SLUICE_URL", "SLUICE_API_KEY", "DATABASE_URL"} <= env.keys():
        raise DemoError(
            f"the stack is not up, as {layout.env_file} does not contain its addresses: run `make up`"
        )
    return env


def show(env: Mapping[str, str], layout: Layout) -> None:
    """Load the sample, and print its counts, rows and rejects. Raises DemoError, psycopg.Error."""
    job = load(env, layout)
    rejects = list_rejects(env, job)
    with psycopg.connect(env["DATABASE_URL"], connect_timeout=5, row_factory=dict_row) as connection:
        figures = connection.execute(_FIGURES, [job["id"]]).fetchone()
        rows = connection.execute(_ROWS, [job["id"]]).fetchall()
    show_counts(job, figures)
    show_rows(rows)
    show_rejects(rejects)
    if differences := disagreements(job, figures, rejects, rows):
        raise DemoError("; ".join(differences))


def load(env: Mapping[str, str], layout: Layout) -> Job:
    """Upload the sample, wait for its job to end, and return the job."""
    logs = f"the logs are in {layout.logs}"
    try:
        done = sluice(env, "upload", str(FILE.relative_to(CHECKOUT)), "--dataset", DATASET, "--json")
    except subprocess.TimeoutExpired:
        raise DemoError(f"the job did not end within {TIMEOUT:.0f} s; {logs}") from None
    if done.returncode != 0:
        raise DemoError(f"sluice upload ended with status {done.returncode}; {logs}")
    job: Job = json.loads(done.stdout)
    return job


def list_rejects(env: Mapping[str, str], job: Job) -> list[Mapping[str, Any]]:
    """Return the job's rejects."""
    done = sluice(env, "errors", job["id"], "--json")
    if done.returncode != 0:
        raise DemoError(f"sluice errors ended with status {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def sluice(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the `sluice` command with its messages on the terminal, and return it with its JSON output.

    Raises TimeoutExpired.
    """
    say(f"$ sluice {' '.join(arguments)}")
    command = [sys.executable, "-m", "sluice_cli", *arguments]
    client = {name: env[name] for name in ("SLUICE_URL", "SLUICE_API_KEY")}
    own = {**client, "NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK}
    return subprocess.run(
        command,
        env={**os.environ, **own},
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def show_counts(job: Job, figures: DictRow | None) -> None:
    """Print the job's counts beside those in Postgres."""
    say(f"\n{'The job':<16}{'the API says':>12}{'Postgres says':>15}\n")
    say(f"  {'status':<14}{job['status']:>12}{figures['status'] if figures else '?':>15}")
    for name, count in job["counts"].items():
        say(f"  {name:<14}{count:>12,}{figures[name] if figures else 0:>15,}")
    counts = job["counts"]
    say(
        f"\n  read = inserted + duplicates + rejected:  {counts['read']:,} = {counts['inserted']:,}"
        f" + {counts['duplicates']:,} + {counts['rejected']:,}"
    )
    if not counts["inserted"]:
        say("\n  Nothing was inserted: every row was there already. Loading a file again changes nothing.")


def show_rows(rows: Sequence[DictRow]) -> None:
    """Print rows as they are stored."""
    say("\nThree of the rows in Postgres\n")
    for row in rows:
        say(f'  {{"content_hash": "{row["content_hash"]}",\n   "record": {folded(row["record"])}}}')
    if rows and all(identity(row) == row["content_hash"] for row in rows):
        say("\n  Another library's RFC 8785 form of them has the same SHA-256.")


def folded(record: Mapping[str, Any]) -> str:
    """Return the record as JSON, folded into lines of readable width."""
    members = (json.dumps({name: record[name]}, ensure_ascii=False)[1:-1] for name in sorted(record))
    lines = [""]
    for member in members:
        if lines[-1] and len(lines[-1]) + len(member) > WIDTH:
            lines.append("")
        lines[-1] += f"{member}, "
    return "{" + f"\n{' ' * 14}".join(line.rstrip() for line in lines).removesuffix(",") + "}"


def show_rejects(rejects: Sequence[Mapping[str, Any]]) -> None:
    """Print the rejects."""
    say("\nThe rejected records\n")
    for reject in rejects:
        where = f"record {reject['record_number']:,}, byte {reject['byte_offset']:,}"
        excerpt = safe(reject["raw"])
        shown = excerpt if len(excerpt) <= EXCERPT else f"{excerpt[: EXCERPT - 1]}…"
        say(f"  {where}: {reject['code']}\n    {reject['message']}\n    | {shown}".rstrip())


def disagreements(
    job: Job,
    figures: DictRow | None,
    rejects: Sequence[Mapping[str, Any]],
    rows: Sequence[DictRow],
) -> list[str]:
    """Return one sentence for each disagreement between the job, Postgres and the file."""
    counts = job["counts"]
    if figures is None:
        return ["Postgres has no such job"]
    differences = [
        f"the job says {name} {job['counts'][name]:,} and Postgres {figures[name]:,}"
        for name in counts
        if counts[name] != figures[name]
    ]
    if job["status"] != "COMPLETED" or figures["status"] != "COMPLETED":
        differences.append(f"the job is {job['status']}, in Postgres {figures['status']}")
    if counts["read"] != counts["inserted"] + counts["duplicates"] + counts["rejected"]:
        differences.append("the counts do not add up")
    if len(rejects) != counts["rejected"]:
        differences.append(f"{len(rejects)} rejects were listed and {counts['rejected']} counted")
    if figures["bytes"] != FILE.stat().st_size:
        differences.append(f"{figures['bytes']} of the file's {FILE.stat().st_size} bytes were read")
    if len(rows) != 3:  # noqa: PLR2004 - the query's limit
        differences.append(f"Postgres holds {len(rows)} of its rows where three were to be shown")
    differences += [
        f"row {row['content_hash']} has another hash" for row in rows if identity(row) != row["content_hash"]
    ]
    return differences


def identity(row: DictRow) -> str:
    """Return the hash of a row's record, computed by an independent library."""
    return hashlib.sha256(rfc8785.dumps(row["record"])).hexdigest()


def say(text: str) -> None:
    """Print a line at once: other processes write to the same terminal."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
