"""Find and take the jobs that a sweep should look at, and purge jobs whose retention has ended."""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.backends.postgres.database import Pool, load_queries, transaction_on
from chalicelib.backends.postgres.mappers import transition_columns
from chalicelib.backends.postgres.rejects_files import forget_file, purged_files, take_silent_files
from chalicelib.backends.postgres.workers import forget_workers
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.sweeping import UnseenJob

_SQL = load_queries("upkeep.sql")


class PostgresUpkeep:
    """Implement :class:`chalicelib.service.sweep.Upkeep`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def take_turn(self, task: str, *, seconds: float) -> bool:
        """See the port."""
        with transaction_on(self._pool) as connection:
            cursor = connection.execute(_SQL["take_turn"], {"task": task, "seconds": seconds})
            return cursor.rowcount > 0

    def unknown_ids(self, job_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(_SQL["unknown_ids"], {"ids": list(job_ids)})
            return {row["id"] for row in rows}

    def take_unseen(self, *, seconds: float, limit: int) -> Sequence[UnseenJob]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(_SQL["take_unseen"], {"seconds": seconds, "limit": limit})
            return [UnseenJob(row["id"], row["overdue"]) for row in rows]

    def expire(self, job_id: UUID) -> bool:
        """See the port."""
        parameters = {"id": job_id, **transition_columns(Action.EXPIRE)}
        with transaction_on(self._pool) as connection:
            return connection.execute(_SQL["expire"], parameters).rowcount > 0

    def expire_previewed(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        """See the port."""
        parameters = {"seconds": seconds, "limit": limit, "after": TRANSITIONS[Action.EXPIRE].after}
        with transaction_on(self._pool) as connection:
            return [row["id"] for row in connection.execute(_SQL["expire_previewed"], parameters)]

    def take_silent(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(_SQL["take_silent"], {"seconds": seconds, "limit": limit})
            files = take_silent_files(connection, seconds=seconds, limit=limit)
            return [*(row["id"] for row in rows), *files]

    def purged_rejects_files(self, *, limit: int) -> Sequence[tuple[UUID, str]]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return purged_files(connection, limit=limit)

    def forget_rejects_file(self, job_id: UUID) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            forget_file(connection, job_id)

    def forget_workers(self, *, seconds: float) -> int:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return forget_workers(connection, seconds=seconds)

    def forget_upload_tokens(self) -> int:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return connection.execute(_SQL["forget_upload_tokens"]).rowcount

    def forget_audit_events(self, *, limit: int) -> int:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = connection.execute(_SQL["forget_audit_events"], {"limit": limit}).fetchone()
            return 0 if row is None else int(row["count"])

    def purge(self, *, days: int, limit: int) -> int:
        """See the port."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(_SQL["take_old"], {"days": days, "limit": limit})
            ids = [row["id"] for row in rows]
            for statement in (
                "purge_rejects",
                "purge_warnings",
                "purge_reject_counts",
                "purge_previews",
                "purge_ledger",
                "mark_purged",
            ):
                connection.execute(_SQL[statement], {"ids": ids})
            return len(ids)
