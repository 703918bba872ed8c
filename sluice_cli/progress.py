"""Show how an upload and a job proceed: moving bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from sluice_cli.documents.jobs import UNDOING, Job, Waiting
from sluice_cli.escaping import safe
from sluice_cli.follow import JobWatcher
from sluice_cli.formatting import duration, shortened, size
from sluice_cli.render import NARROW, pace_phrases, print_line, progress_phrases, waiting_phrase
from sluice_cli.transfer.local_file import LocalFile
from sluice_cli.transfer.put import UploadWatcher

_LINE_INTERVAL = 5.0  # seconds between two plain lines of the same kind
_NAME_LIMIT = 24  # characters
_NARROW_COLUMNS = 3  # description, bar, per cent


class Reporter(Protocol):
    """Make watchers that show progress on a console."""

    def upload(self, file: LocalFile, already_stored: int = 0) -> AbstractContextManager[UploadWatcher]:
        """Show one upload until the context ends. S3 has ``already_stored`` bytes of it."""

    def job(self) -> AbstractContextManager[JobWatcher]:
        """Show one job until the context ends."""


def reporter_for(out: Console) -> Reporter:
    """Return the reporter that fits the console."""
    return BarReporter(out) if out.is_terminal and not out.quiet else LineReporter(out)


class LineReporter:
    """Show progress as plain lines, few enough for a log."""

    def __init__(self, out: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock

    @contextmanager
    def upload(self, file: LocalFile, already_stored: int = 0) -> Iterator[UploadWatcher]:
        """Print when the upload begins and ends, and every few seconds how far it is."""
        print_line(self._out, f"uploading {safe(file.name)}, {size(file.size)}")
        started_at = self._clock()
        yield _UploadLines(self._out, self._clock, file.size)
        print_line(
            self._out,
            f"uploaded {size(file.size - already_stored)} in {duration(self._clock() - started_at)}",
        )

    @contextmanager
    def job(self) -> Iterator[JobWatcher]:
        """Print when the status changes, what the job waits for, and every few seconds how far it is."""
        yield _JobLines(self._out, self._clock)


class _UploadLines:
    def __init__(self, out: Console, clock: Callable[[], float], total: int) -> None:
        self._out, self._clock, self._total = out, clock, total
        self._printed_at = clock()

    def update(self, count: int) -> None:
        if 0 < count < self._total and self._clock() - self._printed_at >= _LINE_INTERVAL:
            self._printed_at = self._clock()
            print_line(
                self._out, f"sent {size(count)} of {size(self._total)}, {100 * count / self._total:.0f}%"
            )

    def note(self, text: str) -> None:
        print_line(self._out, safe(text))


class _JobLines:
    def __init__(self, out: Console, clock: Callable[[], float]) -> None:
        self._out, self._clock = out, clock
        self._state: tuple[str, Waiting | None] = ("", None)
        self._printed_at = clock()

    def update(self, job: Job) -> None:
        state = (job.status, job.waiting)
        is_due = job.waiting is None and self._clock() - self._printed_at >= _LINE_INTERVAL
        if job.ended or not (state != self._state or is_due):
            return
        self._state, self._printed_at = state, self._clock()
        print_line(self._out, f"{job.status}: {_phrases(job, progress_phrases)}")

    def note(self, text: str) -> None:
        print_line(self._out, safe(text))


class BarReporter:
    """Show progress as moving bars."""

    def __init__(self, out: Console) -> None:
        self._out = out

    @contextmanager
    def upload(self, file: LocalFile, already_stored: int = 0) -> Iterator[UploadWatcher]:
        """Show a bar of the bytes sent, with speed and time left."""
        columns = (*_columns(), TransferSpeedColumn(), TimeRemainingColumn(compact=True))
        if self._out.width < NARROW:
            columns = columns[:_NARROW_COLUMNS]  # the others would wrap
        with Progress(*columns, console=self._out, expand=True) as bars:
            yield _UploadBar(bars, file, already_stored)

    @contextmanager
    def job(self) -> Iterator[JobWatcher]:
        """Show a bar of the bytes loaded, and below it rows, rows/s, time left and rejects.

        The bar of a job that waits shows no progress, and what it waits for below it.
        """
        with _JobBars(*_columns(), console=self._out, expand=True) as bars:
            yield _JobBar(bars)


class _UploadBar:
    def __init__(self, bars: Progress, file: LocalFile, already_stored: int) -> None:
        self._bars = bars
        name = shortened(safe(file.name), _NAME_LIMIT)
        self._task = bars.add_task(f"upload {name}", total=file.size, completed=already_stored)

    def update(self, count: int) -> None:
        if count == 0:
            self._bars.reset(self._task)
        self._bars.update(self._task, completed=count)

    def note(self, text: str) -> None:
        print_line(self._bars.console, safe(text))


class _JobBars(Progress):
    """A progress bar with a caption below it."""

    caption = Text()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar, then the caption."""
        yield from super().get_renderables()
        yield self.caption


class _JobBar:
    def __init__(self, bars: _JobBars) -> None:
        self._bars = bars
        self._task = bars.add_task("waiting", total=None)

    def update(self, job: Job) -> None:
        total = job.bytes_total if job.status != UNDOING and job.waiting is None else None
        done = total if job.percent == 100 and total else job.bytes_processed  # noqa: PLR2004
        self._bars.update(self._task, description=job.status, completed=done or 0, total=total)
        self._bars.caption = Text(_phrases(job, pace_phrases))

    def note(self, text: str) -> None:
        print_line(self._bars.console, safe(text))


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(None),
        TaskProgressColumn(),
        DownloadColumn(),
    )


def _phrases(job: Job, figures: Callable[[Job], list[str]]) -> str:
    if job.waiting is not None:
        return waiting_phrase(job.waiting)
    if job.counts.read or job.undone_rows:
        return ", ".join(figures(job))
    return job.phase or ("" if job.ended else "waiting")
