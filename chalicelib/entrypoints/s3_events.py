"""The S3 event handler: objects have arrived in the bucket."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord

from chalicelib.core.model import Source
from chalicelib.service.intake import Intake
from chalicelib.telemetry import Metric, measured


def handle_s3_event(event: Mapping[str, Any], intake: Intake) -> dict[str, int]:
    """Enqueue the jobs of the objects that arrived; return how many. Raises RetryLater.

    Source of the form: Amazon S3 User Guide, "Event message structure".
    """
    objects = [_source(record) for record in S3Event(dict(event)).records]
    measured({Metric.OBJECTS_ARRIVED: len(objects)})
    enqueued = intake.take_in(objects)
    measured({Metric.OBJECTS_ANNOUNCED: enqueued})
    return {"announced": enqueued}


def _source(record: S3EventRecord) -> Source:
    stored = record.s3.get_object
    key = unquote_plus(stored.key)
    return Source(record.s3.bucket.name, key, stored.etag, stored.size, stored.version_id or None)
