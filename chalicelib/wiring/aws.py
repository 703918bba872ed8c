"""boto3 clients."""

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient


def s3_client(endpoint: str | None) -> "S3Client":
    """Return a client for S3, or for the emulator at ``endpoint``."""
    # An emulator's bucket has no host name of its own.
    style: Any = {"addressing_style": "path"} if endpoint else {}
    config = Config(signature_version="s3v4", s3=style, read_timeout=15)
    return boto3.client("s3", endpoint_url=endpoint, config=_config().merge(config))


def sqs_client(endpoint: str | None) -> "SQSClient":
    """Return a client for SQS, or for the emulator at ``endpoint``."""
    return boto3.client("sqs", endpoint_url=endpoint, config=_config())


def _config() -> Config:
    # A response that stalls for longer has broken off. SQS's longest poll is 20 s.
    return Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)
