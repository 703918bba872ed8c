"""Print summaries, tables and JSON lines. Rich never interprets markup in a text that is printed."""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sluice_cli.api import Page
from sluice_cli.documents.datasets import DatasetOptions
from sluice_cli.documents.jobs import (
    CANCELED,
    COMPLETED,
    EXPIRED,
    FAILED,
    UNDOING,
    UNDONE,
    Counts,
    Job,
    Waiting,
    Warned,
)
from sluice_cli.documents.members import Document, optional_object
from sluice_cli.errors import ApiError, CliError
from sluice_cli.escaping import safe
from sluice_cli.formatting import age, duration, instant, number, shortened, size
from sluice_cli.reading import reading_lines

_COLOURS = {COMPLETED: "green", FAILED: "red", CANCELED: "yellow", EXPIRED: "yellow", UNDONE: "yellow"}
_UNBOUNDED_WIDTH = 100_000  # columns: a pipe or a file has no width
_EXCERPT_LIMIT, _NAME_LIMIT = 120, 60  # characters
_MOST_KINDS = 5  # of rejects in a summary
_LONG_QUEUE = 1.0  # seconds
# Columns of a terminal: fewer leave too little for a file's name beside the id of a job, or for a bar beside
# its figures.
NARROW = 80
_AWAITED = {
    "upload": "the file",
    "worker": "a worker",
    "lease": "a lease to expire",
    "slot": "a worker that is stuck",
    "database": "the database",
    "storage": "the bucket",
    "queue": "the queue",
}


def console(stream: TextIO, *, quiet: bool = False) -> Console:
    """Return a console on ``stream``: colours and motion on a terminal, plain unwrapped lines elsewhere.

    With NO_COLOR a terminal gets no colours and no bold, either. A ``quiet`` one prints nothing.
    """
    terminal = stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    return Console(
        file=stream,
        quiet=quiet,
        force_terminal=terminal,
        color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
        width=None if stream.isatty() else _UNBOUNDED_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_line(out: Console, *spans: str | tuple[str, str]) -> None:
    """Print one line, never wrapped, so that a command in it can be copied. A span may be (text, style)."""
    out.print(Text.assemble(*spans), soft_wrap=True)


def print_error(out: Console, error: CliError) -> None:
    """Print an error: what happened, where, and what to do."""
    print_line(out, ("Error: ", "bold red"), safe(error.message))
    if isinstance(error, ApiError):
        for label, value in (("field", error.field), ("request id", error.request_id)):
            if value:
                print_line(out, (f"  {label}: ", "dim"), value)
    if error.hint:
        print_line(out, error.hint)


def print_document(document: Document) -> None:
    """Print a document on stdout as one line of JSON, in ASCII, so that it cannot drive a terminal either."""
    print_documents([document])


def print_documents(documents: Iterable[Document]) -> None:
    """Print documents as :func:`print_document` does."""
    dumps = json.JSONEncoder(separators=(",", ":")).encode
    text = "".join(f"{dumps(document)}\n" for document in documents)
    click.echo(text.replace("\x7f", "\\u007f"), nl=False)


def reconciliation(counts: Counts) -> str:
    """Return ``read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected``."""
    return (
        f"read {number(counts.read)} {'=' if counts.add_up else '≠'} {number(counts.inserted)} inserted"
        f" + {number(counts.duplicates)} duplicates + {number(counts.rejected)} rejected"
    )


def print_summary(out: Console, job: Job, errors_command: str) -> None:
    """Print how a job ended. ``errors_command`` is the command line that lists its rejects."""
    undone = job.status in (UNDOING, UNDONE)
    took = f" in {_duration_of(job, job.seconds)}" if job.seconds is not None and not undone else ""
    into = "from" if undone else "into"
    print_line(
        out, status(job), f"{took}: {shortened(job.filename, _NAME_LIMIT)} {into} dataset {job.dataset}"
    )
    if job.duplicate_of is not None:
        print_line(
            out,
            f"Job {job.duplicate_of} has loaded the same file; upload it with --force to load it again.",
        )
    if job.undone_rows is not None:
        print_line(out, f"{number(job.undone_rows)} rows removed")
    if job.error is not None:
        print_line(out, (f"{job.error[0]}: ", "bold"), job.error[1])
    if job.counts.read or job.status == COMPLETED:
        print_line(out, reconciliation(job.counts))
    if not job.counts.add_up:
        print_line(out, ("These numbers should add up, and do not: this is a bug of the service.", "red"))
    if job.counts.rejected:
        _print_frequent_rejects(out, job, errors_command)
        if job.rejects_not_stored:
            print_line(
                out,
                f"  {number(job.rejects_not_stored)} of them are counted only: the service stores no more.",
            )
        print_line(out, "See what was rejected and why: ", (errors_command, "bold"))
    for warning in job.warnings:
        print_warning(out, warning)


def _duration_of(job: Job, seconds: float) -> str:
    if job.queue_seconds < _LONG_QUEUE:
        return duration(seconds)
    return f"{duration(seconds)}, {duration(job.queue_seconds)} of it until a worker took it"


def waiting_phrase(waiting: Waiting) -> str:
    """Return what a job waits for, since when, and why."""
    what = _AWAITED.get(waiting.what, waiting.what)
    since = f" since {instant(waiting.since)}" if waiting.since else ""
    return f"waiting for {what}{since}" + (f": {waiting.message}" if waiting.message else "")


def _print_frequent_rejects(out: Console, job: Job, errors_command: str) -> None:
    for kind in job.rejects[:_MOST_KINDS]:
        column = f" in column {shortened(kind.field, _NAME_LIMIT)}" if kind.field else ""
        first = ", ".join(place(row=kind.row, line=kind.line, record=kind.record, offset=kind.offset))
        print_line(
            out,
            f"  {number(kind.count)} ",
            (kind.code, "yellow"),
            f"{column}{first and ', first at '}{first}",
        )
    others = len(job.rejects) - _MOST_KINDS
    if others > 0:
        kinds = "kind" if others == 1 else "kinds"
        print_line(out, f"  and {others} more {kinds}: ", (f"{errors_command} --summary", "bold"))


def print_warning(out: Console, warning: Warned) -> None:
    """Print a warning: its code and sentence, how often, where first, and the option that decides."""
    print_line(out, ("Warning: ", "bold yellow"), (f"{warning.code}: ", "bold"), warning.message)
    details = [
        ("count", number(warning.count)),
        ("first at", ", ".join(place(line=warning.line, record=warning.record, offset=warning.offset))),
        ("example", shortened(warning.example, _EXCERPT_LIMIT) if warning.example else ""),
        ("to decide it", f"-o {warning.option}=…" if warning.option else ""),
    ]
    for label, value in details:
        if value:
            print_line(out, (f"  {label}: ", "dim"), value)


def place(*, row: int | None = None, line: int | None, record: int | None, offset: int | None) -> list[str]:
    """Return a place in a file in words. An offset says most while the line is not known."""
    counted = (("row", row), ("line", line), ("record", record), ("byte", offset if line is None else None))
    return [f"{what} {number(value)}" for what, value in counted if value is not None]


def status(job: Job) -> tuple[str, str]:
    """Return the job's status with its colour."""
    return job.status, _COLOURS.get(job.status, "cyan")


def print_details(out: Console, job: Job, errors_command: str) -> None:
    """Print everything known about a job. ``errors_command`` as for ``print_summary``."""
    rows = [
        ("job", job.id),
        ("file", job.filename + (f" ({size(job.bytes_total)})" if job.bytes_total else "")),
        *reading_lines(optional_object(job.document, "detected")),
        ("dataset", job.dataset),
        ("phase", job.phase if not job.ended else None),
        ("waiting", waiting_phrase(job.waiting) if job.waiting else None),
        ("created", instant(job.created_at) if job.created_at else None),
        ("started", instant(job.started_at) if job.started_at else None),
        ("completed", instant(job.completed_at) if job.completed_at else None),
        ("attempts", str(job.attempts) if job.attempts > 1 else None),
        ("progress", ", ".join(progress_phrases(job)) if not job.ended else None),
    ]
    for label, value in rows:
        if value:
            print_line(out, (f"{label:<10}", "dim"), value)
    print_summary(out, job, errors_command)


def progress_phrases(job: Job) -> list[str]:
    """Return how far a job is: per cent and bytes, then ``pace_phrases``. Unknown figures are left out."""
    if job.status == UNDOING:
        return pace_phrases(job)
    of = f" of {size(job.bytes_total)}" if job.bytes_total else ""
    return [
        *([f"{job.percent:.0f}%"] if job.percent is not None else []),
        f"{size(job.bytes_processed)}{of}",
        *pace_phrases(job),
    ]


def pace_phrases(job: Job) -> list[str]:
    """Return rows, rows/s, time left and rejects, or the rows removed. Unknown figures are left out."""
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
    min_width: int = 0  # of the console; a narrower one does not show the column
    folds: bool = False


_JOB_COLUMNS = (
    _Column("JOB"),
    _Column("STATUS"),
    _Column("DATASET", min_width=100),
    _Column("FILE", folds=True),
    _Column("READ", right=True),
    _Column("INSERTED", right=True, min_width=120),
    _Column("DUPLICATES", right=True, min_width=120),
    _Column("REJECTED", right=True),
    _Column("AGE", right=True, min_width=90),
)


def print_options(out: Console, defaults: DatasetOptions) -> None:
    """Print the default options of a dataset's files, one a line."""
    if not defaults.options:
        print_line(out, f"Dataset {defaults.dataset} has no default options.")
    for name, value in defaults.options.items():
        print_line(out, f"{name} = {value}")


def print_table(
    out: Console,
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    may_stack: bool = True,
) -> None:
    """Print a table. On a terminal that is too narrow for it each row is stacked: a line for each cell.

    If it must not stack, cells are cut where they do not fit. ``numbers``: the titles of columns of figures.
    """
    columns, rows = [_Column(title, right=title in numbers) for title in titles], list(rows)
    table = _table(columns, rows, out.width)
    if may_stack and _is_too_wide(out, table):
        print_stacked(out, titles, rows)
    else:
        _print_table(out, table)


def print_jobs(out: Console, pages: Iterable[Page[Job]]) -> None:
    """Print a table of jobs for each page, so that a long list shows up at once."""
    is_empty = True
    for page in pages:
        if not page.items:
            continue
        is_empty = False
        rows = [_job_row(job) for job in page.items]
        if out.is_terminal and out.width < NARROW:
            print_stacked(out, [column.title for column in _JOB_COLUMNS], rows)
        else:
            _print_table(out, _table(_JOB_COLUMNS, rows, out.width))
    if is_empty:
        print_line(out, "No jobs.")


def _table(columns: Sequence[_Column], rows: Iterable[Sequence[str | tuple[str, str]]], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    shown = [(index, column) for index, column in enumerate(columns) if width >= column.min_width]
    for _, column in shown:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text.assemble(row[index]) for index, _ in shown))
    return table


def _is_too_wide(out: Console, table: Table) -> bool:
    unlimited = out.options.update(max_width=_UNBOUNDED_WIDTH)
    return out.is_terminal and Measurement.get(out, unlimited, table).maximum > out.width


def print_stacked(
    out: Console, titles: Sequence[str], rows: Iterable[Sequence[str | tuple[str, str]]]
) -> None:
    """Print a line for each cell that is not empty, and an empty line after each row."""
    width = max(map(len, titles))
    for row in rows:
        for title, cell in zip(titles, row, strict=True):
            if cell if isinstance(cell, str) else cell[0]:
                print_line(out, (f"{title:<{width}}  ", "dim"), cell)
        print_line(out)


def _print_table(out: Console, table: Table) -> None:
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as capture:
        out.print(table)
    for line in capture.get().splitlines():
        print_line(out, line.rstrip())


def _job_row(job: Job) -> Sequence[str | tuple[str, str]]:
    return (
        job.id,
        status(job),
        job.dataset,
        shortened(job.filename, _NAME_LIMIT),
        number(job.counts.read),
        number(job.counts.inserted),
        number(job.counts.duplicates),
        number(job.counts.rejected),
        age(job.created_at, datetime.now(UTC)) if job.created_at else "",
    )
