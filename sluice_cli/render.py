"""What is printed: summaries, tables, JSON lines. No markup is ever read from a text that is printed."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sluice_cli.api import Page
from sluice_cli.documents import (
    CANCELED,
    COMPLETED,
    EXPIRED,
    FAILED,
    UNDOING,
    UNDONE,
    Counts,
    Document,
    Job,
    Reject,
)
from sluice_cli.errors import ApiError, CliError
from sluice_cli.text import age, duration, instant, number, safe, shortened, size

_COLOURS = {COMPLETED: "green", FAILED: "red", CANCELED: "yellow", EXPIRED: "yellow", UNDONE: "yellow"}
_UNBOUNDED = 100_000  # columns: a pipe or a file has no width
_EXCERPT, _NAME = 120, 60  # characters

_T = TypeVar("_T")


def console(stream: TextIO) -> Console:
    """A console on ``stream``: colours and motion on a terminal; anywhere else plain, unwrapped lines."""
    terminal = stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    return Console(
        file=stream,
        force_terminal=terminal,
        no_color=None if terminal else True,
        width=None if stream.isatty() else _UNBOUNDED,
        markup=False,
        emoji=False,
        highlight=False,
    )


def say(out: Console, *parts: str | tuple[str, str]) -> None:
    """One line, never broken: what is in it may be meant for copying. Parts may carry a style."""
    out.print(Text.assemble(*parts), soft_wrap=True)


def problem(out: Console, error: CliError) -> None:
    """An error: what, where, and what to do."""
    say(out, ("Error: ", "bold red"), safe(error.message))
    if isinstance(error, ApiError):
        for label, value in (("field", error.field), ("request id", error.request_id)):
            if value:
                say(out, (f"  {label}: ", "dim"), value)
    if error.hint:
        say(out, error.hint)


def document(found: Document) -> None:
    """A document as one line of JSON on stdout, in ASCII, so that it too can do nothing to a terminal."""
    click.echo(json.dumps(found, separators=(",", ":")).replace("\x7f", "\\u007f"))


def reconciliation(counts: Counts) -> str:
    """``read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected``."""
    return (
        f"read {number(counts.read)} {'=' if counts.add_up else '≠'} {number(counts.inserted)} inserted"
        f" + {number(counts.duplicates)} duplicates + {number(counts.rejected)} rejected"
    )


def summary(out: Console, job: Job, see_rejects: str) -> None:
    """How a job ended. ``see_rejects`` is the command that lists its rejected records."""
    undone = job.status in (UNDOING, UNDONE)
    took = f" in {duration(job.seconds)}" if job.seconds is not None and not undone else ""
    into = "from" if undone else "into"
    say(out, status(job), f"{took}: {shortened(job.filename, _NAME)} {into} dataset {job.dataset}")
    if job.duplicate_of is not None:
        say(
            out,
            f"Job {job.duplicate_of} had loaded the same file; upload with --force loads it all the same.",
        )
    if job.undone_rows is not None:
        say(out, f"{number(job.undone_rows)} rows removed")
    if job.error is not None:
        say(out, (f"{job.error[0]}: ", "bold"), job.error[1])
    if job.counts.read or job.status == COMPLETED:
        say(out, reconciliation(job.counts))
    if not job.counts.add_up:
        say(out, ("These numbers should add up, and do not: this is a bug of the service.", "red"))
    if job.counts.rejected:
        say(out, "See what was rejected and why: ", (see_rejects, "bold"))


def status(job: Job) -> tuple[str, str]:
    """The job's status in its colour."""
    return job.status, _COLOURS.get(job.status, "cyan")


def details(out: Console, job: Job, see_rejects: str) -> None:
    """All that is known of a job."""
    rows = [
        ("job", job.id),
        ("file", job.filename + (f" ({size(job.bytes_total)})" if job.bytes_total else "")),
        ("format", job.format),
        ("dataset", job.dataset),
        ("phase", job.phase if not job.ended else None),
        ("created", instant(job.created_at) if job.created_at else None),
        ("started", instant(job.started_at) if job.started_at else None),
        ("completed", instant(job.completed_at) if job.completed_at else None),
        ("attempts", str(job.attempts) if job.attempts > 1 else None),
        ("progress", ", ".join(measures(job)) if not job.ended else None),
    ]
    for label, value in rows:
        if value:
            say(out, (f"{label:<10}", "dim"), value)
    summary(out, job, see_rejects)


def measures(job: Job) -> list[str]:
    """How far a job is, in words; what is not known is left out."""
    if job.status == UNDOING:
        return pace(job)
    of = f" of {size(job.bytes_total)}" if job.bytes_total else ""
    return [
        *([f"{job.percent:.0f}%"] if job.percent is not None else []),
        f"{size(job.bytes_processed)}{of}",
        *pace(job),
    ]


def pace(job: Job) -> list[str]:
    """Rows, rows/s, time left, rejects, or rows removed; what is not known is left out."""
    if job.status == UNDOING:
        return [f"{number(job.undone_rows or 0)} rows removed"]
    left = job.eta_seconds if not job.ended else None
    return [
        f"{number(job.counts.read)} rows",
        *([f"{number(job.rows_per_second)} rows/s"] if job.rows_per_second else []),
        *([f"{duration(left)} left"] if left is not None else []),
        *([f"{number(job.counts.rejected)} rejected"] if job.counts.rejected else []),
    ]


@dataclass(frozen=True)
class _Column:
    title: str
    right: bool = False
    from_width: int = 0  # of the console; a narrower one goes without the column
    folds: bool = False


_JOB_COLUMNS = (
    _Column("JOB"),
    _Column("STATUS"),
    _Column("DATASET", from_width=100),
    _Column("FILE", folds=True),
    _Column("READ", right=True),
    _Column("INSERTED", right=True, from_width=120),
    _Column("DUPLICATES", right=True, from_width=120),
    _Column("REJECTED", right=True),
    _Column("AGE", right=True, from_width=90),
)
_REJECT_COLUMNS = (
    _Column("RECORD", right=True),
    _Column("BYTE", right=True),
    _Column("FIELD", folds=True),
    _Column("CODE"),
    _Column("MESSAGE", folds=True),
    _Column("EXCERPT", from_width=70, folds=True),
)


def jobs(out: Console, found: Iterable[Page[Job]]) -> None:
    """A table of jobs."""
    _tables(out, _JOB_COLUMNS, found, _job_row, "No jobs.")


def rejects(out: Console, found: Iterable[Page[Reject]], see_all: str) -> None:
    """A table of rejected records. ``see_all`` is the command that lists those that are left out."""
    if _tables(out, _REJECT_COLUMNS, found, _reject_row, "No rejected records."):
        say(out, "There are more: ", (see_all, "bold"))


def _tables(
    out: Console,
    columns: Sequence[_Column],
    pages: Iterable[Page[_T]],
    cells: Callable[[_T], Sequence[str | tuple[str, str]]],
    nothing: str,
) -> bool:
    """A table for each page, so that a long list is neither held nor waited for; whether more is left."""
    page: Page[_T] = Page([], more=False)
    empty = True
    for page in pages:
        if page.items:
            empty = False
            _print_table(out, _table(columns, [cells(item) for item in page.items], out.width))
    if empty:
        say(out, nothing)
    return page.more


def _table(columns: Sequence[_Column], rows: Iterable[Sequence[str | tuple[str, str]]], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    shown = [(at, column) for at, column in enumerate(columns) if width >= column.from_width]
    for _, column in shown:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text.assemble(row[at]) for at, _ in shown))
    return table


def _print_table(out: Console, table: Table) -> None:
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as drawn:
        out.print(table)
    for line in drawn.get().splitlines():
        say(out, line.rstrip())


def _job_row(job: Job) -> Sequence[str | tuple[str, str]]:
    return (
        job.id,
        status(job),
        job.dataset,
        shortened(job.filename, _NAME),
        number(job.counts.read),
        number(job.counts.inserted),
        number(job.counts.duplicates),
        number(job.counts.rejected),
        age(job.created_at, datetime.now(UTC)) if job.created_at else "",
    )


def _reject_row(reject: Reject) -> Sequence[str | tuple[str, str]]:
    return (
        number(reject.record_number) if reject.record_number is not None else "?",
        number(reject.byte_offset) if reject.byte_offset is not None else "?",
        reject.field or "",
        (reject.code, "yellow"),
        reject.message,
        (shortened(reject.raw, _EXCERPT), "dim"),
    )
