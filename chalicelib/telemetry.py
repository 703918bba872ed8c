"""Structured logs, metrics and traces, one of each for the whole process (Powertools for AWS Lambda).

The correlation id is the job's, from its upload to its last block: logs, metrics and traces bear it as
`job_id`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from uuid import UUID

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

SERVICE = "sluice"
NAMESPACE = "Sluice"
_IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

# Chalice has a logger named after the app; one of the same name here would print every line twice.
logger = Logger(service="sluice-service")
# A function has its trace from Lambda. A worker process needs X-Ray's daemon, which this variable leads to.
tracer = Tracer(
    service=SERVICE,
    auto_patch=False,  # threads read ahead and write, and what is called there belongs to no segment
    disabled=None if _IN_LAMBDA or "AWS_XRAY_DAEMON_ADDRESS" in os.environ else True,
)


class Metric(StrEnum):
    """All metrics. `docs/operations.md` says what each counts."""

    UPLOADS_REQUESTED = "UploadsRequested"
    OBJECTS_ARRIVED = "ObjectsArrived"
    OBJECTS_ANNOUNCED = "ObjectsAnnounced"
    JOBS_ANNOUNCED_AGAIN = "JobsAnnouncedAgain"
    OBJECTS_FOUND = "ObjectsFound"
    RECORDS_READ = "RecordsRead"
    ROWS_INSERTED = "RowsInserted"
    ROWS_DUPLICATE = "RowsDuplicate"
    RECORDS_REJECTED = "RecordsRejected"
    BYTES_LOADED = "BytesLoaded"
    BLOCK_TIME = "BlockTime"
    QUEUE_TIME = "QueueTime"
    JOB_TIME = "JobTime"
    JOBS_COMPLETED = "JobsCompleted"
    JOBS_FAILED = "JobsFailed"
    CONTINUATIONS = "Continuations"


_UNITS = {
    Metric.BYTES_LOADED: MetricUnit.Bytes,
    Metric.BLOCK_TIME: MetricUnit.Milliseconds,
    Metric.QUEUE_TIME: MetricUnit.Seconds,
    Metric.JOB_TIME: MetricUnit.Seconds,
}


def measured(values: dict[Metric, float], job_id: UUID | None = None) -> None:
    """Writes the metrics as one line in CloudWatch's embedded metric format. From any thread.

    Source of the format: Amazon CloudWatch User Guide, "Embedded metric format".
    """
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for metric, value in values.items():
        line.add_metric(metric.value, _UNITS.get(metric, MetricUnit.Count), value)
    if job_id is not None:
        line.add_metadata("job_id", str(job_id))
    line.flush_metrics()


@contextmanager
def traced(name: str, **annotations: str) -> Iterator[None]:
    """Part of the work: within a function a part of its trace, in a worker process a trace of its own."""
    if tracer.disabled:
        yield
        return
    from aws_xray_sdk.core import xray_recorder

    section = xray_recorder.in_subsegment if _IN_LAMBDA else xray_recorder.in_segment
    with section(name) as segment:
        for key, value in annotations.items():
            segment.put_annotation(key, value)
        yield
