"""Read objects through requests that are signed here: half the CPU of boto3's own requests.

Only what succeeds at once is answered here. Anything else is left to boto3, which knows redirects, retries
and errors.
"""

from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import HTTPError

from chalicelib.backends.s3.signature import Location, signed_headers
from chalicelib.core.model import Source

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_BUCKETS = 64  # whose places are kept
_OK, _NOT_MODIFIED = 200, 304
_CHECKSUM = {"x-amz-checksum-mode": "ENABLED"}
_SIGNED_FOR = ("s3", "aws4_request")  # the end of a signature's scope


class _Place(NamedTuple):
    """Where a bucket is."""

    server: SplitResult
    location: Location


class SignedReads:
    """Read objects that ``client`` may read, by its ``credentials``, over ``http``. Threads may share it."""

    def __init__(self, client: "S3Client", credentials: Credentials, http: PoolManager) -> None:
        self._client = client
        self._credentials = credentials
        self._http = http
        self._place = lru_cache(maxsize=_BUCKETS)(self._find)

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes] | None:
        """Return the object, or the given version of it, with its first ``size`` bytes; None: ask boto3."""
        try:
            with closing(self._get(bucket, key, version_id, {})) as answer:
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
            headers = {"if-none-match": f'"{source.etag}"', "range": "bytes=0-0"}
            with closing(self._get(source.bucket, source.key, None, headers)) as answer:
                answer.drain_conn()
                answer.release_conn()
                return answer.status == _NOT_MODIFIED
        except (BotoCoreError, HTTPError, KeyError, ValueError):
            return False

    def _find(self, bucket: str) -> _Place:
        """Return where the bucket is, as a URL tells that boto3 has signed.

        Raises ValueError if its requests are not signed with version 4 for one region, KeyError.
        """
        url = self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        server = urlsplit(url)
        _, _, region, *rest = parse_qs(server.query)["X-Amz-Credential"][0].rsplit("/", 4)
        if tuple(rest) != _SIGNED_FOR or not server.path.endswith("/k"):
            raise ValueError(f"requests to bucket {bucket} are signed in another way")
        return _Place(server, Location(server.netloc, server.path[:-1], region))

    def _get(
        self, bucket: str, key: str, version_id: str | None, headers: dict[str, str]
    ) -> BaseHTTPResponse:
        server, location = self._place(bucket)
        target = location.target(key, version_id)
        credentials = self._credentials.get_frozen_credentials()
        signed = signed_headers(credentials, location, target, {**_CHECKSUM, **headers}, datetime.now(UTC))
        return self._http.connection_from_host(server.hostname, server.port, server.scheme).urlopen(
            "GET",
            target,
            headers=signed,
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
