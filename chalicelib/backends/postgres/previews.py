"""Store the previews of jobs, and read them."""

from dataclasses import replace

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import lock_processing_job
from chalicelib.backends.postgres.mappers import preview_column, preview_of, transition_columns
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.preview import Preview

_SQL = load_queries("previews.sql")


class PostgresPreviews:
    """Implement :class:`chalicelib.service.preview.Previews`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def store(self, job: Job, preview: Preview) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            lock_processing_job(connection, job)
            parameters = {"id": job.id, **transition_columns(Action.PREVIEW)}
            if not connection.execute(_SQL["mark_previewed"], parameters).rowcount:
                raise JobEnded(f"job {job.id} is to be loaded by now")
            connection.execute(_SQL["set"], {"id": job.id, "document": preview_column(preview)})


def with_preview(connection: Connection, job: Job) -> Job:
    """Return the job with its preview, if it has one."""
    row = connection.execute(_SQL["select"], {"id": job.id}).fetchone()
    return job if row is None else replace(job, preview=preview_of(row["document"]))
