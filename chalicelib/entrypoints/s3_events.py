"""What functions make of their events; HTTP's are :mod:`chalicelib.api`'s."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord

from chalicelib.core.model import Source
from chalicelib.service.intake import announce
from chalicelib.telemetry import Metric, measured
from chalicelib.wiring import Services


def arrived(services: Services, event: Mapping[str, Any]) -> dict[str, int]:
    """Puts the jobs of the objects that arrived on the queue; how many. Raises RetryLater.

    Source of the form: Amazon S3 User Guide, "Event message structure".
    """
    objects = [_object(record) for record in S3Event(dict(event)).records]
    measured({Metric.OBJECTS_ARRIVED: len(objects)})
    announced = announce(objects, services.intake)
    measured({Metric.OBJECTS_ANNOUNCED: announced})
    return {"announced": announced}


def _object(record: S3EventRecord) -> Source:
    stored = record.s3.get_object
    key = unquote_plus(stored.key)
    return Source(record.s3.bucket.name, key, stored.etag, stored.size, stored.version_id or None)
