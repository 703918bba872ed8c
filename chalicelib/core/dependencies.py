"""What Sluice depends on, and what people are told while one of them does not answer."""

from enum import StrEnum


class Dependency(StrEnum):
    """A service that work on a job may have to wait for."""

    DATABASE = "database"
    STORAGE = "storage"
    QUEUE = "queue"

    @property
    def unavailable(self) -> str:
        """A sentence for people: it does not answer."""
        return _UNAVAILABLE[self]


_UNAVAILABLE = {
    Dependency.DATABASE: "The database does not answer.",
    Dependency.STORAGE: "The bucket does not answer.",
    Dependency.QUEUE: "The queue does not answer.",
}
