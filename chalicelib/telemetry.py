"""Structured logs, metrics and traces, one of each for the whole process (Powertools for AWS Lambda).

The correlation id is the job's id, from its upload to its last block: `job_id` in logs, metrics and traces.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer

_SERVICE = "sluice"
_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Sluice")
_IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

# Chalice's logger, which is named after the app, is the same one: `app.py` leaves it to this module.
logger = Logger(service=_SERVICE)


class Metric(StrEnum):
    """All metrics. `docs/how-to/watch-it.md` defines them."""

    UPLOADS_REQUESTED = "UploadsRequested"
    OBJECTS_ARRIVED = "ObjectsArrived"
    JOBS_ENQUEUED = "JobsEnqueued"
    JOBS_REQUEUED = "JobsRequeued"
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
    Metric.BYTES_LOADED: "Bytes",
    Metric.BLOCK_TIME: "Milliseconds",
    Metric.QUEUE_TIME: "Seconds",
    Metric.JOB_TIME: "Seconds",
}


def emit_metrics(values: dict[Metric, float], job_id: UUID | None = None) -> None:
    """Write the metrics as one line in CloudWatch's embedded metric format. Thread-safe.

    Source of the format: Amazon CloudWatch User Guide, "Embedded metric format".
    """
    told = [{"Name": metric, "Unit": _UNITS.get(metric, "Count")} for metric in values]
    kind = {"Namespace": _NAMESPACE, "Dimensions": [["service"]], "Metrics": told}
    line: dict[str, Any] = {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [kind]},
        "service": _SERVICE,
        **({} if job_id is None else {"job_id": str(job_id)}),
        **{metric: [value] for metric, value in values.items()},
    }
    # in one write: another thread's line may come between two
    sys.stdout.write(f"{json.dumps(line, separators=(',', ':'))}\n")


@contextmanager
def trace_section(name: str, **annotations: str) -> Iterator[None]:
    """Trace a section of the work: a subsegment within a function, a segment in a worker process."""
    if not _is_sampled():
        yield
        return
    from aws_xray_sdk.core import xray_recorder

    section = xray_recorder.in_subsegment if _IN_LAMBDA else xray_recorder.in_segment
    with section(name) as segment:
        for key, value in annotations.items():
            segment.put_annotation(key, value)
        yield


def trace_handler(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function's handler, with a segment in the trace if X-Ray samples this invocation."""
    if not _is_sampled():
        return handler
    # responses hold customers' data
    wrapped: Callable[..., Any] = _tracer().capture_lambda_handler(handler, capture_response=False)
    return wrapped


def _is_sampled() -> bool:
    """Return whether to trace: X-Ray's header says so for an invocation; a worker needs its daemon.

    Source: AWS X-Ray Developer Guide, "Tracing header".
    """
    if _IN_LAMBDA:
        return "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", "")
    return "AWS_XRAY_DAEMON_ADDRESS" in os.environ


@cache
def _tracer() -> "Tracer":
    from aws_lambda_powertools import Tracer  # with X-Ray's library, a fifth of a cold start

    # not patched: threads read ahead and write, outside of any segment
    return Tracer(service=_SERVICE, auto_patch=False, disabled=False)
