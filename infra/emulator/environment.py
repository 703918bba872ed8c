"""Settings that lead to a LocalStack."""

import os
import urllib.request
from collections.abc import Mapping

REGION = "us-east-1"
# LocalStack accepts any credentials; its documentation uses these.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
# An HTTP client without the user's proxies: LocalStack runs on this machine or in the same network.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def aws_env(endpoint: str) -> dict[str, str]:
    """Return the variables that lead any AWS SDK to this LocalStack, whatever the user's AWS settings are."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **CREDENTIALS,
    }


def application_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return the application's own settings out of a stack's environment."""
    names = ("DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL")
    clients = ("SLUICE_URL", "SLUICE_API_KEY")
    own = (name for name in env if name.startswith("SLUICE_") and name not in clients)
    return {name: env[name] for name in (*names, *own) if name in env}
