"""Read objects, and sort boto3's errors by what the caller must do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Source

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef, HeadObjectRequestTypeDef

_GONE = {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}
_CHANGED = {"412", "PreconditionFailed", "416", "InvalidRange"}
_REFUSED = {"403", "AccessDenied", "Forbidden"}
# Answers 4xx that are not the object's fault: they pass, or the operator removes their cause.
_PASSING = {
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
_CLIENT_ERRORS = range(400, 500)


class S3Store:
    """Read objects from S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """Return the object, or that version of it, as it is now. Raises JobFailed, RetryLater."""
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
            raise RetryLater(f"S3 sent {len(body)} of the {end - start} bytes at {start} of {source.key}")
        return body

    def ping(self, bucket: str) -> None:
        """Return if the bucket answers. Raises RetryLater."""
        try:
            with object_errors():
                self._client.head_bucket(Bucket=bucket)
        except JobFailed as failure:
            raise RetryLater(f"bucket {bucket}: {failure}") from failure


@contextmanager
def object_errors() -> Iterator[None]:
    """Raise JobFailed for what is wrong with an object, RetryLater for any other error."""
    try:
        with outages():
            yield
    except ClientError as error:
        code = code_of(error)
        if code in _GONE:
            raise JobFailed("source-missing", "The uploaded object is no longer there.") from error
        if code in _CHANGED:
            raise JobFailed("source-changed", "The object was replaced while it was being loaded.") from error
        if code in _REFUSED:
            raise JobFailed("source-forbidden", "The service may not read the uploaded object.") from error
        if code not in _PASSING and error.response["ResponseMetadata"]["HTTPStatusCode"] in _CLIENT_ERRORS:
            # archived, encrypted with a key that only its owner has, …
            raise JobFailed("source-unreadable", f"S3 does not hand out the object ({code}).") from error
        raise RetryLater(f"S3 answered {code}: {error}") from error


@contextmanager
def outages() -> Iterator[None]:
    """Raise RetryLater for a missing or incomplete answer; let S3's own errors through."""
    try:
        yield
    except (BotoCoreError, HTTPClientError) as error:
        raise RetryLater(f"S3 cannot be reached: {error}") from error


def code_of(error: ClientError) -> str:
    """Return S3's code for the error; for a HEAD, whose answer has no body, the HTTP status."""
    return error.response.get("Error", {}).get("Code", "")
