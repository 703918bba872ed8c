"""The job register, as a sweep sees it: fills the port Upkeep."""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.backends.postgres.database import Pool, borrowed, load_queries
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.ports import Unseen

_SQL = load_queries("upkeep.sql")


class PostgresUpkeep:
    """See :class:`chalicelib.core.ports.Upkeep`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def take_turn(self, chore: str, *, seconds: float) -> bool:
        """See the port."""
        with borrowed(self._pool) as connection:
            taken = connection.execute(_SQL["take_turn"], {"chore": chore, "seconds": seconds})
            return taken.rowcount > 0

    def unknown(self, job_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(_SQL["unknown"], {"ids": list(job_ids)})
            return {row["id"] for row in rows}

    def take_unseen(self, *, seconds: float, limit: int) -> Sequence[Unseen]:
        """See the port."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(_SQL["take_unseen"], {"seconds": seconds, "limit": limit})
            return [Unseen(row["id"], row["overdue"]) for row in rows]

    def expire(self, job_id: UUID) -> bool:
        """See the port."""
        move = TRANSITIONS[Action.EXPIRE]
        with borrowed(self._pool) as connection:
            parameters = {"id": job_id, "before": sorted(move.before), "after": move.after}
            return connection.execute(_SQL["expire"], parameters).rowcount > 0

    def take_silent(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        """See the port."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(_SQL["take_silent"], {"seconds": seconds, "limit": limit})
            return [row["id"] for row in rows]

    def purge(self, *, days: int, limit: int) -> int:
        """See the port."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(_SQL["take_old"], {"days": days, "limit": limit})
            ids = [row["id"] for row in rows]
            for step in ("purge_rejects", "purge_ledger", "purged"):
                connection.execute(_SQL[step], {"ids": ids})
            return len(ids)
