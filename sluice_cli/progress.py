"""How an upload and an ingestion go: moving bars on a terminal, plain lines anywhere else."""

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

from sluice_cli.documents import UNDOING, Job
from sluice_cli.follow import JobWatcher
from sluice_cli.render import measures, pace, say
from sluice_cli.text import duration, safe, shortened, size
from sluice_cli.upload import LocalFile, UploadWatcher

_EVERY = 5.0  # seconds between two plain lines of the same kind
_NAME = 24  # characters


class Reporter(Protocol):
    """Shows what goes on."""

    def upload(self, file: LocalFile, already: int = 0) -> AbstractContextManager[UploadWatcher]:
        """Shows one upload until the context ends; so many bytes have been sent ``already``."""

    def ingestion(self) -> AbstractContextManager[JobWatcher]:
        """Shows one job until the context ends."""


def reporter(out: Console) -> Reporter:
    """The one that fits the console."""
    return Bars(out) if out.is_terminal else Lines(out)


class Lines:
    """Plain lines, few enough for a log."""

    def __init__(self, out: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock

    @contextmanager
    def upload(self, file: LocalFile, already: int = 0) -> Iterator[UploadWatcher]:
        """Says when the upload begins and ends, and how far it is every few seconds."""
        say(self._out, f"uploading {safe(file.name)}, {size(file.size)}")
        begun = self._clock()
        yield _UploadLines(self._out, self._clock, file.size)
        say(self._out, f"uploaded {size(file.size - already)} in {duration(self._clock() - begun)}")

    @contextmanager
    def ingestion(self) -> Iterator[JobWatcher]:
        """Says when the status changes, and how far the job is every few seconds."""
        yield _JobLines(self._out, self._clock)


class _UploadLines:
    def __init__(self, out: Console, clock: Callable[[], float], total: int) -> None:
        self._out, self._clock, self._total = out, clock, total
        self._said_at = clock()

    def sent(self, count: int) -> None:
        if 0 < count < self._total and self._clock() - self._said_at >= _EVERY:
            self._said_at = self._clock()
            say(self._out, f"sent {size(count)} of {size(self._total)}, {100 * count / self._total:.0f}%")

    def note(self, text: str) -> None:
        say(self._out, safe(text))


class _JobLines:
    def __init__(self, out: Console, clock: Callable[[], float]) -> None:
        self._out, self._clock = out, clock
        self._status = ""
        self._said_at = clock()

    def seen(self, job: Job) -> None:
        changed = job.status != self._status
        if job.ended or not (changed or self._clock() - self._said_at >= _EVERY):
            return
        self._status, self._said_at = job.status, self._clock()
        say(self._out, f"{job.status}: {_words(job, measures)}")

    def note(self, text: str) -> None:
        say(self._out, safe(text))


class Bars:
    """Progress bars."""

    def __init__(self, out: Console) -> None:
        self._out = out

    @contextmanager
    def upload(self, file: LocalFile, already: int = 0) -> Iterator[UploadWatcher]:
        """A bar of the bytes sent, with speed and time left."""
        speed = (TransferSpeedColumn(), TimeRemainingColumn(compact=True))
        with Progress(*_columns(), *speed, console=self._out, expand=True) as bars:
            yield _UploadBar(bars, file, already)

    @contextmanager
    def ingestion(self) -> Iterator[JobWatcher]:
        """A bar of the bytes of the file that are loaded; under it rows, rows/s, time left, rejects."""
        with _JobBars(*_columns(), console=self._out, expand=True) as bars:
            yield _JobBar(bars)


class _UploadBar:
    def __init__(self, bars: Progress, file: LocalFile, already: int) -> None:
        self._bars = bars
        name = shortened(safe(file.name), _NAME)
        self._task = bars.add_task(f"upload {name}", total=file.size, completed=already)

    def sent(self, count: int) -> None:
        if count == 0:
            self._bars.reset(self._task)
        self._bars.update(self._task, completed=count)

    def note(self, text: str) -> None:
        say(self._bars.console, safe(text))


class _JobBars(Progress):
    """A bar with a line of words under it."""

    words = Text()

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, then the words."""
        yield from super().get_renderables()
        yield self.words


class _JobBar:
    def __init__(self, bars: _JobBars) -> None:
        self._bars = bars
        self._task = bars.add_task("waiting", total=None)

    def seen(self, job: Job) -> None:
        total = job.bytes_total if job.status != UNDOING else None
        done = total if job.percent == 100 and total else job.bytes_processed  # noqa: PLR2004
        self._bars.update(self._task, description=job.status, completed=done or 0, total=total)
        self._bars.words = Text(_words(job, pace))

    def note(self, text: str) -> None:
        say(self._bars.console, safe(text))


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(None),
        TaskProgressColumn(),
        DownloadColumn(),
    )


def _words(job: Job, figures: Callable[[Job], list[str]]) -> str:
    if job.counts.read or job.undone_rows:
        return ", ".join(figures(job))
    return job.phase or ("" if job.ended else "waiting")
