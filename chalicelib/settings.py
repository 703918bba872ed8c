"""All settings, read from the environment here and nowhere else: see `docs/reference/settings.md`."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

MIB = 1 << 20
_FEWEST_AUDIT_DAYS = 30  # Postgres accepts no fewer
_SHORTEST_SECRET = 32  # bytes, as many as HMAC-SHA-256 gives. Source: RFC 7518, section 3.2
_Choice = TypeVar("_Choice", bound=str)
# As a browser sends it: lower case, without a path. Plain http only for pages on the reader's own machine.
_ORIGIN = re.compile(
    r"(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?|http://(localhost|127\.0\.0\.1|\[::1\]))(:[1-9][0-9]{0,4})?"
)
_DEFAULT_PORT = re.compile(r"https:.*:443|http:.*:80")  # a browser leaves it out

VERIFYING = ("verify-full", "verify-ca")  # the values of sslmode with which libpq verifies a certificate

UNCONFIGURED = "SLUICE_UNCONFIGURED"  # a stage of `.chalice/config.json` has it until it is configured
_BY_MAKE = "`make up` deploys it, with everything that it needs, on this machine."
_BY_CONFIGURE = "docs/how-to/deploy-to-aws.md shows how to create its stacks, configure it and deploy it."
_SERVING = (
    "To serve the API by `chalice local`, run `make up`, then `set -a; . .local/env; set +a` before it."
)


class SettingError(ValueError):
    """A setting is missing or invalid; the message names it."""


@dataclass(frozen=True)
class Settings:
    """The service's settings. Sizes in bytes, times in seconds."""

    database_url: str
    database_secret: str  # AWS Secrets Manager: user and password for database_url
    database_ca: str  # a file with certificates of CAs, which are verified; empty: the public ones
    database_role_secrets: str  # of the logins that the migrations set
    token_secrets: tuple[bytes, ...] = field(repr=False)  # of upload tokens, newest first
    token_secrets_id: str  # AWS Secrets Manager: the same
    oidc_issuer: str  # empty: people have no access tokens
    oidc_audience: str
    oidc_tenant_claim: str
    oidc_role_claim: str
    oidc_roles: str  # JSON
    oidc_jwks: str  # JSON, or the address of an object in S3
    allowed_origins: tuple[str, ...]  # whose pages may use the API and the bucket
    bucket: str
    queue_backend: Literal["sqs", "redis"]
    queue_url: str  # SQS
    lambda_workers: int  # the most that run at once; 0: workers are containers
    bucket_events: Literal["chalice", "template"]  # how the intake is attached to the bucket
    dead_letter_queue_url: str  # SQS
    redis_url: str  # Redis
    redis_secret: str  # AWS Secrets Manager: the password for redis_url
    redis_stream: str
    aws_endpoint_url: str | None
    public_s3_endpoint_url: str | None
    upload_expires: int
    parts_expire: int
    max_upload_size: int
    max_single_upload: int
    part_size: int
    max_text_size: int
    max_ratio: int
    max_decompression_seconds: int
    block_size: int
    read_size: int
    range_size: int  # 0: files are not split
    max_record_size: int
    max_rejects: int  # that are stored for a job
    loaders: int
    memory_budget: int
    worker_jobs: int
    lease_seconds: float
    visibility_timeout: float
    max_deliveries: int
    outage_seconds: float
    grace_seconds: float
    sweep_seconds: float
    retention_days: int
    audit_days: int  # 0: the events of the audit log are kept. For migrations
    health_file: str | None


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    try:
        value = int(text)
    except ValueError:
        raise SettingError(f"{name} must be a whole number, not {text!r}") from None
    if not low <= value <= high:
        raise SettingError(f"{name} must be between {low} and {high}, not {value}")
    return value


def _choice(env: Mapping[str, str], name: str, *choices: _Choice) -> _Choice:
    """Return one of the choices; the first is the default."""
    value = env.get(name, choices[0])
    for choice in choices:
        if value == choice:
            return choice
    *others, last = choices
    raise SettingError(f"{name} must be {', '.join(others)} or {last}, not {value!r}")


def _lambda_workers(env: Mapping[str, str], queue_backend: str) -> int:
    workers = _number(env, "SLUICE_LAMBDA_WORKERS", 0, 0, 1000)
    if workers == 1:
        raise SettingError("SLUICE_LAMBDA_WORKERS must be 0 or at least 2: AWS accepts no maximum of 1")
    if workers and queue_backend != "sqs":
        raise SettingError("SLUICE_LAMBDA_WORKERS must be 0 with Redis: Lambda takes messages from SQS only")
    return workers


def _audit_days(env: Mapping[str, str]) -> int:
    days = _number(env, "SLUICE_AUDIT_DAYS", 0, 0, 36500)
    if 0 < days < _FEWEST_AUDIT_DAYS:
        raise SettingError(f"SLUICE_AUDIT_DAYS must be 0 or at least {_FEWEST_AUDIT_DAYS}, not {days}")
    return days


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """Return the secrets in a list that has commas between them, or is JSON.

    Raises ValueError with a sentence about the list that does not show it.
    """
    items: object = text.split(",") if text.strip() else []
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be a list of texts, with commas between them or as JSON")
    secrets = tuple(item.strip().encode() for item in items)
    if any(len(secret) < _SHORTEST_SECRET for secret in secrets):
        raise ValueError(f"must have at least {_SHORTEST_SECRET} bytes in each secret")
    return secrets


def _token_secrets(env: Mapping[str, str]) -> tuple[bytes, ...]:
    try:
        return parse_secrets(env.get("SLUICE_TOKEN_SECRETS", ""))
    except ValueError as error:
        raise SettingError(f"SLUICE_TOKEN_SECRETS {error}") from None


def parse_origins(text: str) -> tuple[str, ...]:
    """Return the web origins in a list that has commas between them.

    Raises ValueError with a sentence about the one that a browser would not send so.
    """
    origins = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            raise ValueError(
                "must list origins as browsers send them, with commas between them: https://app.example.org"
                " or http://localhost:8000, in lower case, without a path, a default port or '*'."
                f" This is not one: {origin!r}"
            )
    return origins


def _allowed_origins(env: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return parse_origins(env.get("SLUICE_ALLOWED_ORIGINS", ""))
    except ValueError as error:
        raise SettingError(f"SLUICE_ALLOWED_ORIGINS {error}") from None


def ssl_mode(url: str) -> str | None:
    """Return the `sslmode` of an address of Postgres; of several the last, as libpq takes it."""
    return parse_qs(urlsplit(url).query).get("sslmode", [None])[-1]


def _database_ca(env: Mapping[str, str]) -> str:
    """Return DATABASE_CA. Raises SettingError if DATABASE_URL asks for less than to verify certificates."""
    file, mode = env.get("DATABASE_CA", ""), ssl_mode(env.get("DATABASE_URL", ""))
    if file and mode is not None and mode not in VERIFYING:
        raise SettingError(
            "DATABASE_CA is set, so sslmode in DATABASE_URL must be verify-full, verify-ca (which does not"
            f" check the host name), or left out, which means verify-full. It is {mode!r}"
        )
    return file


def load(env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings in ``env``. Raises SettingError naming the wrong one.

    Addresses may be missing here: code that needs one calls :func:`required`.
    """
    queue_backend: Literal["sqs", "redis"] = _choice(env, "SLUICE_QUEUE_BACKEND", "sqs", "redis")
    return Settings(
        database_url=env.get("DATABASE_URL", ""),
        database_secret=env.get("DATABASE_SECRET", ""),
        database_ca=_database_ca(env),
        database_role_secrets=env.get("DATABASE_ROLE_SECRETS", ""),
        token_secrets=_token_secrets(env),
        token_secrets_id=env.get("SLUICE_TOKEN_SECRETS_ID", ""),
        oidc_issuer=env.get("SLUICE_OIDC_ISSUER", ""),
        oidc_audience=env.get("SLUICE_OIDC_AUDIENCE", ""),
        oidc_tenant_claim=env.get("SLUICE_OIDC_TENANT_CLAIM", "tenant"),
        oidc_role_claim=env.get("SLUICE_OIDC_ROLE_CLAIM", "roles"),
        oidc_roles=env.get("SLUICE_OIDC_ROLES", ""),
        oidc_jwks=env.get("SLUICE_OIDC_JWKS", ""),
        allowed_origins=_allowed_origins(env),
        bucket=env.get("SLUICE_BUCKET", "sluice-uploads"),
        queue_backend=queue_backend,
        queue_url=env.get("SLUICE_QUEUE_URL", ""),
        lambda_workers=_lambda_workers(env, queue_backend),
        bucket_events=_choice(env, "SLUICE_BUCKET_EVENTS", "chalice", "template"),
        dead_letter_queue_url=env.get("SLUICE_DEAD_LETTER_QUEUE_URL", ""),
        redis_url=env.get("REDIS_URL", ""),
        redis_secret=env.get("REDIS_SECRET", ""),
        redis_stream=env.get("SLUICE_REDIS_STREAM", "sluice:jobs"),
        aws_endpoint_url=env.get("AWS_ENDPOINT_URL") or None,
        public_s3_endpoint_url=env.get("S3_PUBLIC_ENDPOINT_URL") or None,
        upload_expires=_number(env, "SLUICE_UPLOAD_EXPIRES", 3600, 60, 7 * 24 * 3600),
        parts_expire=_number(env, "SLUICE_PARTS_EXPIRE", 7 * 24 * 3600, 60, 30 * 24 * 3600),
        max_upload_size=_number(env, "SLUICE_MAX_UPLOAD_SIZE", 100 << 30, 1, 5 << 40),
        max_single_upload=_number(env, "SLUICE_MAX_SINGLE_UPLOAD", 64 * MIB, 1, 5 << 30),
        part_size=_number(env, "SLUICE_PART_SIZE", 16 * MIB, 5 * MIB, 5 << 30),
        max_text_size=_number(env, "SLUICE_MAX_TEXT_SIZE", 100 << 30, 1, 1 << 50),
        max_ratio=_number(env, "SLUICE_MAX_RATIO", 200, 1, 1_000_000),
        max_decompression_seconds=_number(env, "SLUICE_MAX_DECOMPRESSION_SECONDS", 7200, 1, 1_000_000),
        block_size=_number(env, "SLUICE_BLOCK_SIZE", 4 * MIB, 1024, 64 * MIB),
        read_size=_number(env, "SLUICE_READ_SIZE", 8 * MIB, 64 << 10, 64 * MIB),
        range_size=_number(env, "SLUICE_RANGE_SIZE", 256 * MIB, 0, 1 << 40),
        max_record_size=_number(env, "SLUICE_MAX_RECORD_SIZE", 1 * MIB, 1024, 64 * MIB),
        max_rejects=_number(env, "SLUICE_MAX_REJECTS", 1_000_000, 0, 1_000_000_000),
        loaders=_number(env, "SLUICE_LOADERS", 2, 1, 16),
        memory_budget=_number(env, "SLUICE_MEMORY_BUDGET", 350 * MIB, 160 * MIB, 1 << 40),
        worker_jobs=_number(env, "SLUICE_WORKER_JOBS", 1, 1, 64),
        lease_seconds=_number(env, "SLUICE_LEASE_SECONDS", 30, 2, 3600),
        visibility_timeout=_number(env, "SLUICE_VISIBILITY_TIMEOUT", 45, 2, 43200),
        max_deliveries=_number(env, "SLUICE_MAX_DELIVERIES", 5, 1, 1000),
        outage_seconds=_number(env, "SLUICE_OUTAGE_SECONDS", 900, 1, 43200),
        grace_seconds=_number(env, "SLUICE_GRACE_SECONDS", 25, 1, 3600),
        sweep_seconds=_number(env, "SLUICE_SWEEP_SECONDS", 60, 1, 86400),
        retention_days=_number(env, "SLUICE_RETENTION_DAYS", 90, 1, 36500),
        audit_days=_audit_days(env),
        health_file=env.get("SLUICE_HEALTH_FILE") or None,
    )


def end_if_unconfigured(env: Mapping[str, str] = os.environ, command: Sequence[str] = sys.argv) -> None:
    """End Chalice for a stage that has only what the checkout has, and say what to do.

    `chalice local` serves such a stage with the addresses of the local stack. Raises SystemExit.
    """
    stage = env.get(UNCONFIGURED)
    if stage and ("DATABASE_URL" not in env or not {"deploy", "package"}.isdisjoint(command)):
        way = _BY_MAKE if stage == "local" else _BY_CONFIGURE.format(stage=stage)
        # `chalice local` waits for a change of the code after this, and does not print what it is raised with
        sys.stderr.write(f"Stage {stage} has no settings yet. {way} {_SERVING}\n")
        sys.exit(1)


def required(value: str, name: str) -> str:
    """Return ``value``. Raises SettingError that names the variable to set if it is empty."""
    if not value:
        raise SettingError(f"{name} is not set")
    return value
