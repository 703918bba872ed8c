"""Uploads in parts, on LocalStack: moto keeps no checksums of parts, and takes any."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.credentials import Credentials
from urllib3 import PoolManager

from chalicelib.backends.s3 import S3Bucket, S3Signer, S3Store, SignedReads
from chalicelib.core.errors import JobFailed, NotPossible, RetryLater
from chalicelib.core.jobs import Part
from chalicelib.core.model import Source
from chalicelib.wiring.aws import credentials, http_pools
from tests.support.buckets import new_bucket, s3_client

MIB = 1 << 20
PIECES = (b"a" * (5 * MIB), b"b" * (5 * MIB), b"end")


@pytest.fixture
def client(services: Mapping[str, str]) -> Any:
    return s3_client(services)


@pytest.fixture
def name(client: Any) -> str:
    return new_bucket(client)


@pytest.fixture
def bucket(client: Any, name: str) -> S3Bucket:
    return S3Bucket(client, name)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def send(client: Any, name: str, upload_id: str, *, checksums: bool) -> None:
    for number, piece in enumerate(PIECES, start=1):
        encoded = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        more: Any = {"ChecksumSHA256": encoded} if checksums else {}
        client.upload_part(Bucket=name, Key="k", UploadId=upload_id, PartNumber=number, Body=piece, **more)


@pytest.mark.parametrize("checksums", [True, False])
def test_parts_become_the_object(client: Any, name: str, bucket: S3Bucket, checksums: bool) -> None:
    upload_id = bucket.begin("k", checksums=checksums)
    assert bucket.parts("k", upload_id, after=0) == []
    send(client, name, upload_id, checksums=checksums)
    arrived = bucket.parts("k", upload_id, after=0)
    wanted = [Part(n, len(it), sha256(it) if checksums else None) for n, it in enumerate(PIECES, start=1)]
    assert [replace(it, etag="") for it in arrived] == wanted
    assert bucket.parts("k", upload_id, after=2) == arrived[2:]
    bucket.complete("k", upload_id, arrived)
    made = S3Store(client).pin(name, "k")
    assert made.size == sum(map(len, PIECES))
    if checksums:
        of_parts = hashlib.sha256(b"".join(hashlib.sha256(it).digest() for it in PIECES)).digest()
        assert made.checksum is not None
        assert made.checksum.split("-")[0] == base64.b64encode(of_parts).decode()


def test_an_upload_that_has_ended_is_refused(client: Any, name: str, bucket: S3Bucket) -> None:
    upload_id = bucket.begin("k", checksums=False)
    send(client, name, upload_id, checksums=False)
    bucket.abort("k", upload_id)
    bucket.abort("k", upload_id)
    with pytest.raises(NotPossible):
        bucket.parts("k", upload_id, after=0)
    with pytest.raises(NotPossible):
        bucket.complete("k", upload_id, [Part(1, 3, None, '"e"')])
    assert list(bucket.objects("")) == []


def test_objects_are_listed_with_what_identifies_them(client: Any, name: str, bucket: S3Bucket) -> None:
    for key in ("drop/a/1", "drop/b/2", "uploads/3"):
        client.put_object(Bucket=name, Key=key, Body=key.encode())
    found = {it.key: it for it in bucket.objects("drop/")}
    assert sorted(found) == ["drop/a/1", "drop/b/2"]
    looked_at = S3Store(client).pin(name, "drop/a/1")
    listed = found["drop/a/1"]
    assert (listed.etag, listed.size) == (looked_at.etag, looked_at.size)
    assert listed.modified_at is not None
    assert looked_at.modified_at is not None
    assert int(listed.modified_at.timestamp()) == int(looked_at.modified_at.timestamp())
    bucket.remove("drop/a/1")
    bucket.remove("drop/a/1")
    assert [it.key for it in bucket.objects("drop/")] == ["drop/b/2"]


def test_an_object_that_came_with_its_checksum_is_known_by_it(client: Any, name: str) -> None:
    encoded = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    client.put_object(Bucket=name, Key="with", Body=b"data", ChecksumSHA256=encoded)
    client.put_object(Bucket=name, Key="without", Body=b"data")
    store = S3Store(client)
    assert store.pin(name, "with").checksum == encoded
    assert store.pin(name, "without").checksum is None


def test_a_missing_bucket_is_retried_later(client: Any) -> None:
    nowhere = S3Bucket(client, f"nowhere-{uuid4().hex}")
    with pytest.raises(RetryLater):
        nowhere.begin("k", checksums=False)
    with pytest.raises(RetryLater):
        list(nowhere.objects(""))


def test_signed_urls_take_the_signed_body_and_no_other(client: Any, name: str, bucket: S3Bucket) -> None:
    signer = S3Signer(client, name, expires=60)
    whole = signer.sign("whole", size=3, sha256=sha256(b"abc"))
    assert httpx.put(whole.url, headers=dict(whole.headers), content=b"abd").status_code == 400
    assert httpx.put(whole.url, headers=dict(whole.headers), content=b"abc").status_code == 200
    upload_id = bucket.begin("parts", checksums=True)
    part = signer.sign_part("parts", upload_id, Part(1, 3, sha256(b"abc")))
    assert httpx.put(part.url, headers=dict(part.headers), content=b"abd").status_code == 400
    assert httpx.put(part.url, headers=dict(part.headers), content=b"abc").status_code == 200
    (arrived,) = bucket.parts("parts", upload_id, after=0)
    assert arrived.sha256 == sha256(b"abc")


@pytest.fixture
def signed(client: Any) -> SignedReads:
    pools, signer = http_pools(client.meta.endpoint_url, 2), credentials()
    assert pools is not None
    assert signer is not None
    return SignedReads(client, signer, pools)


@pytest.mark.parametrize("versions", [False, True])
def test_an_object_begins_alike_by_a_signed_request_and_by_boto3(
    client: Any, name: str, signed: SignedReads, *, versions: bool
) -> None:
    if versions:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    encoded = base64.b64encode(hashlib.sha256(b"0123456789").digest()).decode()
    client.put_object(Bucket=name, Key="a b/ü?#", Body=b"0123456789", ChecksumSHA256=encoded)
    first = S3Store(client).pin(name, "a b/ü?#")
    client.put_object(Bucket=name, Key="k", Body=b"newer")
    for size in (4, 10, 99):
        found = signed.begin(name, "a b/ü?#", first.version_id, size)
        assert found == S3Store(client).begin(name, "a b/ü?#", first.version_id, size)
        assert found == (first, b"0123456789"[:size])
    assert first.checksum == encoded


def test_an_object_that_is_unchanged_is_seen_without_boto3(
    client: Any, name: str, signed: SignedReads
) -> None:
    client.put_object(Bucket=name, Key="k", Body=b"old")
    source = S3Store(client).pin(name, "k")
    assert signed.is_unchanged(source)
    client.put_object(Bucket=name, Key="k", Body=b"new")
    assert not signed.is_unchanged(source)
    assert not S3Store(client, signed).is_current(source)
    client.put_object(Bucket=name, Key="k", Body=b"old")
    assert S3Store(client, signed).is_current(source)


def test_what_a_signed_request_cannot_tell_is_asked_by_boto3(
    client: Any, name: str, signed: SignedReads
) -> None:
    store = S3Store(client, signed)
    source = Source(name, "missing", "e", 1)
    assert signed.begin(name, "missing", None, 1) is None
    for ask in (lambda: store.begin(name, "missing", None, 1), lambda: store.is_current(source)):
        with pytest.raises(JobFailed) as raised:
            ask()
        assert raised.value.code == "source-missing"
    elsewhere = boto3.client("s3", endpoint_url="http://127.0.0.1:1")
    unreachable = SignedReads(elsewhere, Credentials("id", "secret"), PoolManager())
    client.put_object(Bucket=name, Key="k", Body=b"data")
    assert unreachable.begin(name, "k", None, 9) is None
    assert S3Store(client, unreachable).begin(name, "k", None, 9)[1] == b"data"
