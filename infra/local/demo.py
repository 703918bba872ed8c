"""`make demo`: one file goes through a running stack, and what became of it is shown.

`python -m infra.local.demo [--root FOLDER]`. The file is loaded and its rejects are read with the
`sluice` command, that is, over HTTP as by any client. The rows and the figures that the job's are
compared with come from Postgres.
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

from infra.local.environment import LOOPBACK, read_env_file
from infra.local.layout import CHECKOUT, DEFAULT_ROOT, Layout
from infra.local.sample.make_sample import FILE
from sluice_cli.escaping import safe

DATASET = "demo"
PATIENCE = 120.0  # seconds; the file takes less than one
EXCERPT = 90  # characters of a rejected record
WIDTH = 80  # of a record's lines

# The sample's second time through is answered by the job that loaded it first, which holds rejects and rows.
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
    """The demonstration did not come out as it should; the sentence says how."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 if all is as it should be, else 1 with the reason on standard error."""
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
    """Where the stack's parts are. Raises DemoError."""
    env = read_env_file(layout)
    if not {"SLUICE_URL", "DATABASE_URL"} <= env.keys():
        raise DemoError(f"the stack is not up, as {layout.env_file} does not say where it is: run `make up`")
    return env


def show(env: Mapping[str, str], layout: Layout) -> None:
    """Load the sample and print what became of it. Raises DemoError, psycopg.Error."""
    job = load(env, layout)
    rejects = rejected(env, job)
    with psycopg.connect(env["DATABASE_URL"], connect_timeout=5, row_factory=dict_row) as connection:
        figures = connection.execute(_FIGURES, [job["id"]]).fetchone()
        rows = connection.execute(_ROWS, [job["id"]]).fetchall()
    show_counts(job, figures)
    show_rows(rows)
    show_rejects(rejects)
    if differences := disagreements(job, figures, rejects, rows):
        raise DemoError("; ".join(differences))


def load(env: Mapping[str, str], layout: Layout) -> Job:
    """Upload the sample and follow its job to the end; the job's last state."""
    logs = f"the logs are in {layout.logs}"
    try:
        told = sluice(env, "upload", str(FILE.relative_to(CHECKOUT)), "--dataset", DATASET, "--json")
    except subprocess.TimeoutExpired:
        raise DemoError(f"the job did not end within {PATIENCE:.0f} s; {logs}") from None
    if told.returncode != 0:
        raise DemoError(f"sluice upload ended with status {told.returncode}; {logs}")
    job: Job = json.loads(told.stdout)
    return job


def rejected(env: Mapping[str, str], job: Job) -> list[Mapping[str, Any]]:
    """The job's rejected records."""
    told = sluice(env, "errors", job["id"], "--json")
    if told.returncode != 0:
        raise DemoError(f"sluice errors ended with status {told.returncode}")
    return [json.loads(line) for line in told.stdout.splitlines()]


def sluice(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command. What it says to people goes to the terminal, its JSON comes back.

    Raises TimeoutExpired.
    """
    say(f"$ sluice {' '.join(arguments)}")
    command = [sys.executable, "-m", "sluice_cli", *arguments]
    own = {"SLUICE_URL": env["SLUICE_URL"], "NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK}
    return subprocess.run(
        command,
        env={**os.environ, **own},
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def show_counts(job: Job, figures: DictRow | None) -> None:
    """The job's counts beside those that SQL finds."""
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
    """Some rows, as they are stored."""
    say("\nThree of the rows in Postgres\n")
    for row in rows:
        say(f'  {{"content_hash": "{row["content_hash"]}",\n   "record": {folded(row["record"])}}}')
    if rows and all(identity(row) == row["content_hash"] for row in rows):
        say("\n  Another library's RFC 8785 form of them has the same SHA-256.")


def folded(record: Mapping[str, Any]) -> str:
    """The record as JSON, in lines of a width that can be read."""
    members = (json.dumps({name: record[name]}, ensure_ascii=False)[1:-1] for name in sorted(record))
    lines = [""]
    for member in members:
        if lines[-1] and len(lines[-1]) + len(member) > WIDTH:
            lines.append("")
        lines[-1] += f"{member}, "
    return "{" + f"\n{' ' * 14}".join(line.rstrip() for line in lines).removesuffix(",") + "}"


def show_rejects(rejects: Sequence[Mapping[str, Any]]) -> None:
    """The records that were not loaded."""
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
    """What does not fit together; nothing if all is well."""
    counts = job["counts"]
    if figures is None:
        return ["Postgres has no such job"]
    found = [
        f"the job says {name} {job['counts'][name]:,} and Postgres {figures[name]:,}"
        for name in counts
        if counts[name] != figures[name]
    ]
    if job["status"] != "COMPLETED" or figures["status"] != "COMPLETED":
        found.append(f"the job is {job['status']}, in Postgres {figures['status']}")
    if counts["read"] != counts["inserted"] + counts["duplicates"] + counts["rejected"]:
        found.append("the counts do not add up")
    if len(rejects) != counts["rejected"]:
        found.append(f"{len(rejects)} rejects were listed and {counts['rejected']} counted")
    if figures["bytes"] != FILE.stat().st_size:
        found.append(f"{figures['bytes']} of the file's {FILE.stat().st_size} bytes were read")
    if len(rows) != 3:  # noqa: PLR2004 - three were to be shown
        found.append(f"Postgres holds {len(rows)} of its rows where three were to be shown")
    found += [
        f"row {row['content_hash']} has another hash" for row in rows if identity(row) != row["content_hash"]
    ]
    return found


def identity(row: DictRow) -> str:
    """The hash of a row's record, computed anew by an independent library."""
    return hashlib.sha256(rfc8785.dumps(row["record"])).hexdigest()


def say(text: str) -> None:
    """Show a line now: others write to the same terminal."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
