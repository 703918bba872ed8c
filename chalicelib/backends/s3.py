"""Objects in S3: fills the ports UploadSigner and ObjectStore."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from chalicelib.errors import JobFailed, RetryLater
from chalicelib.model import Source
from chalicelib.ports import SignedUpload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef

_GONE = {"404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound"}
_CHANGED = {"412", "PreconditionFailed"}
_REFUSED = {"403", "AccessDenied", "Forbidden"}


class S3Signer:
    """See :class:`chalicelib.ports.UploadSigner`. ``client`` signs for the address that uploaders reach."""

    def __init__(self, client: "S3Client", bucket: str, *, expires: int) -> None:
        self._client = client
        self._bucket = bucket
        self._expires = expires  # seconds

    def sign(self, key: str, *, size: int | None) -> SignedUpload:
        """See the port."""
        expires_at = datetime.now(UTC) + timedelta(seconds=self._expires)
        params: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        headers = {}
        if size is not None:
            params["ContentLength"] = size  # becomes a signed header: S3 takes a body of that size only
            headers["Content-Length"] = str(size)
        url = self._client.generate_presigned_url("put_object", Params=params, ExpiresIn=self._expires)
        return SignedUpload("PUT", url, headers, expires_at)


class S3Store:
    """See :class:`chalicelib.ports.ObjectStore`."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def pin(self, bucket: str, key: str) -> Source:
        """See the port."""
        with _sorted_errors():
            head = self._client.head_object(Bucket=bucket, Key=key)
        version = head.get("VersionId")
        return Source(
            bucket,
            key,
            head["ETag"].strip('"'),
            head["ContentLength"],
            None if version == "null" else version,
        )

    def read(self, source: Source, start: int, end: int) -> bytes:
        """See the port."""
        request: GetObjectRequestTypeDef = {
            "Bucket": source.bucket,
            "Key": source.key,
            "Range": f"bytes={start}-{end - 1}",
            "IfMatch": f'"{source.etag}"',
        }
        if source.version_id:
            request["VersionId"] = source.version_id
        with _sorted_errors():
            answer = self._client.get_object(**request)
            body = answer["Body"].read()
        if len(body) != end - start:
            raise RetryLater(f"S3 sent {len(body)} of the {end - start} bytes at {start} of {source.key}")
        return body

    def ping(self, bucket: str) -> None:
        """Answers, or raises RetryLater when the bucket cannot be reached."""
        with _sorted_errors():
            self._client.head_bucket(Bucket=bucket)


@contextmanager
def _sorted_errors() -> Iterator[None]:
    """boto3's errors, sorted by what to do."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _GONE:
            raise JobFailed("source-missing", "The uploaded object is no longer there.") from error
        if code in _CHANGED:
            raise JobFailed("source-changed", "The object was replaced while it was being loaded.") from error
        if code in _REFUSED:
            raise JobFailed("source-forbidden", "The service may not read the uploaded object.") from error
        raise RetryLater(f"S3 answered {code}: {error}") from error
    except (BotoCoreError, HTTPClientError) as error:
        raise RetryLater(f"S3 cannot be reached: {error}") from error
