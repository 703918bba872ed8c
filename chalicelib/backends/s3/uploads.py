"""Presigned URLs for objects and for parts of them, and the bucket that they are in.

The rules of multipart uploads are those of the Amazon S3 User Guide, "Uploading and copying objects using
multipart upload", and of its API Reference.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from chalicelib.backends.s3.objects import code_of, may_succeed_later, outages
from chalicelib.core.dependencies import Dependency
from chalicelib.core.erasures import ErasedObject, Version
from chalicelib.core.errors import NotPossible, RetryLater
from chalicelib.core.jobs import Part
from chalicelib.core.model import Source
from chalicelib.core.uploads import SignedDownload, SignedUpload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        DeleteMarkerEntryTypeDef,
        ObjectIdentifierTypeDef,
        ObjectVersionTypeDef,
        PartTypeDef,
    )

_DOWNLOAD_SECONDS = 300  # that a URL of a download works
_MOST_REMOVED = 1000  # versions, in one request
_ENDED_CODES = {"NoSuchUpload", "404"}
# Of an upload of Sluice's own. The sizes suffice for 570 GB.
_PART, _LARGE_PART = 8 << 20, 64 << 20  # bytes
_SMALL_PARTS = 1000  # parts before the large ones
_INVALID_PARTS_CODES = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest", "InvalidRequest"}


class S3Signer:
    """Implement `service.uploads.UploadSigner`, `service.multipart.PartSigner` and `DownloadSigner`.

    ``client`` signs for the address that clients reach; ``expires`` is in seconds.
    """

    def __init__(self, client: "S3Client", bucket: str, *, expires: int) -> None:
        self._client = client
        self._bucket = bucket
        self._expires = expires

    def sign(self, key: str, *, size: int | None, sha256: str | None) -> SignedUpload:
        """Return a URL to PUT the object at ``key``, of that size in bytes, that SHA-256 in hexadecimal."""
        return self._sign_put("put_object", {"Key": key}, size, sha256)

    def sign_part(self, key: str, upload_id: str, part: Part) -> SignedUpload:
        """Return a URL to PUT that part of the object at ``key``: of its size and its SHA-256, if any."""
        target = {"Key": key, "UploadId": upload_id, "PartNumber": part.number}
        return self._sign_put("upload_part", target, part.size, part.sha256)

    def sign_download(self, key: str, *, filename: str) -> SignedDownload:
        """Return a URL to GET the object at ``key``; browsers save it as ``filename``."""
        expires_at = datetime.now(UTC) + timedelta(seconds=_DOWNLOAD_SECONDS)
        params = {"Bucket": self._bucket, "Key": key, "ResponseContentDisposition": _attachment(filename)}
        url = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=_DOWNLOAD_SECONDS)
        return SignedDownload(url, expires_at)

    def _sign_put(
        self, method: str, target: Mapping[str, Any], size: int | None, sha256: str | None
    ) -> SignedUpload:
        """Sign a PUT. Size and checksum become signed headers: S3 refuses any other body."""
        expires_at = datetime.now(UTC) + timedelta(seconds=self._expires)
        params: dict[str, Any] = {"Bucket": self._bucket, **target}
        headers = {}
        if size is not None:
            params["ContentLength"] = size
            headers["Content-Length"] = str(size)
        if sha256 is not None:
            params["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = _base64(sha256)
        url = self._client.generate_presigned_url(method, Params=params, ExpiresIn=self._expires)
        return SignedUpload("PUT", url, headers, expires_at)


class S3Bucket:
    """Implement `service.multipart.MultipartBucket`, `service.sweep.SweptBucket` and `FileBucket`.

    Every method raises RetryLater. Every method with an ``upload_id``, except ``abort``, raises NotPossible
    for an upload that has ended.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def begin(self, key: str, *, checksums: bool) -> str:
        """Begin a multipart upload and return its id. With ``checksums``, each part needs its SHA-256."""
        algorithm: Any = {"ChecksumAlgorithm": "SHA256"} if checksums else {}
        with _upload_errors():
            response = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, **algorithm)
        return response["UploadId"]

    def parts(self, key: str, upload_id: str, *, after: int) -> Sequence[Part]:
        """Return up to 1,000 of the parts that have arrived, by number, beginning after ``after``."""
        with _upload_errors():
            answer = self._client.list_parts(
                Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumberMarker=after
            )
        return [_part(part) for part in answer.get("Parts", [])]

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Assemble the object from its parts. A second call may or may not raise NotPossible."""
        with _upload_errors():
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [_completed_part(part) for part in parts]},
            )

    def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts. Do nothing when the upload has ended."""
        try:
            with _upload_errors():
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except NotPossible:
            return

    def remove(self, key: str) -> None:
        """Remove the object, if it exists."""
        with _upload_errors():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def write(self, key: str, pieces: Iterator[bytes], *, content_type: str) -> None:
        """Write an object of any length, in parts if it is large. It appears whole or not at all.

        Raises RetryLater, and S3's own error where another attempt would end in the same way.
        """
        parts = _parts(pieces)
        first = next(parts, b"")
        second = next(parts, None)
        with _write_errors():
            if second is None:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=first, ContentType=content_type)
                return
            upload = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type
            )
        upload_id = upload["UploadId"]
        try:
            sent = [self._send(key, upload_id, 1, first), self._send(key, upload_id, 2, second)]
            del first, second
            sent += [self._send(key, upload_id, number, part) for number, part in enumerate(parts, start=3)]
            self.complete(key, upload_id, sent)
        except BaseException as error:
            with suppress(RetryLater):  # the bucket's lifecycle rule removes its parts
                self.abort(key, upload_id)
            if isinstance(error, NotPossible):  # somebody else ended the upload
                raise RetryLater(f"S3 did not accept {key}: {error}", Dependency.STORAGE) from error
            raise

    def _send(self, key: str, upload_id: str, number: int, data: bytes) -> Part:
        with _write_errors():
            answer = self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )
        return Part(number, len(data), etag=answer["ETag"])

    def objects(self, prefix: str) -> Iterator[Source]:
        """Yield all objects whose key begins with ``prefix``, without their versions."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with _upload_errors():
            for page in pages:
                for entry in page.get("Contents", []):
                    yield Source(
                        self._bucket,
                        entry["Key"],
                        entry["ETag"].strip('"'),
                        entry["Size"],
                        modified_at=entry["LastModified"],
                    )

    def remove_all(self, prefix: str, *, but: str | None = None) -> Iterator[None]:
        """Remove the objects whose keys begin with the prefix: versions, delete markers, open uploads.

        The object with the key ``but`` stays. Yields after each page of up to 1,000 of them.
        """
        while uploads := self._open_uploads(prefix):
            for key, upload_id in uploads:
                self.abort(key, upload_id)
            yield
        while versions := [it for it in self._versions(prefix) if it["Key"] != but]:
            self._remove_versions(versions)
            yield

    def erase_versions(self, erased: ErasedObject) -> int:
        """Remove the versions of one key that the erasure includes; count them.

        Delete markers go if no version is kept: without its marker, an older version would be there again.
        """
        found: list[ObjectIdentifierTypeDef] = []
        count = 0
        for entry, is_marker in self._versions_of(erased.key):
            version = Version(entry["VersionId"], str(entry.get("ETag", "")).strip('"'))
            if not erased.includes(version, entry["LastModified"]) or (is_marker and erased.kept):
                continue
            found.append({"Key": erased.key, "VersionId": entry["VersionId"]})
            count += not is_marker
        for start in range(0, len(found), _MOST_REMOVED):
            self._remove_versions(found[start : start + _MOST_REMOVED])
        return count

    def _versions_of(
        self, key: str
    ) -> "Iterator[tuple[ObjectVersionTypeDef | DeleteMarkerEntryTypeDef, bool]]":
        """Yield the versions and the delete markers of one key. Pages come in the order of keys."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
        with _upload_errors():
            for page in pages:
                versions, markers = page.get("Versions", []), page.get("DeleteMarkers", [])
                yield from ((it, False) for it in versions if it["Key"] == key)
                yield from ((it, True) for it in markers if it["Key"] == key)
                if any(it["Key"] != key for it in (*versions, *markers)):
                    return

    def _remove_versions(self, versions: "list[ObjectIdentifierTypeDef]") -> None:
        with _upload_errors():
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": versions, "Quiet": True}
            )
        if failures := answer.get("Errors"):
            raise RetryLater(f"S3 keeps {len(failures)} objects: {failures[0]}", Dependency.STORAGE)

    def _open_uploads(self, prefix: str) -> Sequence[tuple[str, str]]:
        with _upload_errors():
            listed = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix)
        return [(it["Key"], it["UploadId"]) for it in listed.get("Uploads", [])]

    def _versions(self, prefix: str) -> "list[ObjectIdentifierTypeDef]":
        with _upload_errors():
            listed = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix)
        entries = [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
        return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]


def _parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join pieces to the parts of a multipart upload, of which S3 takes 10,000."""
    buffer = bytearray()
    number = 1
    for piece in pieces:
        buffer += piece
        if len(buffer) >= (_PART if number <= _SMALL_PARTS else _LARGE_PART):
            yield bytes(buffer)
            buffer.clear()
            number += 1
    if buffer:
        yield bytes(buffer)


def _attachment(filename: str) -> str:
    """Return the header Content-Disposition for a download with that name (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


@contextmanager
def _upload_errors() -> Iterator[None]:
    """Turn boto3's errors into NotPossible and RetryLater."""
    try:
        with outages():
            yield
    except ClientError as error:
        if code_of(error) in _ENDED_CODES:
            sentence = "The upload has ended: it was completed, canceled, or it took too long."
            raise NotPossible(sentence) from error
        if code_of(error) in _INVALID_PARTS_CODES:
            sentence = f"S3 cannot assemble the parts ({code_of(error)}). Send them again."
            raise NotPossible(sentence) from error
        raise RetryLater(f"S3 answered {code_of(error)}: {error}", Dependency.STORAGE) from error


@contextmanager
def _write_errors() -> Iterator[None]:
    """Turn boto3's errors into RetryLater where another attempt may succeed."""
    with outages():
        try:
            yield
        except ClientError as error:
            if may_succeed_later(error):
                raise RetryLater(f"S3 answered {code_of(error)}: {error}", Dependency.STORAGE) from error
            raise


def _part(entry: "PartTypeDef") -> Part:
    checksum = entry.get("ChecksumSHA256")
    sha256 = b64decode(checksum).hex() if checksum else None
    return Part(entry["PartNumber"], entry["Size"], sha256, entry["ETag"])


def _completed_part(part: Part) -> "CompletedPartTypeDef":
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.sha256 is not None:
        completed["ChecksumSHA256"] = _base64(part.sha256)
    return completed


def _base64(sha256: str) -> str:
    return b64encode(bytes.fromhex(sha256)).decode()
