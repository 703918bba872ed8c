"""What lives in AWS before the application does: the bucket and the queues."""

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from infra.local.environment import CREDENTIALS, REGION

BUCKET = "sluice-uploads"
QUEUE = "sluice-jobs"
DEAD_LETTERS = "sluice-jobs-dlq"
MAX_RECEIVES = 5
VISIBILITY_SECONDS = 60


@dataclass(frozen=True)
class Resources:
    """Where they are."""

    bucket: str
    queue_url: str
    dead_letter_url: str


def client(service: str, endpoint: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
    """A client of this LocalStack, whatever AWS or proxy settings the user has."""
    config = Config(
        proxies={}, s3={"addressing_style": "path"}, retries={"max_attempts": 3, "mode": "standard"}
    )
    return boto3.session.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    ).client(service, endpoint_url=endpoint, config=config)


def ensure(endpoint: str) -> Resources:
    """Create what is missing. Existing things, and what is in them, stay."""
    client("s3", endpoint).create_bucket(Bucket=BUCKET)
    sqs = client("sqs", endpoint)
    dead_letter_url = sqs.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": told["Attributes"]["QueueArn"],
        "maxReceiveCount": MAX_RECEIVES,
    }
    queue_url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    # Apart from the creation, which refuses a queue that exists with other attributes.
    sqs.set_queue_attributes(
        QueueUrl=queue_url,
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    return Resources(BUCKET, queue_url, dead_letter_url)
