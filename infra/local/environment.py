"""Environments: what the stack's processes see, and the file that tells others about the stack."""

import os
import re
import shlex
from collections.abc import Mapping

from infra.local.layout import SHARED, Layout

REGION = "us-east-1"
# LocalStack takes any; these two are what its documentation uses.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
# Of the caller's environment only what reaches the network or names the terminal's language. An
# AWS_PROFILE or a PYTHONPATH of the caller's must not get in.
PASSED_ON = re.compile(
    r"PATH|LANG|LC_\w+|TERM|TZ|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|PIP_\w+"
    r"|(https?|all|no)_proxy",
    re.IGNORECASE,
)
LOOPBACK = "127.0.0.1,localhost"
PLAIN = re.compile(r"[\w@%+:,./-]*", re.ASCII)


def passed_on() -> dict[str, str]:
    """The part of the caller's environment that children get."""
    env = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    for name in ("no_proxy", "NO_PROXY"):
        env[name] = ",".join(filter(None, (env.get(name), LOOPBACK)))
    return env


def own_env(layout: Layout) -> dict[str, str]:
    """What every child gets, so that nothing it does by default lands outside the root."""
    return {
        "HOME": str(layout.home),
        "TMPDIR": str(layout.tmp),
        "XDG_CACHE_HOME": str(layout.home / ".cache"),
        "XDG_CONFIG_HOME": str(layout.home / ".config"),
        "XDG_DATA_HOME": str(layout.home / ".local/share"),
        "PYTHONUNBUFFERED": "1",
    }


def pip_env(layout: Layout) -> dict[str, str]:
    """What commands that run pip get on top.

    They keep the caller's HOME, because pip's settings (which index, which credentials) are there;
    they write nothing to it.
    """
    return (
        own_env(layout)
        | {
            "PIP_CACHE_DIR": str(SHARED / "cache" / "pip"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            # pip asks rustc for its version, and rustup answers by creating a folder in HOME
            "RUSTUP_HOME": str(SHARED / "cache" / "rustup"),
        }
        | {
            name: os.environ[name]
            for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
            if name in os.environ
        }
    )


def aws_env(endpoint: str) -> dict[str, str]:
    """What makes an AWS SDK talk to this LocalStack, whatever the user's own AWS settings say."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **CREDENTIALS,
    }


def quoted(value: str) -> str:
    """The value as a shell reads it back, unquoted where that is safe."""
    return value if PLAIN.fullmatch(value) else shlex.quote(value)


def write_env_file(layout: Layout, env: Mapping[str, str]) -> None:
    """Tell others about the stack: `KEY=value` lines for `set -a; . FILE; set +a`, all or nothing.

    Readable by its owner only: it holds the database's password.
    """
    half = layout.env_file.with_name(f"env.{os.getpid()}")
    half.touch(mode=0o600)
    half.write_text("".join(f"{name}={quoted(value)}\n" for name, value in env.items()))
    half.replace(layout.env_file)


def read_env_file(layout: Layout) -> dict[str, str]:
    """What `write_env_file` wrote; nothing when the stack is not up."""
    try:
        lines = layout.env_file.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}
