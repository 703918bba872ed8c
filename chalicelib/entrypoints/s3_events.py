"""The S3 event handler: objects have arrived in the bucket."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord

from chalicelib.core.model import Source
from chalicelib.service.intake import Intake
from chalicelib.telemetry import Metric, emit_metrics


def handle_s3_event(event: Mapping[str, Any], intake: Intake) -> dict[str, int]:
    """Enqueue the jobs of the objects that arrived; return how many. Raises RetryLater.

    Source of the structure: Amazon S3 User Guide, "Event message structure".
    """
    objects = [_source(record) for record in S3Event(dict(event)).records]
    emit_metrics({Metric.OBJECTS_ARRIVED: len(objects)})
    count = intake.take_in(objects)
    emit_metrics({Metric.JOBS_ENQUEUED: count})
    return {"enqueued": count}


def _source(record: S3EventRecord) -> Source:
    s3_object = record.s3.get_object
    key = unquote_plus(s3_object.key)
    return Source(record.s3.bucket.name, key, s3_object.etag, s3_object.size, s3_object.version_id or None)
