"""Read objects, and sort boto3's errors by how the caller must react."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Source

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef, HeadObjectRequestTypeDef

_MISSING_CODES = {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}
_CHANGED_CODES = {"412", "PreconditionFailed", "416", "InvalidRange"}
_FORBIDDEN_CODES = {"403", "AccessDenied", "Forbidden"}
# Answers 4xx with another cause than the object: they pass, or the operator removes the cause.
_RETRYABLE_CODES = {
    "408",
    "429",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
    "RequestExpired",
    "NoSuchBucket",
    "OperationAborted",
}
_CLIENT_ERROR_STATUSES = range(400, 500)


class S3Store:
    """Read objects from S3. Implement :class:`chalicelib.reading.object_store.ObjectStore`."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """Return the current object, or the given version of it. Raises JobFailed, RetryLater."""
        request: HeadObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED"}
        if version_id:
            request["VersionId"] = version_id
        with object_errors():
            head = self._client.head_object(**request)
        version = head.get("VersionId")
        return Source(
            bucket,
            key,
            head["ETag"].strip('"'),
            head["ContentLength"],
            None if version == "null" else version,
            head.get("ChecksumSHA256"),
            head["LastModified"],
        )

    def read(self, source: Source, start: int, end: int) -> bytes:
        """Return bytes ``[start, end)`` of exactly that object. Raises JobFailed, RetryLater."""
        request: GetObjectRequestTypeDef = {
            "Bucket": source.bucket,
            "Key": source.key,
            "Range": f"bytes={start}-{end - 1}",
            "IfMatch": f'"{source.etag}"',
        }
        if source.version_id:
            request["VersionId"] = source.version_id
        with object_errors():
            answer = self._client.get_object(**request)
            body = answer["Body"].read()
        if len(body) != end - start:
            raise RetryLater(
                f"S3 sent {len(body)} of the {end - start} bytes at {start} of {source.key}",
                Dependency.STORAGE,
            )
        return body

    def ping(self, bucket: str) -> None:
        """Return if the bucket answers. Raises RetryLater."""
        try:
            with object_errors():
                self._client.head_bucket(Bucket=bucket)
        except JobFailed as failure:
            raise RetryLater(f"bucket {bucket}: {failure}", Dependency.STORAGE) from failure


@contextmanager
def object_errors() -> Iterator[None]:
    """Raise JobFailed for an error about the object, RetryLater for any other error."""
    try:
        with outages():
            yield
    except ClientError as error:
        code = code_of(error)
        if code in _MISSING_CODES:
            raise JobFailed("source-missing", "The uploaded object is no longer there.") from error
        if code in _CHANGED_CODES:
            raise JobFailed("source-changed", "The object was replaced while it was being loaded.") from error
        if code in _FORBIDDEN_CODES:
            raise JobFailed("source-forbidden", "The service may not read the uploaded object.") from error
        if not may_succeed_later(error):
            # archived, encrypted with a key that only its owner has, …
            raise JobFailed("source-unreadable", f"S3 does not hand out the object ({code}).") from error
        raise RetryLater(f"S3 answered {code}: {error}", Dependency.STORAGE) from error


def may_succeed_later(error: ClientError) -> bool:
    """Return whether the same request may succeed later."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return code_of(error) in _RETRYABLE_CODES or status not in _CLIENT_ERROR_STATUSES


@contextmanager
def outages() -> Iterator[None]:
    """Raise RetryLater for a missing or incomplete answer; let S3's own errors through."""
    try:
        yield
    except (BotoCoreError, HTTPClientError) as error:
        raise RetryLater(f"S3 cannot be reached: {error}", Dependency.STORAGE) from error


def code_of(error: ClientError) -> str:
    """Return S3's code for the error; for a HEAD, whose answer has no body, the HTTP status."""
    return error.response.get("Error", {}).get("Code", "")
