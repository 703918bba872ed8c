"""A client of S3 for tests that make buckets of their own."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

_CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 0})


def s3_client(services: Mapping[str, str]) -> Any:
    """Return a client that names buckets in the path and repeats no request."""
    return boto3.client("s3", endpoint_url=services["AWS_ENDPOINT_URL"], config=_CONFIG)


def new_bucket(client: Any, *, keeps_versions: bool = False) -> str:
    """Make a bucket and return its name."""
    name = f"bucket-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    if keeps_versions:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
