"""AWS in memory that enforces IAM: moto, with what it lacks of it.

moto checks the policies of the identity that signed a request. This adds:

- the resource of requests to Secrets Manager and to CloudWatch Logs, for which moto takes `*`;
- the actions that AWS asks for where moto asks for one that IAM does not know (`s3:HeadBucket`,
  `sqs:SendMessageBatch`), and `s3:GetObjectVersion` for HEAD;
- each object of `DeleteObjects`, for which moto checks the bucket.

Not checked: conditions, resource policies (of buckets, queues, keys), presigned URLs, rights on KMS keys that
other services use on behalf of the caller, and other services than these four.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import unescape

import boto3
import botocore.client
import pytest
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws
from moto.core.authorization import disable_iam_authentication, enable_iam_authentication
from moto.iam.access_control import IAMRequestBase

REGION, ACCOUNT = "eu-west-1", "123456789012"
_ONE_BY_ONE = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "s3:HeadBucket": "s3:ListBucket",
}
# What the holder of a presigned URL does by leave of the signer.
_SIGNED = {"PutObject": "s3:PutObject", "UploadPart": "s3:PutObject", "GetObject": "s3:GetObject"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
    ],
}


class Right(NamedTuple):
    """An action of IAM, and what it is done to: `bucket/prefix/`, or the name of something else."""

    action: str
    place: str


class Cloud:
    """The services, and what was asked of them."""

    def __init__(self) -> None:
        self.asked: set[Right] = set()
        self.denied: list[Right] = []

    @contextmanager
    def as_operator(self) -> Iterator[boto3.Session]:
        """Give a session that may do everything, and check no policies meanwhile."""
        with disable_iam_authentication():
            yield boto3.Session(aws_access_key_id="o", aws_secret_access_key="o", region_name=REGION)

    def make_role(self, name: str, policy: Any) -> None:
        with self.as_operator() as session:
            iam = session.client("iam")
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))

    @contextmanager
    def as_role(self, name: str) -> Iterator[set[Right]]:
        """Let this process have the role. Yields what it has asked for, which grows."""
        with self.as_operator() as session:
            arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
            given = session.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        self.asked, self.denied = set(), []
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
            patched.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
            patched.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
            patched.setattr(boto3, "DEFAULT_SESSION", None)
            parameters.clear_caches()  # type: ignore[no-untyped-call]
            with enable_iam_authentication():
                yield self.asked
        parameters.clear_caches()  # type: ignore[no-untyped-call]


@contextmanager
def enforcing() -> Iterator[Cloud]:
    """Give the services, empty."""
    cloud = Cloud()
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("AWS_ENDPOINT_URL", raising=False)
        patched.setenv("AWS_DEFAULT_REGION", REGION)
        patched.setenv(
            "HTTPS_PROXY", "http://127.0.0.1:1"
        )  # so that objects are read by boto3, which moto is
        _watch(cloud, patched)
        with mock_aws():
            yield cloud


def _watch(cloud: Cloud, patched: pytest.MonkeyPatch) -> None:
    client_class: Any = botocore.client.BaseClient
    check, signing = IAMRequestBase.check_action_permitted, client_class._emit_api_params

    def checked(request: Any, resource: str) -> None:
        for action, exact in list(_corrected(request, resource)):
            right = Right(action, _place(exact))
            cloud.asked.add(right)
            request._action = action
            try:
                check(request, exact)
            except Exception:
                cloud.denied.append(right)
                raise

    def emitted(client: Any, api_params: Any, operation_model: Any, context: Any) -> Any:
        if context.get("is_presign_request"):
            key = f"{api_params['Bucket']}/{api_params['Key']}"
            cloud.asked.add(Right(_SIGNED[operation_model.name], _place(f"arn:aws:s3:::{key}")))
        return signing(client, api_params, operation_model, context)

    patched.setattr(IAMRequestBase, "check_action_permitted", checked)
    patched.setattr(client_class, "_emit_api_params", emitted)


def _corrected(request: Any, resource: str) -> Iterator[tuple[str, str]]:
    """Yield the actions that AWS asks for, and on which resources."""
    action = _ONE_BY_ONE.get(request._action, request._action)
    query = parse_qs(urlsplit(request._path).query, keep_blank_values=True)
    if action == "s3:DeleteObject" and "delete" in query:
        for key, version in _deleted(request._body):
            yield "s3:DeleteObjectVersion" if version else action, f"{resource}/{key}"
    elif action == "s3:GetObject" and "versionId" in query:
        yield "s3:GetObjectVersion", resource
    elif request._service == "secretsmanager" and resource == "*":
        yield action, json.loads(request._body).get("SecretId", "*")
    elif request._service == "logs" and resource == "*":
        told = json.loads(request._body)
        name, stream = told.get("logGroupName"), told.get("logStreamName", "")
        yield action, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:log-stream:{stream}" if name else "*"
    else:
        yield action, resource


def _deleted(body: bytes) -> Sequence[tuple[str, str | None]]:
    found = re.findall(r"<Key>(.*?)</Key>(?:<VersionId>(.*?)</VersionId>)?", body.decode())
    return [(unescape(key), version or None) for key, version in found]


def _place(resource: str) -> str:
    """Return what a resource is called in the tests, without its account and region."""
    if resource == "*":
        return resource
    name = resource.split(":", 5)[5]
    if resource.startswith("arn:aws:s3:"):
        bucket, slash, key = name.partition("/")
        return f"{bucket}/{key.partition('/')[0]}/" if slash else bucket
    return name.removeprefix("log-group:").removeprefix("secret:").partition(":")[0]
