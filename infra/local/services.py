"""The services of the stack: start them if needed, wait until they respond, stop them."""

import signal
from typing import Protocol

from infra.local import processes
from infra.steps.commands import Command
from infra.steps.errors import StepError
from infra.steps.layout import Layout

BUSY_TIMEOUT = 20.0


class Service(Protocol):
    """A long-running process of the stack."""

    name: str
    # The signal that requests its end, and how many seconds its start and its end may take.
    stop_signal: signal.Signals
    start_timeout: float
    stop_timeout: float

    def prepare(self) -> None:
        """Create the files that its start needs. Only called while it does not run."""

    def command(self) -> Command:
        """Return the command to run."""

    def healthy(self) -> bool:
        """Return whether it responds, and not another server on its port."""

    def address(self) -> str:
        """Return its address, for people."""


def begin(layout: Layout, service: Service) -> bool:
    """Start the service, unless it runs with the current command and responds. Return whether it was started.

    `finish` waits for it.
    """
    record = processes.running(layout, service.name)
    current = record is not None and record.fingerprint == service.command().fingerprint()
    # LocalStack may just be busy, and a restart would lose its objects and messages.
    if current and processes.wait_until(service.healthy, BUSY_TIMEOUT):
        return False
    end(layout, service)
    service.prepare()
    processes.spawn(layout, service.name, service.command())
    return True


def finish(layout: Layout, service: Service) -> None:
    """Wait until a service that `begin` started responds. Otherwise stop it and raise `StepError`."""
    record = processes.running(layout, service.name)
    settled = processes.wait_until(
        lambda: service.healthy() or not (record and record.alive()), service.start_timeout
    )
    if settled and record and record.alive():
        return
    end(layout, service)
    reason = (
        "it ended while starting" if settled else f"it did not respond within {service.start_timeout:.0f} s"
    )
    raise StepError(service.name, reason, layout.log(service.name))


def end(layout: Layout, service: Service) -> bool:
    """Stop the service and return whether it ran."""
    return processes.stop(layout, service.name, service.stop_signal, service.stop_timeout)
