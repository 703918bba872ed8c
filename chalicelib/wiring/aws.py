"""boto3 clients."""

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import MAX_POOL_CONNECTIONS, get_cert_path
from botocore.session import get_session
from botocore.utils import get_environ_proxies
from urllib3 import PoolManager, Timeout

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient


_CONNECT_SECONDS = 5
_READ_SECONDS = 15  # S3's answers come in pieces


def s3_client(endpoint: str | None, connections: int = MAX_POOL_CONNECTIONS) -> "S3Client":
    """Return a client for S3, or for the emulator at ``endpoint``; it keeps so many connections."""
    # An emulator's bucket has no host name of its own.
    style: Any = {"addressing_style": "path"} if endpoint else {}
    config = Config(
        signature_version="s3v4", s3=style, read_timeout=_READ_SECONDS, max_pool_connections=connections
    )
    return boto3.client("s3", endpoint_url=endpoint, config=_config().merge(config))


def http_pools(endpoint: str, connections: int) -> PoolManager | None:
    """Return pools of so many connections to a server; None if it is reached through a proxy.

    They trust whom boto3's clients trust.
    """
    if get_environ_proxies(endpoint):
        return None
    return PoolManager(
        cert_reqs="CERT_REQUIRED",
        ca_certs=get_cert_path(get_session().get_config_variable("ca_bundle") or True),
        timeout=Timeout(_CONNECT_SECONDS, _READ_SECONDS),
        maxsize=connections,
    )


def credentials() -> Credentials | None:
    """Return the credentials that boto3's clients sign with, renewed in time; None without any."""
    return (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()


def sqs_client(endpoint: str | None) -> "SQSClient":
    """Return a client for SQS, or for the emulator at ``endpoint``."""
    return boto3.client("sqs", endpoint_url=endpoint, config=_config())


def _config() -> Config:
    # A response that stalls for longer has broken off. SQS's longest poll is 20 s.
    return Config(
        retries={"mode": "standard", "max_attempts": 5}, connect_timeout=_CONNECT_SECONDS, read_timeout=30
    )
