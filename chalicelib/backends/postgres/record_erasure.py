"""Erase one person's records: begin and show erasures, and carry them out."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from chalicelib.backends.postgres.audit import note
from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import lock_job
from chalicelib.backends.postgres.mappers import Row, erased_value_columns, erased_value_of, erasure_of
from chalicelib.backends.postgres.rejects_files import withdraw
from chalicelib.core.audit import Actor, Target
from chalicelib.core.erased_values import ERASED, TOLD, ErasedValue, ErasedValues, hmac_pads
from chalicelib.core.erasures import MOST_OPEN, ErasedObject, Erasure, Version
from chalicelib.core.errors import NotPossible
from chalicelib.core.model import Status
from chalicelib.core.tenants import Tenant

_SQL = load_queries("record_erasure.sql")
_ROWS = 10_000  # that are looked at in one transaction
_REJECTS = 1000
_JOBS = 100  # looked up at once
_ERASURES = 100  # that a sweep looks at
_SHOWN = 10  # jobs that an erasure waits for
_WRITABLE = 31 * 24 * 3600.0  # seconds that an object of a new job may be written, with any settings


class PostgresErasures:
    """Implement :class:`chalicelib.service.record_erasure.Erasures`."""

    def __init__(self, pool: Pool, tenant: Tenant, actor: Actor | None = None) -> None:
        self._pool = pool
        self._tenant = tenant
        self._actor = actor

    def begin(
        self, dataset: str, erasure_id: UUID, field: str, texts: Sequence[str], salt: bytes
    ) -> Erasure | None:
        """See the port."""
        names = {"dataset": dataset, "tenant_id": self._tenant.id, "salt": salt}
        with transaction_on(self._pool, self._tenant.id) as connection:
            own = connection.execute(_SQL["count_erasure"], names).fetchone()
            if own is None:
                return None
            if own["open"] >= MOST_OPEN:
                raise NotPossible(
                    f"{MOST_OPEN} erasures of this dataset are not completed: wait until one of them is."
                )
            value = ErasedValue.of(own["erasure_salt"], field, texts)
            columns = {"id": erasure_id, "tenant_id": self._tenant.id, "dataset_id": own["id"]}
            connection.execute(_SQL["begin"], {**columns, **erased_value_columns(value)})
            path = f"datasets/{dataset}/erasures/{erasure_id}"
            note(connection, self._actor, Target(self._tenant.id, path=path))
            return self._show(connection, dataset, erasure_id)

    def get(self, dataset: str, erasure_id: UUID) -> Erasure | None:
        """See the port."""
        with transaction_on(self._pool, self._tenant.id) as connection:
            return self._show(connection, dataset, erasure_id)

    def _show(self, connection: Connection, dataset: str, erasure_id: UUID) -> Erasure | None:
        names = {"id": erasure_id, "dataset": dataset, "tenant_id": self._tenant.id, "limit": _SHOWN}
        row = connection.execute(_SQL["show"], names).fetchone()
        return None if row is None else erasure_of(row)


class PostgresErasedRecords:
    """Implement :class:`chalicelib.service.record_erasure.ErasedRecords`."""

    def __init__(self, pool: Pool, rows: int = _ROWS, rejects: int = _REJECTS) -> None:
        self._pool = pool
        self._rows = rows
        self._rejects = rejects

    def running(self) -> Sequence[UUID]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return [row["id"] for row in connection.execute(_SQL["running"], {"limit": _ERASURES})]

    def erase(self, erasure_id: UUID) -> Iterator[None]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = connection.execute(_SQL["look"], {"id": erasure_id}).fetchone()
        if row is None:  # completed by another sweep
            return
        step = _Step(self._pool, row)
        if row["fenced_at"] is None:
            step.fence()
            yield
        if row["rows_done_at"] is None:
            after = row["after_hash"]
            while (found := step.remove_rows(after, self._rows)) is not None:
                after = found
                yield
        while jobs := step.next_jobs():
            for job_id in jobs:
                while not step.examine(job_id, self._rejects):
                    yield
                yield

    def objects(self, erasure_id: UUID, *, settled: float) -> Sequence[ErasedObject]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(
                _SQL["objects"], {"id": erasure_id, "settled": settled, "limit": _JOBS}
            ).fetchall()
        return [_erased_object_of(row) for row in rows]

    def removed(self, erasure_id: UUID, erased: ErasedObject, count: int) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = lock_job(connection, erased.job_id)
            if row is not None and Status(row["status"]).is_terminal:
                connection.execute(_SQL["removed"], {"id": erasure_id, "job_id": erased.job_id})
                withdraw(connection, erased.job_id, made=True, but=erased.rejects_key)
            if count:
                connection.execute(_SQL["count_objects"], {"id": erasure_id, "count": count})

    def finish(self, erasure_id: UUID, *, settled: float) -> bool:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = connection.execute(_SQL["finish"], {"id": erasure_id, "settled": settled}).fetchone()
            if row is None:
                return False
            connection.execute(_SQL["forget_jobs"], {"erasure": row["number"]})
            return True


class _Step:
    """The steps of one erasure, each a transaction."""

    def __init__(self, pool: Pool, row: Row) -> None:
        self._pool = pool
        self._row = row
        self._erasure = {"erasure": row["number"]}
        self._value = erased_value_of(row)
        self._values = ErasedValues(row["erasure_salt"], [self._value])

    def fence(self) -> None:
        """Wait for blocks that may not know the erasure: none is committed afterwards. Note the jobs."""
        own = {"tenant_id": self._row["tenant_id"], "dataset_id": self._row["dataset_id"]}
        with transaction_on(self._pool) as connection:
            connection.execute(_SQL["wait_for_blocks"], own)
        with transaction_on(self._pool) as connection:
            if connection.execute(_SQL["fence"], self._erasure).rowcount:
                connection.execute(_SQL["list_jobs"], {**self._erasure, **own})

    def remove_rows(self, after: bytes, limit: int) -> bytes | None:
        """Remove rows of a page that hold the value; return the last hash of the page, None behind the last.

        What other sweeps have removed is not counted again.
        """
        inner, outer = hmac_pads(self._row["erasure_salt"])
        parameters = {
            "dataset_id": self._row["dataset_id"],
            "field": self._value.field,
            "hashes": list(self._value.hashes),
            "inner": inner,
            "outer": outer,
            "after": after,
            "limit": limit,
        }
        with transaction_on(self._pool) as connection:
            page = connection.execute(_SQL["page"], parameters).fetchone()
            if page is None or page["last"] is None:
                connection.execute(_SQL["rows_done"], self._erasure)
                return None
            jobs, count = set[tuple[int, int]](), 0
            if page["found"]:
                rows = {"dataset_id": self._row["dataset_id"], "found": page["found"]}
                locked = connection.execute(_SQL["lock_rows"], rows).fetchall()
                jobs = {(row["first_job"], row["last_job"]) for row in locked}
                count = connection.execute(_SQL["remove_rows"], rows).rowcount
                numbers = sorted({number for pair in jobs for number in pair})
                connection.execute(_SQL["mark_jobs"], {**self._erasure, "numbers": numbers})
            is_shared = any(first != last for first, last in jobs)
            noted = {"last": page["last"], "count": count, "is_shared": is_shared}
            connection.execute(_SQL["note_rows"], {**self._erasure, **noted})
            last: bytes = page["last"]
            return last

    def next_jobs(self) -> Sequence[UUID]:
        """Return some jobs that can be examined."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(_SQL["next_jobs"], {**self._erasure, "limit": _JOBS})
            return [row["id"] for row in rows]

    def examine(self, job_id: UUID, limit: int) -> bool:
        """Examine some of what Postgres has of a job; return whether that was all, or it goes on again."""
        job = {**self._erasure, "job_id": job_id}
        with transaction_on(self._pool) as connection:
            row = lock_job(connection, job_id)
            if row is None or _goes_on(row):
                return True
            if self._empty_rejects(connection, job, limit):
                return False
            is_found = self._empty_texts(connection, job)
            facts = {"is_found": is_found, "code": ERASED, "writable": _WRITABLE}
            judged = connection.execute(_SQL["judge"], {**job, **facts}).fetchone()
            if judged is not None and judged["holds"]:
                withdraw(connection, job_id, made=True)
        return True

    def _empty_rejects(self, connection: Connection, job: dict[str, Any], limit: int) -> bool:
        """Empty the next rejects that may hold the value; return whether there were any to look at."""
        rejects = connection.execute(_SQL["rejects"], {**job, "limit": limit}).fetchall()
        if not rejects:
            return False
        found = [it for it in rejects if self._may_be_in(it)]
        told = {"job_id": job["job_id"], "code": ERASED, "told": TOLD}
        for it in found:
            place = {"block_no": it["block_no"], "record": it["record"]}
            connection.execute(_SQL["empty_reject"], {**told, **place})
        last = {"block_no": rejects[-1]["block_no"], "record": rejects[-1]["record"], "count": len(found)}
        connection.execute(_SQL["note_rejects"], {**job, **last})
        connection.execute(_SQL["count_rejects"], {**self._erasure, "count": len(found)})
        return True

    def _may_be_in(self, reject: Row) -> bool:
        return self._values.may_be_in(f"{reject['message']}\n{reject['raw']}", reject["encoding"])

    def _empty_texts(self, connection: Connection, job: dict[str, Any]) -> bool:
        """Remove the other texts of a job that may hold the value; return whether there were any."""
        texts = connection.execute(_SQL["texts"], job).fetchall()
        found = [it for it in texts if self._values.may_be_in(it["text"])]
        for it in found:
            place = {"block_no": it["block_no"], "code": it["code"], "told": TOLD}
            connection.execute(_SQL[f"empty_{it['kind']}"], {**job, **place})
        return bool(found)


def _erased_object_of(row: Row) -> ErasedObject:
    own = None if row["etag"] is None else Version(row["version_id"], row["etag"])
    kept = frozenset(Version(*it) for it in row["kept"])
    return ErasedObject(row["id"], row["tenant"], row["key"], row["fenced_at"], own, kept, row["rejects_key"])


def _goes_on(row: Row) -> bool:
    """Return whether a job's file is there, and it has not ended: it is waited for."""
    if row["status"] == Status.PENDING:
        return row["uploaded_at"] is not None
    return row["status"] in (Status.PROCESSING, Status.PREVIEWED, Status.UNDOING)
