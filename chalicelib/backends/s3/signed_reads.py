"""Read objects through URLs that boto3 has signed: half the CPU of boto3's own requests.

Only what succeeds at once is answered here. Anything else is left to boto3, which knows redirects, retries
and errors.
"""

from contextlib import closing
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from botocore.exceptions import BotoCoreError
from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import HTTPError

from chalicelib.core.model import Source

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef

_SECONDS = 3600  # that a URL is valid; one that is not any more is left to boto3
_SIGNED = 256  # URLs that are kept: of the objects that are being read
_OK, _NOT_MODIFIED = 200, 304
_CHECKSUM = {"X-Amz-Checksum-Mode": "ENABLED"}  # part of the signature


class _Address(NamedTuple):
    """A URL in parts: urllib3 takes long to split a signed one, and would do so for each request."""

    server: SplitResult
    target: str


class SignedReads:
    """Read objects that ``client`` may read, over ``http``. Threads may share it."""

    def __init__(self, client: "S3Client", http: PoolManager) -> None:
        self._client = client
        self._http = http
        self._address = lru_cache(maxsize=_SIGNED)(self._sign)

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes] | None:
        """Return the object, or the given version of it, with its first ``size`` bytes; None: ask boto3."""
        try:
            with closing(self._get(self._address(bucket, key, version_id), {})) as answer:
                if answer.status != _OK:
                    return None
                source = _source(bucket, key, answer)
                data = answer.read(size)
                if source.size <= size:
                    answer.release_conn()  # another request may use it
                return source, data
        except (BotoCoreError, HTTPError, KeyError, ValueError):
            return None

    def is_unchanged(self, source: Source) -> bool:
        """Return whether the current object is the source; False: ask boto3."""
        try:
            address = self._address(source.bucket, source.key, None)
            headers = {"If-None-Match": f'"{source.etag}"', "Range": "bytes=0-0"}
            with closing(self._get(address, headers)) as answer:
                answer.drain_conn()
                answer.release_conn()
                return answer.status == _NOT_MODIFIED
        except (BotoCoreError, HTTPError):
            return False

    def _sign(self, bucket: str, key: str, version_id: str | None) -> _Address:
        request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED"}
        if version_id:
            request["VersionId"] = version_id
        url = self._client.generate_presigned_url("get_object", Params=request, ExpiresIn=_SECONDS)
        server = urlsplit(url)
        return _Address(server, f"{server.path}?{server.query}")

    def _get(self, address: _Address, headers: dict[str, str]) -> BaseHTTPResponse:
        server = address.server
        return self._http.connection_from_host(server.hostname, server.port, server.scheme).urlopen(
            "GET",
            address.target,
            headers={**_CHECKSUM, **headers},
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )


def _source(bucket: str, key: str, answer: BaseHTTPResponse) -> Source:
    headers = answer.headers
    version = headers.get("X-Amz-Version-Id")
    return Source(
        bucket,
        key,
        headers["ETag"].strip('"'),
        int(headers["Content-Length"]),
        None if version == "null" else version,
        headers.get("X-Amz-Checksum-Sha256"),
        parsedate_to_datetime(headers["Last-Modified"]),
    )
