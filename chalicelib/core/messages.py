"""Messages, as the queue delivers them to a worker."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Delivery:
    """One message, handed to one receiver for a while: its visibility timeout."""

    job_id: UUID
    receipt: str
    deliveries: int  # how often this message was delivered, this time included
