"""Actions that a client takes on a job: cancel, load, retry, undo."""

from contextlib import suppress
from uuid import UUID

from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.jobs import Changes, Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from chalicelib.service.intake import Intake
from chalicelib.service.multipart import MultipartUploads
from chalicelib.service.queue import JobSender
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import logger


class JobActions:
    """Take actions on jobs, with their consequences outside the job register."""

    def __init__(
        self, jobs: JobRegister, multipart: MultipartUploads, sender: JobSender, intake: Intake
    ) -> None:
        self._jobs = jobs
        self._multipart = multipart
        self._sender = sender
        self._intake = intake

    def act(self, job_id: UUID, action: Action) -> Job | None:
        """Take the action and return the changed job; None if the id is unknown.

        Raises NotPossible, and RetryLater if nothing has changed.
        """
        return self._followed_up(self._jobs.act(job_id, action), action)

    def reread(self, job_id: UUID, changes: Changes) -> Job | None:
        """Retry the job with changed instructions, and return it; None if the id is unknown.

        What it has loaded is undone first. Raises NotPossible, InvalidRequest, and RetryLater if nothing has
        changed.
        """
        return self._followed_up(self._jobs.reread(job_id, changes), Action.RETRY)

    def load(self, job_id: UUID, changes: Changes | None) -> Job | None:
        """Load the job after its preview, and return it; None if the id is unknown.

        Raises as :meth:`reread` does.
        """
        return self._followed_up(self._jobs.load(job_id, changes), Action.LOAD)

    def _followed_up(self, job: Job | None, action: Action) -> Job | None:
        if job is None:
            return None
        logger.info(
            "job status changed", extra={"job_id": str(job.id), "action": action, "status": job.status}
        )
        try:
            self._follow_up(job)
        except RetryLater:  # a sweep enqueues the job, and the bucket's lifecycle rule removes its parts
            logger.exception("job status changed, follow-up failed", extra={"job_id": str(job.id)})
        return job

    def _follow_up(self, job: Job) -> None:
        """Abort the upload, enqueue the job, or look for its file. Raises RetryLater."""
        if job.status is Status.CANCELED and job.upload.upload_id and job.upload.arrived_at is None:
            self._multipart.abort(job.upload.key, job.upload.upload_id)
        elif not job.status.is_terminal and job.upload.arrived_at is not None:
            self._sender.send(job.id)
        elif job.status is Status.PENDING:
            with suppress(JobFailed):  # the file has not arrived: its event will enqueue the job
                self._intake.find_object(job)
