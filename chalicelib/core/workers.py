"""Workers, as their signs of life show them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chalicelib.core.dependencies import Dependency

_MISSED_SIGNS = 3  # a worker is silent once so many in a row are missing
STUCK_SECONDS = 120.0  # without progress of a slot; a block takes about a second


class WorkerKind(StrEnum):
    """How a worker runs."""

    PROCESS = "process"
    LAMBDA = "lambda"  # it is registered only while it works


class WorkerState(StrEnum):
    """The state of a worker, by its last sign of life."""

    IDLE = "idle"
    WORKING = "working"
    STUCK = "stuck"  # the process lives, and a slot of it has made no progress for STUCK_SECONDS
    SILENT = "silent"  # it is dead, frozen, or cut off from the database


@dataclass(frozen=True)
class SlotWait:
    """A wait of a slot for a dependency, as its worker reports it."""

    dependency: Dependency
    message: str  # a sentence for people
    seconds: float  # so far


@dataclass(frozen=True)
class SlotReport:
    """The work of a slot at a claim, as its worker reports it."""

    job_id: UUID
    owner: str  # as in the lease
    seconds: float  # since it began
    idle_seconds: float  # since the slot last made progress
    wait: SlotWait | None = None


@dataclass(frozen=True)
class SignOfLife:
    """A sign of life of a worker. Its times are ages: the clocks of workers and database may differ."""

    name: str
    kind: WorkerKind
    version: str
    seconds: float  # since the worker started
    interval: float  # seconds until its next sign of life
    slots: int
    jobs: Sequence[SlotReport] = ()


@dataclass(frozen=True)
class Wait:
    """A wait of a slot for a dependency. ``message`` is a sentence for people."""

    dependency: Dependency
    message: str
    since: datetime


@dataclass(frozen=True)
class WorkOnJob:
    """The work of a slot at a claim, as of the worker's last sign of life.

    ``progress_at`` is when the slot last got to a place where it may stop: between blocks and reads.
    """

    job_id: UUID
    owner: str  # as in the lease
    since: datetime
    progress_at: datetime
    wait: Wait | None = None


@dataclass(frozen=True)
class Worker:
    """A worker. Times in seconds are measured by the database's clock."""

    number: int  # numbers the workers in the order in which they were registered
    name: str
    kind: WorkerKind
    version: str
    started_at: datetime
    seen_at: datetime
    unseen_seconds: float = field(compare=False)  # since ``seen_at``
    interval: float  # seconds between its signs of life
    slots: int
    jobs: Sequence[WorkOnJob] = ()

    @property
    def is_silent(self) -> bool:
        """Whether signs of life are missing."""
        return self.unseen_seconds > _MISSED_SIGNS * self.interval

    def is_stuck_at(self, work: WorkOnJob) -> bool:
        """Whether the slot had made no progress for long when the worker was last seen."""
        return (self.seen_at - work.progress_at).total_seconds() > STUCK_SECONDS

    @property
    def state(self) -> WorkerState:
        """The state of the worker; that of its slowest slot."""
        if self.is_silent:
            return WorkerState.SILENT
        if any(map(self.is_stuck_at, self.jobs)):
            return WorkerState.STUCK
        return WorkerState.WORKING if self.jobs else WorkerState.IDLE


@dataclass(frozen=True)
class Hold:
    """A lease on a job or on a range of it, and what is known of its holder."""

    until: datetime
    left: float = field(compare=False)  # seconds until the lease runs out; negative afterwards
    worker: Worker | None  # None: it is not registered
    work: WorkOnJob | None  # None: its last sign of life is from before the claim


@dataclass(frozen=True)
class Holders:
    """Who holds an unfinished job, and whether the database takes changes."""

    holds: Sequence[Hold] = ()
    is_read_only: bool = False
