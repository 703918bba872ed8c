"""What all services have in common: start when needed, wait until they answer, stop."""

import signal
from typing import Protocol

from infra.local import processes
from infra.local.errors import StackError
from infra.local.layout import Layout
from infra.local.processes import Command

BUSY_PATIENCE = 20.0


class Service(Protocol):
    """A process of the stack."""

    name: str
    # How it is asked to end, and how long it may take to start and to end, in seconds.
    stop_signal: signal.Signals
    start_patience: float
    stop_patience: float

    def prepare(self) -> None:
        """Whatever its first start needs on disk. Only called while it does not run."""

    def command(self) -> Command:
        """What to run."""

    def healthy(self) -> bool:
        """Whether it (and not somebody else on its port) answers."""

    def address(self) -> str:
        """Where it answers, for people."""


def begin(layout: Layout, service: Service) -> bool:
    """Start the service unless it runs already, as wanted, and answers; whether it had to be.

    Does not wait for it: see `finish`.
    """
    record = processes.running(layout, service.name)
    as_wanted = record is not None and record.fingerprint == service.command().fingerprint()
    # Patience, because a restart of LocalStack loses what it holds, and it may just be busy.
    if as_wanted and processes.wait_until(service.healthy, BUSY_PATIENCE):
        return False
    end(layout, service)
    service.prepare()
    processes.spawn(layout, service.name, service.command())
    return True


def finish(layout: Layout, service: Service) -> None:
    """Wait until a service that was begun answers. Raises `StackError`; it is stopped then."""
    record = processes.running(layout, service.name)
    answers = processes.wait_until(
        lambda: service.healthy() or not (record and record.alive()), service.start_patience
    )
    if answers and record and record.alive():
        return
    end(layout, service)
    reason = (
        "it ended while starting" if answers else f"it did not answer within {service.start_patience:.0f} s"
    )
    raise StackError(service.name, reason, layout.log(service.name))


def end(layout: Layout, service: Service) -> bool:
    """Stop the service; whether it ran."""
    return processes.stop(layout, service.name, service.stop_signal, service.stop_patience)
