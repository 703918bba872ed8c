"""The bucket and the queues, which exist before the application does, and clients of LocalStack."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from infra.emulator.environment import CREDENTIALS, REGION

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CORSRuleTypeDef
    from types_boto3_sqs import SQSClient

BUCKET = "sluice-uploads"
QUEUE = "sluice-jobs"
DEAD_LETTERS = "sluice-jobs-dlq"
EVENT_DEAD_LETTERS = "sluice-events-dlq"
ACCOUNT = "000000000000"  # LocalStack's
MAX_RECEIVES = 5
VISIBILITY_SECONDS = 60


@dataclass(frozen=True)
class Resources:
    """The addresses of the bucket and the queues."""

    bucket: str
    queue_url: str
    dead_letter_url: str


def s3(endpoint: str) -> "S3Client":
    """Return an S3 client of this LocalStack."""
    return session().client("s3", endpoint_url=endpoint, config=config())


def sqs(endpoint: str) -> "SQSClient":
    """Return an SQS client of this LocalStack."""
    return session().client("sqs", endpoint_url=endpoint, config=config())


def functions(endpoint: str) -> "LambdaClient":
    """Return a Lambda client of this LocalStack."""
    return session().client("lambda", endpoint_url=endpoint, config=config())


def logs(endpoint: str) -> "CloudWatchLogsClient":
    """Return a client of this LocalStack's logs."""
    return session().client("logs", endpoint_url=endpoint, config=config())


def session() -> boto3.session.Session:
    """Return a session with LocalStack's credentials, whatever the user's AWS settings are."""
    return boto3.session.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )


def config() -> Config:
    """Return settings for an endpoint that is reached without the user's proxies."""
    return Config(proxies={}, s3={"addressing_style": "path"})


def outputs() -> dict[str, str]:
    """Return the outputs that `infra/cloudformation` would have, as far as the rights name them."""
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
    return {
        "BucketArn": f"arn:aws:s3:::{BUCKET}",
        "JobsQueueArn": queue + QUEUE,
        "DeadLetterQueueArn": queue + DEAD_LETTERS,
        "EventsDeadLetterQueueArn": queue + EVENT_DEAD_LETTERS,
    }


def cors_rule(origins: Sequence[str]) -> "CORSRuleTypeDef":
    """Return what pages of these origins may do with the bucket. `infra/cloudformation/` has it too."""
    return {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": list(origins),
        "AllowedHeaders": ["content-type", "x-amz-checksum-sha256"],
        "ExposeHeaders": ["ETag", "x-amz-checksum-sha256"],
        "MaxAgeSeconds": 3600,
    }


def ensure(endpoint: str, origins: Sequence[str] = ()) -> Resources:
    """Create the resources that are missing and return all. Existing ones keep their content.

    `origins`: whose pages may use signed URLs of the bucket.
    """
    bucket = s3(endpoint)
    bucket.create_bucket(Bucket=BUCKET)
    if origins:
        bucket.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [cors_rule(origins)]})
    else:
        bucket.delete_bucket_cors(Bucket=BUCKET)
    queues = sqs(endpoint)
    dead_letter_url = queues.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
    queues.create_queue(QueueName=EVENT_DEAD_LETTERS)
    attributes = queues.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": attributes["Attributes"]["QueueArn"],
        "maxReceiveCount": MAX_RECEIVES,
    }
    queue_url = queues.create_queue(QueueName=QUEUE)["QueueUrl"]
    # Not at creation, which refuses a queue that exists with other attributes.
    queues.set_queue_attributes(
        QueueUrl=queue_url,
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    return Resources(BUCKET, queue_url, dead_letter_url)
