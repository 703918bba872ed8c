"""Read objects, and sort boto3's errors by how the caller must react."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from chalicelib.backends.s3.signed_reads import SignedReads
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Source

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        GetObjectRequestTypeDef,
        HeadObjectOutputTypeDef,
        HeadObjectRequestTypeDef,
    )

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
    """Read objects from S3. Implement :class:`chalicelib.reading.object_store.ObjectStore`.

    What ``signed`` cannot answer, or everything without it, is asked by boto3.
    """

    def __init__(self, client: "S3Client", signed: SignedReads | None = None) -> None:
        self._client = client
        self._signed = signed

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        """Return the current object, or the given version of it, and its first ``size`` bytes.

        Raises JobFailed, RetryLater.
        """
        # Without a range: S3 names the checksum of a whole object only. What follows is not received.
        found = self._signed.begin(bucket, key, version_id, size) if self._signed else None
        source, data = found or self._begin(bucket, key, version_id, size)
        if len(data) != min(size, source.size):
            raise RetryLater(
                f"S3 sent {len(data)} of the first {min(size, source.size)} bytes of {key}",
                Dependency.STORAGE,
            )
        return source, data

    def is_current(self, source: Source) -> bool:
        """Return whether the source is the current object of its key. Raises JobFailed, RetryLater."""
        is_unchanged = self._signed is not None and self._signed.is_unchanged(source)
        return is_unchanged or self.pin(source.bucket, source.key).etag == source.etag

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        """Return the current object, or the given version of it. Raises JobFailed, RetryLater."""
        request: HeadObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED"}
        if version_id:
            request["VersionId"] = version_id
        with object_errors():
            head = self._client.head_object(**request)
        return _source(bucket, key, head)

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

    def _begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED"}
        if version_id:
            request["VersionId"] = version_id
        with object_errors():
            answer = self._client.get_object(**request)
            with closing(answer["Body"]) as body:
                return _source(bucket, key, answer), body.read(size)

    def ping(self, bucket: str) -> None:
        """Return if the bucket answers. Raises RetryLater."""
        try:
            with object_errors():
                self._client.head_bucket(Bucket=bucket)
        except JobFailed as failure:
            raise RetryLater(f"bucket {bucket}: {failure}", Dependency.STORAGE) from failure


def _source(bucket: str, key: str, answer: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef") -> Source:
    """Return the object that an answer to a HEAD or a GET is about."""
    version = answer.get("VersionId")
    return Source(
        bucket,
        key,
        answer["ETag"].strip('"'),
        answer["ContentLength"],
        None if version == "null" else version,
        answer.get("ChecksumSHA256"),
        answer["LastModified"],
    )


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
            raise JobFailed("source-unreadable", f"S3 does not return the object ({code}).") from error
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
