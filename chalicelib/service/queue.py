"""The ports of the job queue. A message is a job's id, and is delivered at least once."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chalicelib.core.messages import Delivery


class JobSender(Protocol):
    """Enqueue jobs."""

    def send(self, job_id: UUID, *, copies: int = 1) -> None:
        """Enqueue ``copies`` messages, so that as many workers may look at the job. Raises RetryLater."""

    def ping(self) -> None:
        """Return if the queue answers. Raises RetryLater."""


class JobReceiver(Protocol):
    """Take messages off the queue. A message that is not acknowledged in time is redelivered."""

    max_deliveries: int  # after that many, the queue moves a message to its dead letters

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        """Return up to ``limit`` messages; wait up to ``wait_seconds`` for the first. Raises RetryLater.

        A message that is not a job's id goes to the dead letters.
        """

    def acknowledge(self, *deliveries: Delivery) -> None:
        """Remove the messages: their work is done, or not needed. Raises RetryLater."""

    def extend(self, delivery: Delivery) -> None:
        """Restart the visibility timeout. Raises RetryLater."""

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """Give the message back, to be redelivered after the delay. Raises RetryLater."""

    def close(self) -> None:
        """Leave the queue. Raises RetryLater."""
