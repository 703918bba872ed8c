"""S3 behind its ports, on moto."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.backends.s3 import S3Bucket, S3Signer, S3Store
from chalicelib.backends.s3.objects import object_errors
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Source


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = boto3.client("s3", region_name="us-east-1", config=Config(signature_version="s3v4"))
        made.create_bucket(Bucket="bucket")
        yield made


@pytest.fixture
def store(client: Any) -> S3Store:
    return S3Store(client)


def test_a_pinned_object_is_read_by_ranges(client: Any, store: S3Store) -> None:
    client.put_object(Bucket="bucket", Key="k", Body=b"0123456789")
    source = store.pin("bucket", "k")
    assert (source.bucket, source.key, source.size, source.version_id) == ("bucket", "k", 10, None)
    assert store.read(source, 0, 4) + store.read(source, 4, 10) == b"0123456789"


def test_an_object_that_was_replaced_is_not_read(client: Any, store: S3Store) -> None:
    client.put_object(Bucket="bucket", Key="k", Body=b"old")
    source = store.pin("bucket", "k")
    client.put_object(Bucket="bucket", Key="k", Body=b"new")
    with pytest.raises(JobFailed) as raised:
        store.read(source, 0, 3)
    assert raised.value.code == "source-changed"


def test_a_version_is_read_even_when_there_is_a_newer_one(client: Any, store: S3Store) -> None:
    client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket="bucket", Key="k", Body=b"old")
    source = store.pin("bucket", "k")
    assert source.version_id
    client.put_object(Bucket="bucket", Key="k", Body=b"new")
    assert store.read(source, 0, 3) == b"old"


def test_a_removed_object_fails_its_job(client: Any, store: S3Store) -> None:
    with pytest.raises(JobFailed) as raised:
        store.pin("bucket", "nothing")
    assert raised.value.code == "source-missing"
    with pytest.raises(JobFailed):
        store.read(Source("bucket", "nothing", "e", 3), 0, 3)
    client.delete_bucket(Bucket="bucket")
    with pytest.raises(RetryLater):
        store.ping("bucket")


def test_s3_out_of_reach_is_retried_later() -> None:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    with pytest.raises(RetryLater):
        S3Store(client).pin("bucket", "k")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InvalidObjectState", 403, JobFailed),  # archived
        ("KMS.DisabledException", 400, JobFailed),
        ("InvalidRequest", 400, JobFailed),  # encrypted with its owner's key
        ("SlowDown", 503, RetryLater),
        ("InternalError", 500, RetryLater),
        ("RequestTimeout", 400, RetryLater),
        ("ExpiredToken", 400, RetryLater),
        ("NoSuchBucket", 404, RetryLater),
    ],
)
def test_each_error_of_s3_fails_the_job_or_is_retried(code: str, status: int, error: type[Exception]) -> None:
    said: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(error), object_errors():
        raise ClientError(said, "GetObject")


def test_a_signed_upload_takes_a_body_of_the_announced_size_only(client: Any) -> None:
    signed = S3Signer(client, "bucket", expires=60).sign("uploads/a b", size=7, sha256=None)
    query = parse_qs(urlsplit(signed.url).query)
    assert signed.method == "PUT"
    assert signed.headers == {"Content-Length": "7"}
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert "/uploads/a%20b?" in signed.url


def test_a_signed_upload_of_unknown_size_takes_any_body(client: Any) -> None:
    signed = S3Signer(client, "bucket", expires=60).sign("k", size=None, sha256=None)
    assert signed.headers == {}
    assert parse_qs(urlsplit(signed.url).query)["X-Amz-SignedHeaders"] == ["host"]


@pytest.mark.parametrize("size", [0, 5, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20 << 20])
def test_an_object_of_any_length_is_written(client: Any, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    pieces = (data[at : at + 1_000_000] for at in range(0, size, 1_000_000))
    S3Bucket(client, "bucket").write("rejects/1/a.csv", pieces, content_type="text/csv")
    written = client.get_object(Bucket="bucket", Key="rejects/1/a.csv")
    assert written["Body"].read() == data
    assert written["ContentType"] == "text/csv"
    assert "Uploads" not in client.list_multipart_uploads(Bucket="bucket")


def test_an_object_that_may_not_be_written_is_not_tried_for_ever() -> None:
    """An attempt counts then, unlike one that meets an outage."""
    refused: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    class Refusing:
        def put_object(self, **_request: object) -> None:
            raise ClientError(refused, "PutObject")

    bucket: Any = S3Bucket(Refusing(), "bucket")  # type: ignore[arg-type]
    with pytest.raises(ClientError):
        bucket.write("rejects/1/a.csv", iter([b"x"]), content_type="text/csv")


class Stopped(Exception):  # noqa: N818 - no error
    pass


@pytest.mark.parametrize("pieces", [0, 1, 5])
def test_an_object_whose_text_breaks_off_is_not_written(client: Any, pieces: int) -> None:
    def broken() -> Iterator[bytes]:
        yield from [bytes(8 << 20)] * pieces
        raise Stopped

    with pytest.raises(Stopped):
        S3Bucket(client, "bucket").write("rejects/1/a.csv", broken(), content_type="text/csv")
    assert "Contents" not in client.list_objects_v2(Bucket="bucket")
    assert "Uploads" not in client.list_multipart_uploads(Bucket="bucket")


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        (
            "people-rejects.csv",
            "attachment; filename=\"people-rejects.csv\"; filename*=UTF-8''people-rejects.csv",
        ),
        (
            'jän "x"\r\n;.csv',
            "attachment; filename=\"j_n _x____.csv\"; filename*=UTF-8''j%C3%A4n%20%22x%22%0D%0A%3B.csv",
        ),
    ],
)
def test_a_download_is_signed_with_a_safe_name(client: Any, filename: str, header: str) -> None:
    signed = S3Signer(client, "bucket", expires=3600).sign_download("rejects/1/a.csv", filename=filename)
    query = parse_qs(urlsplit(signed.url).query)
    assert urlsplit(signed.url).path == "/rejects/1/a.csv"
    assert query["X-Amz-Expires"] == ["300"]
    assert query["response-content-disposition"] == [header]
