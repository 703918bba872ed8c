"""An object has arrived in the bucket: its job goes on the queue."""

from collections.abc import Iterable

from chalicelib.flow.keys import job_of
from chalicelib.model import Source
from chalicelib.ports import Jobs, JobSender
from chalicelib.telemetry import logger


def announce(objects: Iterable[Source], *, jobs: Jobs, sender: JobSender) -> int:
    """Queues the job of each object and notes its arrival; returns how many there were.

    Objects that are no upload of ours are logged and left alone. Raises RetryLater; doing it all again
    then does no harm: a message too many changes nothing.
    """
    announced = 0
    for source in objects:
        job_id = job_of(source.key)
        if job_id is None:
            logger.warning(
                "object is not an upload, ignored", extra={"bucket": source.bucket, "key": source.key}
            )
            continue
        # The message first: without it the job would wait for ever; without the note it does not.
        sender.send(job_id)
        known = jobs.mark_uploaded(job_id, source)
        logger.info("object announced", extra={"job_id": str(job_id), "size": source.size, "waiting": known})
        announced += 1
    return announced
